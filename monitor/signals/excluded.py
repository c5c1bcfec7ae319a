"""Excluded and restricted loss: what the key frequencies do for the train examples.

The logits of a circuit that adds modulo C are waves of a few key frequencies in (label - class);
those of a memorizing network have a peak at the label, which all frequencies share evenly. Taking
the key frequencies away (excluded) or leaving only them (restricted) tells the two apart. Published
work projects over the grid of all inputs; here only train examples are looked at, so that a peak
leaks its part into the projection and the restricted loss is lower than on the grid. What the task
is must be known: classes are the elements of the group.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals.fourier import power_spectrum
from grokwatch.monitor.snapshot import Access, Cost, Need, Readings, Signal, Snapshot

NUM_KEYS = 5


def aligned_logits(
    logits: Float[Tensor, "*models N C"], targets: Int[Tensor, "*models N"]
) -> Float[Tensor, "*models N C"]:
    """Logits by distance from the label instead of by class.

    z'_(i, d) = z_(i, y_i - d mod C).

    Args:
        logits: of N examples over the C elements of a cyclic group.
        targets: labels y_i.

    Returns:
        The same numbers in float64, the label's own at d = 0.

    Example:
        >>> aligned_logits(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([1]))
        tensor([[2., 1., 3.]], dtype=torch.float64)

    Source:
        definition.
    """
    C = logits.shape[-1]
    distances = torch.arange(C, device=logits.device)
    classes = (targets[..., None] - distances) % C
    return logits.double().gather(-1, classes.expand(logits.shape))


def key_wave(
    aligned: Float[Tensor, "*models N C"], frequencies: Int[Tensor, "*models k"]
) -> Float[Tensor, "*models C"]:
    """The part of logits that is a wave of the key frequencies in the distance from the label.

    Least-squares projection over all examples on cos(w_k d) and sin(w_k d), w_k = 2 pi k / C; these
    are orthogonal, so it is the part at those frequencies of the mean over examples.

    Args:
        aligned: logits by distance from the label.
        frequencies: k from 1 to C // 2, all different.

    Returns:
        The wave over distances, the same for all examples; unit of logits.

    Example:
        >>> wave = torch.cos(2 * torch.pi * 2 * torch.arange(5.0) / 5).double()
        >>> torch.allclose(key_wave(wave[None] + 7, torch.tensor([2])), wave)
        True

    Source:
        Nanda et al. 2023, there over the grid of all inputs.
    """
    C = aligned.shape[-1]
    waves = torch.fft.rfft(aligned.mean(-2))
    kept = torch.zeros(waves.shape, dtype=waves.real.dtype, device=waves.device)
    kept.scatter_(-1, frequencies, 1.0)
    wave: Tensor = torch.fft.irfft(waves * kept, n=C)
    return wave


def excluded_loss(
    aligned: Float[Tensor, "*models N C"], wave: Float[Tensor, "*models C"]
) -> Float[Tensor, "*models"]:
    """Cross-entropy of the train examples without the key frequencies.

    Mean over i of logsumexp_d (z'_id - w_d) - (z'_i0 - w_0).

    Args:
        aligned: logits by distance from the label, float64.
        wave: their part at the key frequencies.

    Returns:
        At least 0; nats. As high as chance or higher where only the key frequencies were at work.

    Example:
        >>> z = torch.tensor([[2.0, -1.0, -1.0]]).double()
        >>> excluded_loss(z, z[0])  # log 3
        tensor(1.0986, dtype=torch.float64)

    Source:
        Nanda et al. 2023.
    """
    return _cross_entropy(aligned - wave[..., None, :]).mean(-1)


def restricted_loss(wave: Float[Tensor, "*models C"]) -> Float[Tensor, "*models"]:
    """Cross-entropy of the train examples with the key frequencies alone.

    logsumexp_d w_d - w_0, the same for every example; the mean of logits does not matter to it.

    Args:
        wave: the logits' part at the key frequencies, float64.

    Returns:
        At least 0; nats.

    Example:
        >>> restricted_loss(torch.zeros(3).double())  # log 3
        tensor(1.0986, dtype=torch.float64)

    Source:
        Nanda et al. 2023, there on all inputs.
    """
    return _cross_entropy(wave)


def _cross_entropy(aligned: Tensor) -> Tensor:
    """Cross-entropy with the label at distance 0."""
    return (torch.logsumexp(aligned, -1) - aligned[..., 0]).clamp_min(0)


def _aligned(snapshot: Snapshot) -> Tensor:
    """Logits of the train probe by distance from the label, once per snapshot."""
    assert snapshot.logits is not None  # its need
    assert snapshot.targets is not None
    logits, targets = snapshot.logits, snapshot.targets
    whole = targets.long().expand(logits.shape[:-1])
    return snapshot.once("excluded.aligned", lambda: aligned_logits(logits, whole))


def _wave(snapshot: Snapshot, role: str) -> Tensor:
    """Part of the logits at the role's five strongest frequencies, once per snapshot."""
    W = snapshot.tokens[role]
    power = snapshot.once(f"fourier.power@{role}", lambda: power_spectrum(W)).sum(-2)
    keys = power.topk(min(NUM_KEYS, power.shape[-1])).indices + 1
    return snapshot.once(f"excluded.wave@{role}", lambda: key_wave(_aligned(snapshot), keys))


def _read(snapshot: Snapshot, *, name: str, loss: Callable[[Snapshot, str], Tensor]) -> Readings:
    """Read one loss for every role with as many tokens as there are classes."""
    assert snapshot.logits is not None  # its need
    C = snapshot.logits.shape[-1]
    roles = [role for role, W in snapshot.tokens.items() if W.shape[-2] == C]
    if not roles:
        sizes = ", ".join(str(W.shape[-2]) for W in snapshot.tokens.values())
        msg = (
            f"Expected as many classes as some role has tokens ({sizes}), got {C} classes. "
            "Try a task that answers with an element of the group."
        )
        raise SignalError(msg)
    return {f"{name}@{role}": loss(snapshot, role) for role in roles}


def _excluded(snapshot: Snapshot, role: str) -> Tensor:
    """The excluded loss for the key frequencies of one role."""
    return excluded_loss(_aligned(snapshot), _wave(snapshot, role))


def _restricted(snapshot: Snapshot, role: str) -> Tensor:
    """The restricted loss for the key frequencies of one role."""
    return restricted_loss(_wave(snapshot, role))


def _signal(name: str, loss: Callable[[Snapshot, str], Tensor], summary: str) -> Signal:
    """Describe one of the two losses."""
    return Signal(
        name=name,
        read=partial(_read, name=name, loss=loss),
        needs=frozenset({Need.LOGITS, Need.TOKENS}),
        access=Access.SOLUTION,
        bounds=(0.0, math.inf),
        unit="nats",
        cost=Cost.MODERATE,
        summary=summary,
        source="Nanda et al. 2023, there over the grid of all inputs",
    )


SIGNALS: tuple[Signal, ...] = (
    _signal(
        "excluded_loss",
        _excluded,
        "Train loss without the five strongest frequencies; rises with the scale of logits too.",
    ),
    _signal(
        "restricted_loss",
        _restricted,
        "Train loss with the five strongest frequencies alone; falls as true labels are learned.",
    ),
)
