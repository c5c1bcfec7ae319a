"""Since when a model has memorized its training data, known while it trains.

The causal half of the labelling rule: train accuracy of at least .99, held over three readings and
1 % of the step it began at. Each signal that measures from there keeps the state of each model in
`Snapshot.memory` under its own key, so that its reference dates from one of its own readings. No
test data is seen.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokwatch.monitor.labels import HELD_FRACTION, HELD_POINTS, MEMORIZED
from grokwatch.monitor.snapshot import Snapshot

_SINCE, _POINTS, _HELD = 0, 2, 3


def train_accuracy(
    logits: Float[Tensor, "*models N C"], targets: Int[Tensor, "*_ N"]
) -> Float[Tensor, "*models"]:
    """Share of examples whose greatest logit is that of their target.

    mean_i [argmax_j z_ij = y_i]; an example whose greatest logit is not finite counts as wrong.

    Args:
        logits: one row per example.
        targets: class indices, with the model axes or without.

    Returns:
        A share in [0, 1], float64.

    Example:
        >>> train_accuracy(torch.tensor([[2.0, 1.0], [2.0, 1.0]]), torch.tensor([0, 1]))
        tensor(0.5000, dtype=torch.float64)

    Source:
        definition.
    """
    greatest = logits.max(dim=-1)
    correct = (greatest.indices == targets) & greatest.values.isfinite()
    return correct.double().mean(-1)


def hold(
    state: Float[Tensor, "*models 4"], step: int, passes: Bool[Tensor, "*models"]
) -> Float[Tensor, "*models 4"]:
    """Take one more reading of a condition that has to hold for a while; once held it stays so.

    `labels.Hold` for many models: three readings that pass, over at least 1 % of the step of the
    first; one that fails starts over.

    Args:
        state: per model the step at which the condition began, that of the newest reading, how many
            readings it holds for, and 1 once it has held; zeros at first.
        step: of this reading.
        passes: whether the condition is true now.

    Returns:
        The new state, float64; nothing changes in it after the condition has held.

    Example:
        >>> state, yes = torch.zeros(4, dtype=torch.float64), torch.tensor(True)
        >>> for step in (100, 110, 120):
        ...     state = hold(state, step, yes)
        >>> state
        tensor([100., 120.,   3.,   1.], dtype=torch.float64)

    Source:
        `monitor/labels.py`.
    """
    since, last, points, held = state.unbind(-1)
    begins = (points == 0) | (step < last)
    since = torch.where(begins, float(step), since)
    points = torch.where(begins, 1.0, points + (step > last))
    long = (points >= HELD_POINTS) & (step - since >= HELD_FRACTION * since)
    passed = torch.stack([since, torch.full_like(since, step), points, long.to(since)], -1)
    failed = torch.stack([since, last, points * 0, held], -1)
    return torch.where((held > 0)[..., None], state, torch.where(passes[..., None], passed, failed))


def follow(snapshot: Snapshot, key: str) -> tuple[Bool[Tensor, "..."], Bool[Tensor, "..."]]:
    """Take one more reading of train accuracy into `Snapshot.memory`.

    A reference is to follow the model until the reading at which memorization begins, that one
    included, and to stay as it is once memorization has held. In between a reading below .99 makes
    it follow again.

    Args:
        snapshot: with logits and targets.
        key: of the state in memory; begins with the signal's name.

    Returns:
        Whether each model's reference is to be taken now, and whether the model has memorized.

    Example:
        >>> logits, memory = torch.eye(2), {}
        >>> for step in (1, 2, 3):
        ...     now = Snapshot(step=step, logits=logits, targets=torch.arange(2), memory=memory)
        ...     print(*(bool(answer) for answer in follow(now, "angle.hold")))
        True False
        False False
        False True

    Source:
        `monitor/labels.py`.
    """
    logits, targets = snapshot.logits, snapshot.targets
    assert logits is not None  # its need
    assert targets is not None
    accuracy = snapshot.once("memorization.accuracy", lambda: train_accuracy(logits, targets))
    last = snapshot.memory.get(key)
    if last is None or last.shape != (*accuracy.shape, 4):
        last = accuracy.new_zeros((*accuracy.shape, 4))
    state = hold(last, snapshot.step, accuracy >= MEMORIZED)
    snapshot.memory[key] = state
    begins = (state[..., _POINTS] == 0) | (state[..., _SINCE] == snapshot.step)
    has_held = state[..., _HELD] > 0
    return begins & ~has_held, has_held


def since(snapshot: Snapshot, key: str) -> Float[Tensor, "..."]:
    """Step at which the newest reading saw memorization begin.

    The state that `follow` left under the same key.

    Args:
        snapshot: after `follow`.
        key: of the state in memory.

    Returns:
        Steps, float64, shape `models`; says nothing before the model has memorized.

    Example:
        >>> state = torch.tensor([100.0, 120.0, 3.0, 1.0], dtype=torch.float64)
        >>> since(Snapshot(step=120, memory={"angle.hold": state}), "angle.hold")
        tensor(100., dtype=torch.float64)

    Source:
        `monitor/labels.py`.
    """
    return snapshot.memory[key][..., _SINCE]
