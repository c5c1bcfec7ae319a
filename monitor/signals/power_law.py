"""Power law of the spectrum: how heavy the tail of a weight matrix's eigenvalues is.

Heavy-tailed self-regularization (HTSR) reads the exponent of the eigenvalues of W^T W: about 2 in
well-trained layers, lower where a layer is overfit, which has been seen long after grokking.

A small matrix has too few eigenvalues for that. On exact power laws of density exponent 3 the
estimate reads, in the mean and with its standard deviation (a test draws them again):

    n =  24    3.5, sd 1.0    with x_min known    3.1, sd 0.45
    n =  50    3.2, sd 0.55                       3.0, sd 0.28
    n = 500    3.0, sd 0.13                       3.0, sd 0.09

At n = 24 a change by one unit is chance.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.spectrum import squares_of_role
from grokwatch.monitor.snapshot import Cost, Readings, Signal, Snapshot

NO_POWER_LAW = 100.0
ROUNDING = 1e-12
MOST_AT_ONCE = 1 << 21


class PowerLaw(NamedTuple):
    """A power law fitted to the upper tail of some values.

    Attributes:
        exponent: `(*models,)` of the density, in (1, 100].
        distance: `(*models,)` Kolmogorov-Smirnov distance of the tail from it, in [0, 1].
        tail: `(*models,)` how many values the tail has.
    """

    exponent: Tensor
    distance: Tensor
    tail: Tensor


def fit_power_law(values: Float[Tensor, "*models n"]) -> PowerLaw:
    """Fit a power law to the upper tail of positive values.

    For each x_min among the values the maximum likelihood 1 + m / sum_i log(x_i / x_min) over the
    m values from x_min on; of these the one whose Kolmogorov-Smirnov distance is least. Values
    below 1e-12 of the greatest are rounding, and are left out.

    Args:
        values: ascending, at least 0.

    Returns:
        The fit. Exponents above 100 are no power law; where nothing else is left, because values
        are equal or fewer than two, the exponent is 100, the distance 1, and the tail 0. NaN where
        values are not finite.

    Example:
        >>> fit_power_law(torch.tensor([0.0, 1.0, 2.0, 4.0])).exponent.round(decimals=3)
        tensor(2.4430, dtype=torch.float64)

    Source:
        Clauset, Shalizi and Newman 2009 (equation 3.1 and section 3.3).
    """
    values = values.double()
    finite = values.isfinite().all(-1)
    exponents, distances = _fits(torch.where(finite[..., None], values, 1.0))
    distance, first = distances.min(-1)
    fitted = distance < 1
    exponent = exponents.gather(-1, first[..., None])[..., 0]
    tail = (values.shape[-1] - first).double()
    return PowerLaw(
        exponent=torch.where(finite, torch.where(fitted, exponent, NO_POWER_LAW), torch.nan),
        distance=torch.where(finite, distance, torch.nan),
        tail=torch.where(finite, torch.where(fitted, tail, 0.0), torch.nan),
    )


def _fits(values: Tensor) -> tuple[Tensor, Tensor]:
    """Exponent and distance for each x_min; distance 1 where it cannot be one."""
    floor = values[..., -1:] * ROUNDING
    logs = values.clamp_min(floor.clamp_min(torch.finfo(values.dtype).tiny)).log()
    block = max(1, MOST_AT_ONCE // max(logs.numel(), 1))
    starts = range(0, values.shape[-1], block)
    parts = [_fits_from(logs, slice(start, start + block)) for start in starts]
    exponents, distances = (torch.cat(part, -1) for part in zip(*parts, strict=True))
    return exponents, torch.where(values > floor, distances, 1.0)


def _fits_from(logs: Tensor, first: slice) -> tuple[Tensor, Tensor]:
    """Exponent and distance for each x_min of a block."""
    n = logs.shape[-1]
    left = torch.arange(n, 0, -1, dtype=logs.dtype, device=logs.device)
    beyond = (logs[..., None, first.start :] - logs[..., first, None]).clamp_min(0)
    rates = left[first] / beyond.sum(-1)
    fits = (left[first] > 1) & (rates < NO_POWER_LAW - 1)
    # survival less share not yet seen; both count as 1 for what lies below x_min
    unseen = (left[first.start :] / left[first, None]).clamp_max(1)
    survival = (-torch.where(fits, rates, 1.0)[..., None] * beyond).exp_()
    distances = survival.sub_(unseen).abs_().amax(-1)
    return rates + 1, torch.where(fits, distances, 1.0)


def _read(snapshot: Snapshot) -> Readings:
    """Read the power law of each role's spectrum."""
    readings = {}
    for role in snapshot.matrices:
        law = fit_power_law(squares_of_role(snapshot, role))
        readings[f"power_law_exponent@{role}"] = law.exponent
        readings[f"power_law_exponent.distance@{role}"] = law.distance
        readings[f"power_law_exponent.tail@{role}"] = law.tail
    return readings


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="power_law_exponent",
        read=_read,
        bounds=(0.0, math.inf),
        cost=Cost.MODERATE,
        summary="Tail exponent of the eigenvalues of W^T W (alpha); chance in small matrices.",
        source="Clauset, Shalizi and Newman 2009; Martin and Mahoney 2021 (HTSR)",
    ),
)
