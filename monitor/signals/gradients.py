"""Gradients of the batch just trained on: how long they are, and where they point.

Once a network has memorized, its gradient comes to point along its weights: without decay they only
grow (naive loss minimization) and nothing is learned; with decay the two balance, so that the
gradient of a network that is done points along its weights most of all. On mini-batches all of
these are noisy, and below a loss of about 1e-6 a float32 gradient is rounding for the most part.
Directions are read from a sample of at most about 2^18 entries; a parameter that the loss did not
reach has a gradient of 0.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.updates import length_ratio
from grokwatch.monitor.signals.vectors import cosine, sample, unit
from grokwatch.monitor.signals.weights import parameter_norm, sampled_weights
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot


def perpendicular_fraction(
    x: Float[Tensor, "*models P"], along: Float[Tensor, "*models P"]
) -> Float[Tensor, "*models"]:
    """How much of a vector stands upright on another.

    |x - (x . u) u| / |x| with u of length 1 along the other: the sine of their angle.

    Args:
        x: a vector per model.
        along: another.

    Returns:
        In [0, 1]; 0 where x has no length, 1 where only the other has none.

    Example:
        >>> perpendicular_fraction(torch.tensor([3.0, 4.0]), torch.tensor([2.0, 0.0]))
        tensor(0.8000)

    Source:
        Prieto et al. 2025 (arXiv:2501.04697, perpendicular gradient).
    """
    own, other = unit(x), unit(along)
    rest = own - torch.linalg.vecdot(own, other)[..., None] * other
    sine: Tensor = torch.linalg.vector_norm(rest, dim=-1)
    return sine.clamp_max(1)


def slope_along_weights(
    gradient: Float[Tensor, "*models P"], weights: Float[Tensor, "*models P"]
) -> Float[Tensor, "*models"]:
    """Change of the loss per relative growth of the weights.

    <g, theta> = dL((1 + e) theta) / de at e = 0.

    Args:
        gradient: g.
        weights: theta.

    Returns:
        Any sign, below 0 where larger weights would lower the loss; unit of the loss.

    Example:
        >>> slope_along_weights(torch.tensor([1.0, -1.0]), torch.tensor([1.0, 3.0]))
        tensor(-2.)

    Source:
        Euler's theorem on homogeneous functions; Prieto et al. 2025 (arXiv:2501.04697).
    """
    slope: Tensor = torch.linalg.vecdot(gradient, weights)
    return slope


def _norm(snapshot: Snapshot) -> Tensor:
    """Length of the gradient, once per snapshot."""
    gradients = snapshot.gradients or {}
    return snapshot.once(
        "gradients.norm", lambda: parameter_norm(gradients.values(), models=snapshot.models)
    )


def _sampled(snapshot: Snapshot) -> Tensor:
    """The gradient of all trainable weights as one vector per model, sampled, once."""
    gradients = snapshot.gradients or {}
    whole = {
        name: gradients[name] if name in gradients else torch.zeros_like(weight)
        for name, weight in snapshot.weights.items()
    }
    return snapshot.once("gradients.sample", lambda: sample(whole, snapshot.models))


def _read_norm(snapshot: Snapshot) -> Readings:
    """Read the l2 norm of the gradient."""
    return {"gradient_norm": _norm(snapshot)}


def _read_weight_cosine(snapshot: Snapshot) -> Readings:
    """Read the cosine between the way downhill and the weights."""
    return {"gradient_weight_cosine": -cosine(_sampled(snapshot), sampled_weights(snapshot))}


def _read_perpendicular(snapshot: Snapshot) -> Readings:
    """Read the share of the gradient upright on the weights."""
    fraction = perpendicular_fraction(_sampled(snapshot), sampled_weights(snapshot))
    return {"gradient_perpendicular_fraction": fraction}


def _read_slope(snapshot: Snapshot) -> Readings:
    """Read the slope of the loss along the weights."""
    return {"weight_slope": slope_along_weights(_sampled(snapshot), sampled_weights(snapshot))}


def _read_cosine(snapshot: Snapshot) -> Readings:
    """Read the cosine with the gradient of the reading before, and remember this one."""
    name, now = "gradient_cosine", _sampled(snapshot)
    last = snapshot.memory.get(name)
    if last is None or last.shape != now.shape:
        last = torch.zeros_like(now)
    last = last.to(now.dtype)
    snapshot.memory[name] = torch.where(now.isfinite().all(-1, keepdim=True), now, last)
    return {name: cosine(now, last)}


def _read_momentum(snapshot: Snapshot) -> Readings:
    """Read the length of the running mean of gradients over that of the gradient."""
    momentum = parameter_norm((snapshot.momentum or {}).values(), models=snapshot.models)
    return {"momentum_ratio": length_ratio(momentum, _norm(snapshot))}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="gradient_norm",
        read=_read_norm,
        needs=frozenset({Need.GRADIENTS}),
        bounds=(0.0, math.inf),
        summary="l2 norm of the gradient of the batch just trained on; falls at memorization.",
        source="definition; before clipping",
    ),
    Signal(
        name="gradient_weight_cosine",
        read=_read_weight_cosine,
        needs=frozenset({Need.GRADIENTS}),
        bounds=(-1.0, 1.0),
        cost=Cost.MODERATE,
        summary="Cosine between descent and weights; near 1 they grow, or decay undoes the growth.",
        source="Prieto et al. 2025 (arXiv:2501.04697)",
    ),
    Signal(
        name="gradient_perpendicular_fraction",
        read=_read_perpendicular,
        needs=frozenset({Need.GRADIENTS}),
        bounds=(0.0, 1.0),
        cost=Cost.MODERATE,
        summary="Share of the gradient upright on the weights; near 0 it asks for growth alone.",
        source="Prieto et al. 2025 (arXiv:2501.04697)",
    ),
    Signal(
        name="weight_slope",
        read=_read_slope,
        cost=Cost.MODERATE,
        needs=frozenset({Need.GRADIENTS}),
        bounds=(-math.inf, math.inf),
        summary="Change of the loss per relative growth of the weights; below 0 growth lowers it.",
        source="Prieto et al. 2025 (arXiv:2501.04697)",
    ),
    Signal(
        name="gradient_cosine",
        read=_read_cosine,
        needs=frozenset({Need.GRADIENTS}),
        bounds=(-1.0, 1.0),
        cost=Cost.MODERATE,
        summary="Cosine of this gradient and that of the reading before; rises in slow drift.",
        source="definition",
    ),
    Signal(
        name="momentum_ratio",
        read=_read_momentum,
        cost=Cost.MODERATE,
        needs=frozenset({Need.GRADIENTS, Need.MOMENTUM}),
        bounds=(0.0, math.inf),
        summary="Length of the optimizer's running mean gradient over the gradient's; slow part.",
        source="Lee et al. 2024 (Grokfast, arXiv:2405.20233)",
    ),
)
