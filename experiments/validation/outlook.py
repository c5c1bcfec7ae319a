"""What a trace says of any number of steps: chances at a few horizons, read off in between."""

import math

import numpy as np

from grokwatch.experiments.validation.trace import Floats, Trace
from grokwatch.monitor.chances import probability_within
from grokwatch.monitor.records import Chance

_MOST_HAZARD = 40.0


def within(trace: Trace, look: int, steps: int) -> float:
    """Probability of grokking within so many steps of a look, NaN where it cannot tell."""
    told = ~np.isnan(trace.chances[look])
    if not told.any():
        return math.nan
    chances = [
        Chance(horizon_steps=int(horizon), probability=float(probability))
        for horizon, probability in zip(
            trace.horizons[look][told], trace.chances[look][told], strict=True
        )
    ]
    return probability_within(chances, steps)


def outlook(trace: Trace) -> Floats:
    """`(T,)` probability of grokking by T_max, NaN where it cannot tell."""
    return within_each(trace, (trace.facts.steps - trace.step).astype(np.float64))


def within_each(trace: Trace, steps: Floats) -> Floats:
    """`within` at every look at once; a test holds it to `monitor/chances.py`.

    Args:
        trace: of one run.
        steps: `(T,)` from each look.

    Returns:
        `(T,)` probabilities, NaN where it cannot tell.
    """
    chances, rows = trace.chances, np.arange(len(steps))
    told = (~np.isnan(chances)).sum(axis=1)
    place = ((trace.horizons < steps[:, None]) & ~np.isnan(chances)).sum(axis=1)
    later, earlier = np.minimum(place, np.maximum(told - 1, 0)), np.maximum(place - 1, 0)
    high, low = chances[rows, later], np.where(place > 0, chances[rows, earlier], 0.0)
    end, begin = (np.maximum(trace.horizons[rows, at], 1.0) for at in (later, earlier))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.log(np.maximum(steps, 1.0) / begin) / np.log(end / begin)
        share = np.where(place > 0, share, np.maximum(steps, 0.0) / end)
        first, last = (np.minimum(-np.log1p(-p), _MOST_HAZARD) for p in (low, high))
        found = np.clip(-np.expm1(-(first + (last - first) * share)), low, high)
    is_given = (place >= told) | (trace.horizons[rows, later] == steps)
    return np.where(told > 0, np.where(is_given, high, found), np.nan)
