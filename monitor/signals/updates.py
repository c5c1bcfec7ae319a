"""What one update does to the weights, and how far they have turned since memorization.

A run that is stuck in its memorized solution makes ever smaller updates, in the end none: where
most weights do not move at all, waiting is in vain. A run that will generalize goes on turning
away from its memorized weights; without weight decay it was seen to stop after some 12 degrees. All
angles are taken on a sample of at most about 2^18 weights.
"""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.memorization import follow
from grokwatch.monitor.signals.vectors import angle, sample
from grokwatch.monitor.signals.weights import parameter_norms, sampled_weights
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot


def length_ratio(
    above: Float[Tensor, "*models"], below: Float[Tensor, "*models"]
) -> Float[Tensor, "*models"]:
    """How long one vector is relative to another.

    |x| / |y|.

    Args:
        above: lengths |x|.
        below: lengths |y|.

    Returns:
        At least 0, no unit; 0 where y has no length.

    Example:
        >>> length_ratio(torch.tensor([1.0, 1.0]), torch.tensor([4.0, 0.0]))
        tensor([0.2500, 0.0000])

    Source:
        definition.
    """
    return torch.where(below == 0, 0.0, above / below)


def zero_fraction(
    tensors: Iterable[Float[Tensor, "..."]], *, models: tuple[int, ...] = ()
) -> Float[Tensor, "..."]:
    """Share of entries that are exactly 0.

    #{i: x_i = 0} / P.

    Args:
        tensors: with the leading model axes, at least one.
        models: the leading model axes.

    Returns:
        A share in [0, 1], shape `models`, float64; NaN counts as not 0.

    Example:
        >>> zero_fraction([torch.tensor([0.0, 1e-30]), torch.zeros(2)])
        tensor(0.7500, dtype=torch.float64)

    Source:
        definition.
    """
    flat = [tensor.reshape(*models, -1) for tensor in tensors]
    size = sum(x.shape[-1] for x in flat)
    moving = torch.stack([torch.count_nonzero(x, dim=-1) for x in flat]).sum(0)
    return 1 - moving.double() / size


def _norms(snapshot: Snapshot) -> Tensor:
    """Length of the update of each parameter, once per snapshot: `(parameters, *models)`."""
    update = snapshot.update or {}
    return snapshot.once(
        "updates.norms", lambda: parameter_norms(update.values(), models=snapshot.models)
    )


def _parameter_of(snapshot: Snapshot, role: str) -> str | None:
    """Name of the parameter that a role's matrix is, if it is one."""
    matrix = snapshot.matrices[role]
    for name, weight in snapshot.weights.items():
        alike = weight.shape == matrix.shape and weight.dtype == matrix.dtype
        if weight is matrix or (alike and torch.equal(weight, matrix)):
            return name
    return None


def _read_ratio(snapshot: Snapshot) -> Readings:
    """Read the length of the update over that of the weights, of all and of each role."""
    names = list(snapshot.update or {})
    norms = _norms(snapshot)
    tensors = [snapshot.weights[name] for name in names]
    lengths = parameter_norms(tensors, models=snapshot.models)
    totals = (torch.linalg.vector_norm(x, dim=0) for x in (norms, lengths))
    readings = {"update_ratio": length_ratio(*totals)}
    for role in snapshot.matrices:
        name = _parameter_of(snapshot, role)
        if name in names:
            index = names.index(name)
            readings[f"update_ratio@{role}"] = length_ratio(norms[index], lengths[index])
    return readings


def _read_frozen(snapshot: Snapshot) -> Readings:
    """Read the share of parameters that the update left as they were."""
    fraction = zero_fraction((snapshot.update or {}).values(), models=snapshot.models)
    is_finite = _norms(snapshot).isfinite().all(0)
    return {"frozen_update_fraction": torch.where(is_finite, fraction, torch.nan)}


def _turned(snapshot: Snapshot, key: str, now: Tensor, follows: Tensor) -> Tensor:
    """Degrees between weights now and at memorization, which memory keeps under `key`."""
    usable = now.isfinite().all(-1, keepdim=True)
    last = snapshot.memory.get(key)
    if last is None or last.shape != now.shape:
        last = torch.where(usable, now, 0.0)
    reference = torch.where(follows[..., None] & usable, now, last.to(now.dtype))
    snapshot.memory[key] = reference
    return angle(now, reference)


def _read_angle(snapshot: Snapshot) -> Readings:
    """Read the angle since memorization, of all weights and of each role's matrix."""
    name, models = "angle_since_memorization", snapshot.models
    follows, _ = follow(snapshot, f"{name}.hold")
    readings = {name: _turned(snapshot, name, sampled_weights(snapshot), follows)}
    for role, matrix in snapshot.matrices.items():
        key = f"{name}@{role}"
        readings[key] = _turned(snapshot, key, sample({role: matrix}, models), follows)
    return readings


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="update_ratio",
        read=_read_ratio,
        needs=frozenset({Need.UPDATE}),
        bounds=(0.0, math.inf),
        summary="Length of one update over that of the weights, total or one role's; falls.",
        source="definition",
    ),
    Signal(
        name="frozen_update_fraction",
        read=_read_frozen,
        needs=frozenset({Need.UPDATE}),
        bounds=(0.0, 1.0),
        cost=Cost.MODERATE,
        summary="Share of weights that one update leaves as they were; near 1 nothing will change.",
        source="Prieto et al. 2025 (arXiv:2501.04697)",
    ),
    Signal(
        name="angle_since_memorization",
        read=_read_angle,
        needs=frozenset({Need.LOGITS}),
        bounds=(0.0, 180.0),
        unit="degrees",
        cost=Cost.MODERATE,
        summary="Angle of the weights to those at memorization; rises under decay, on any labels.",
        source="Truong et al. 2026 (arXiv:2605.18845)",
    ),
)
