"""Sharpness in random directions: how far the train loss rises when each filter is shaken a little.

A direction has the length of the weights filter by filter, so that rescaling a filter and undoing
it in the next layer changes little. Each line is walked both ways, which takes away the slope: what
is left is curvature at the scale of the step, where sharpness is curvature at a point.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from grokwatch.monitor.signals.landscape import per_loss, train_loss
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

RADII: Mapping[str, float] = {"small": 0.01, "medium": 0.05, "large": 0.1}
NUM_LINES = 5
SEED = 2


class Rise(NamedTuple):
    """How far a loss rises at given distances.

    Attributes:
        value: `(*models, radii)` float64, the mean over lines.
        error: `(*models, radii)` float64 standard error, with one degree of freedom less than
            lines.
    """

    value: Tensor
    error: Tensor


def mean_rise(
    loss: Callable[[Tensor], Tensor],
    here: Float[Tensor, "*models"],
    directions: Iterable[Float[Tensor, "*models P"]],
    radii: Sequence[float],
) -> Rise:
    """Mean rise of the loss along random lines, both ways.

    mean_u (L(theta + rho u) + L(theta - rho u)) / 2 - L(theta).

    Args:
        loss: L at the weights plus an offset `(*models, P)`.
        here: L at the weights.
        directions: u, at least two.
        radii: each rho.

    Returns:
        The rise at each radius; any sign, in units of the loss.

    Example:
        >>> axes = torch.eye(2).unbind()
        >>> mean_rise(lambda d: (d * d).sum() + d.sum(), torch.tensor(0.0), axes, [1.0, 2.0]).value
        tensor([1., 4.], dtype=torch.float64)

    Source:
        Neyshabur et al. 2017 (expected sharpness).
    """
    rises = []
    for u in directions:
        ends = [(loss(u * rho).double() + loss(u * -rho).double()) / 2 for rho in radii]
        rises.append(torch.stack([end - here for end in ends], -1))
    lines = torch.stack(rises)
    return Rise(lines.mean(0), lines.std(0) / math.sqrt(len(rises)))


def filter_directions(
    weights: Mapping[str, Float[Tensor, "..."]],
    count: int,
    dtype: torch.dtype,
    models: tuple[int, ...] = (),
) -> Iterator[Float[Tensor, "..."]]:
    """Draw random directions in which each filter has the length of its weights.

    |theta_f| u_f / |u_f| for Gaussian u, the same for each model and every time. A filter is one
    index of the first axis of a matrix or kernel; a vector or a number is one filter.

    Args:
        weights: theta by parameter name, with leading model axes.
        count: how many directions.
        dtype: of the directions.
        models: the leading model axes.

    Yields:
        `(*models, P)`, flat over the weights in order.

    Example:
        >>> rows = {"W": torch.tensor([[3.0, 4.0], [0.0, 0.0]])}
        >>> [direction.norm().item() for direction in filter_directions(rows, 1, torch.float64)]
        [5.0]

    Source:
        Li et al. 2018 (visualizing the loss landscape).
    """
    generator = torch.Generator(device="cpu").manual_seed(SEED)
    for _ in range(count):
        parts = []
        for weight in weights.values():
            shape = weight.shape[len(models) :]
            rows = shape[0] if len(shape) > 1 else 1
            size = (rows, math.prod(shape) // max(rows, 1))
            drawn = torch.randn(size, generator=generator, device="cpu", dtype=torch.float32)
            unit = normalize(drawn.to(weight.device, dtype), dim=-1)
            filters = weight.reshape(*models, *size).to(dtype)
            length = torch.linalg.vector_norm(filters, dim=-1, keepdim=True)
            parts.append((unit * length).reshape(*models, -1))
        yield torch.cat(parts, -1)


def _read(snapshot: Snapshot) -> Readings:
    """Read the mean rise at three radii."""
    landscape = snapshot.landscape
    assert landscape is not None  # its need
    lines = filter_directions(snapshot.weights, NUM_LINES, landscape.dtype, snapshot.models)
    here = train_loss(snapshot)
    rise = mean_rise(landscape.loss, here, lines, list(RADII.values()))
    name, medium = "perturbation_sharpness", list(RADII).index("medium")
    return {
        **{f"{name}.{part}": rise.value[..., i] for i, part in enumerate(RADII)},
        f"{name}.error": rise.error[..., medium],
        f"{name}.per_loss": per_loss(rise.value[..., medium], here),
    }


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="perturbation_sharpness",
        read=_read,
        needs=frozenset({Need.LANDSCAPE}),
        bounds=(-math.inf, math.inf),
        cost=Cost.DEAR,
        summary="Rise of the train loss when filters are shaken by 1, 5 or 10 %; low where flat.",
        source="Neyshabur et al. 2017; Li et al. 2018; 5 lines both ways; error of the 5 %",
    ),
)
