"""When the weight norm will have fallen far enough: a forecast, and no evidence by itself.

After memorization weight decay drives V = |theta|^2 towards an asymptote, and grokking was seen to
come when V passes a critical value. The asymptote is part of the fit because a pure exponential is
wrong by whatever it is. Weight decay does the same on random labels.

The critical value is a convention here: half of V at memorization. What holds for an architecture
must be calibrated on a run of it that grokked.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from grokwatch.monitor.signals.memorization import follow, since
from grokwatch.monitor.signals.weights import total_norm
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

WINDOW = 20
FEWEST = 5
CROSSING = 0.5

_SPAN = 32.0  # rates from 1/32 to 32 per window; slower is a straight line, faster is over
_POINTS, _ZOOMS = 33, 5


class Decay(NamedTuple):
    """A fitted course V_inf + (V_0 - V_inf) exp(-k t), t counted from the newest reading.

    Attributes:
        asymptote: `(*models,)` V_inf; below 0 where the fall grows no slower.
        now: `(*models,)` V_0, the fitted value at the newest reading.
        rate: `(*models,)` k per step, above 0; 0 where there was nothing to fit.
    """

    asymptote: Tensor
    now: Tensor
    rate: Tensor


def fit_decay(
    steps: Float[Tensor, " w"],
    values: Float[Tensor, "*models w"],
    counts: Bool[Tensor, "*models w"],
) -> Decay:
    """Fit an exponential with an asymptote by least squares.

    For each k on a logarithmic grid the best V_inf and V_0 are those of a straight line in
    exp(-k t) (variable projection); the grid is then narrowed five times around the best k.

    Args:
        steps: of the readings, ascending, float64.
        values: V, float64.
        counts: which readings are fitted.

    Returns:
        The course of each model; its mean at rate 0 where fewer than five readings count or all are
        the same.

    Example:
        >>> t = torch.arange(0.0, 200.0, 10.0, dtype=torch.float64)
        >>> fitted = fit_decay(t, 3 + 5 * torch.exp(-0.02 * t), t >= 0)
        >>> [round(float(x), 4) for x in (fitted.asymptote, fitted.rate)]
        [3.0, 0.02]

    Source:
        Golub and Pereyra 1973 (variable projection); Truong et al. 2026 (arXiv:2605.18845).
    """
    oldest = torch.where(counts, steps, torch.inf).amin(-1, keepdim=True)
    time = torch.where(counts, steps - oldest, 0.0)
    span = time.amax(-1, keepdim=True).clamp_min(1e-9)
    mean = _mean(values, counts)
    rest = torch.where(counts, values - mean, 0.0)
    grid = torch.linspace(-1, 1, _POINTS, dtype=values.dtype, device=values.device)
    middle, half = torch.zeros_like(span), math.log(_SPAN)
    for _ in range(1 + _ZOOMS):
        logs = middle + half * grid
        slopes, centers, explained = _lines(logs.exp() / span, time, rest, counts)
        best = explained.argmax(-1, keepdim=True)
        middle, half = logs.gather(-1, best), 2 * half / (_POINTS - 1)
    rate = middle.exp() / span
    is_flat = rest.abs().amax(-1, keepdim=True) <= 1e-12 * mean.abs()
    is_known = (counts.sum(-1, keepdim=True) >= FEWEST) & ~is_flat
    slope = torch.where(is_known, slopes.gather(-1, best), 0.0)
    asymptote = mean - slope * centers.gather(-1, best)
    now = asymptote + slope * (-rate * span).exp()
    return Decay(*(x[..., 0] for x in (asymptote, now, torch.where(is_known, rate, 0.0))))


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """Mean of the readings that count, or 0."""
    total = torch.where(counts, values, 0.0).sum(-1, keepdim=True)
    return total / counts.sum(-1, keepdim=True).clamp_min(1)


def _lines(
    rates: Tensor, time: Tensor, rest: Tensor, counts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """For each rate the best line in exp(-k t): slope, mean of exp(-k t), explained squares."""
    waves = (-rates[..., None] * time[..., None, :]).exp()
    centers = _mean(waves, counts[..., None, :])
    waves = torch.where(counts[..., None, :], waves - centers, 0.0)
    shared = (waves * rest[..., None, :]).sum(-1)
    squares = waves.square().sum(-1)
    slopes = torch.where(squares == 0, 0.0, shared / squares)
    return slopes, centers[..., 0], slopes * shared


def steps_to_cross(course: Decay, level: Float[Tensor, "*models"]) -> Float[Tensor, "*models"]:
    """Steps until a course falls to a level.

    log((V_0 - V_inf) / (V* - V_inf)) / k.

    Args:
        course: as fitted.
        level: V*.

    Returns:
        At least 0; 0 where the course is there already, infinity where it rises or ends above.

    Example:
        >>> one = torch.tensor(1.0)
        >>> steps_to_cross(Decay(asymptote=one, now=9 * one, rate=0.01 * one), 5 * one)
        tensor(69.3147)

    Source:
        Truong et al. 2026 (arXiv:2605.18845), with an asymptote.
    """
    fall = (course.now - course.asymptote) / (level - course.asymptote)
    falls = (course.rate > 0) & (course.now > course.asymptote) & (level > course.asymptote)
    steps = torch.where(falls, fall.clamp_min(1).log() / course.rate, torch.inf)
    return torch.where(course.now <= level, 0.0, steps)


def _remember(snapshot: Snapshot, squared: Tensor) -> tuple[Tensor, Tensor]:
    """The last readings as steps `(w,)` and V `(*models, w)`, -1 where V was not finite."""
    ring = snapshot.memory.get("norm_crossing")
    shape, fresh = squared.shape, torch.where(squared.isfinite(), squared, -1.0)
    now = torch.stack([torch.full_like(fresh, snapshot.step), fresh], -1)[..., None]
    if ring is not None and ring.shape[:-1] == (*shape, 2) and ring.dtype == fresh.dtype:
        earlier = ring.reshape(-1, ring.shape[-1])[0] < snapshot.step
        now = torch.cat([ring[..., earlier], now], -1)[..., -WINDOW:]
    snapshot.memory["norm_crossing"] = now
    return now.reshape(-1, now.shape[-1])[0], now[..., 1, :]


def _reference(snapshot: Snapshot, squared: Tensor, follows: Tensor) -> Tensor:
    """V at memorization, or the newest one before."""
    last = snapshot.memory.get("norm_crossing.reference")
    if last is None or last.shape != squared.shape:
        last = torch.zeros_like(squared)
    reference = torch.where(follows & squared.isfinite(), squared, last)
    snapshot.memory["norm_crossing.reference"] = reference
    return reference


def _read(snapshot: Snapshot) -> Readings:
    """Read the steps to go, the rate, and the asymptote relative to V at memorization."""
    key = "norm_crossing.hold"
    squared = total_norm(snapshot).double().square()
    follows, has_memorized = follow(snapshot, key)
    reference = _reference(snapshot, squared, follows)
    steps, values = _remember(snapshot, squared)
    counts = (values >= 0) & (steps >= since(snapshot, key)[..., None]) & has_memorized[..., None]
    course = fit_decay(steps, values, counts)
    known = counts.sum(-1) >= FEWEST
    crossing = torch.where(known, steps_to_cross(course, CROSSING * reference), torch.inf)
    crossing = torch.where(has_memorized & (squared <= CROSSING * reference), 0.0, crossing)
    end = torch.where(known, course.asymptote, squared)
    share = torch.where(reference == 0, 0.0, end / reference)
    readings = {"": crossing, ".rate": course.rate, ".asymptote": share}
    return {
        f"norm_crossing{part}": torch.where(squared.isfinite(), value, torch.nan)
        for part, value in readings.items()
    }


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="norm_crossing",
        read=_read,
        needs=frozenset({Need.LOGITS}),
        bounds=(-math.inf, math.inf),
        unit="steps",
        cost=Cost.MODERATE,
        summary="Steps until the squared norm is half that at memorization; infinite off course.",
        source="Truong et al. 2026 (arXiv:2605.18845), with an asymptote",
    ),
)
