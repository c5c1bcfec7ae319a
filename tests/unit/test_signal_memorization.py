"""The causal half of the labelling rule agrees with the rule itself."""

import random

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.labels import MEMORIZED, Hold
from grokwatch.monitor.signals.memorization import follow, hold, since, train_accuracy
from grokwatch.monitor.snapshot import Snapshot

KEY = "angle_since_memorization.hold"


def logits(accuracy: float, n: int = 200) -> tuple[Tensor, Tensor]:
    """Logits of two classes of which a share is right."""
    targets = torch.arange(n) % 2
    right = torch.arange(n) < round(accuracy * n)
    return torch.nn.functional.one_hot(torch.where(right, targets, 1 - targets), 2).float(), targets


def test_accuracy_counts() -> None:
    assert float(train_accuracy(*logits(0.37))) == pytest.approx(0.37)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_finite_are_wrong(value: float) -> None:
    assert float(train_accuracy(torch.full((4, 3), value), torch.zeros(4).long())) == 0


@pytest.mark.parametrize("seed", range(5))
def test_hold_is_that_of_the_labels(seed: int) -> None:
    generator = random.Random(seed)
    steps = sorted(generator.choices(range(1, 3000), k=60))
    passes = [[generator.random() < 0.6 for _ in range(8)] for _ in steps]
    rules, first = [Hold() for _ in range(8)], [0] * 8
    state = torch.zeros(8, 4, dtype=torch.float64)
    for step, row in zip(steps, passes, strict=True):
        state = hold(state, step, torch.tensor(row))
        for index, (rule, passed) in enumerate(zip(rules, row, strict=True)):
            if rule.update(step, passes=passed) and not first[index]:
                first[index] = rule.since
    assert [int(s) if h else 0 for s, _, _, h in state.tolist()] == first
    assert any(first)


def test_reference_follows_until_memorization_begins() -> None:
    accuracies = {10: 0.2, 20: 1.0, 30: 0.5, 40: 0.995, 41: MEMORIZED, 42: 1.0, 50: 0.1, 60: 1.0}
    memory: dict[str, Tensor] = {}
    seen = []
    for step, accuracy in accuracies.items():
        z, y = logits(accuracy)
        now = Snapshot(step=step, logits=z, targets=y, memory=memory)
        seen.append(tuple(bool(answer) for answer in follow(now, KEY)))
    follows, has_memorized = zip(*seen, strict=True)
    assert list(follows) == [True, True, True, True, False, False, False, False]
    assert list(has_memorized) == [False] * 5 + [True] * 3
    assert float(since(now, KEY)) == 40


def test_state_of_another_stack_is_left_aside() -> None:
    z, y = logits(1.0)
    memory = {KEY: torch.ones(3, 4, dtype=torch.float64)}
    follows, has_memorized = follow(Snapshot(step=1, logits=z, targets=y, memory=memory), KEY)
    assert bool(follows)
    assert not bool(has_memorized)
