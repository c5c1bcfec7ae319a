"""P3, remaining time: how far off a predictor's time to grokking is, censoring honored.

The point that is judged is the geometric middle of the interval it gave; where it gave none, or one
without upper end, the steps within which half of what it promises at its longest horizon has come.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from grokwatch.experiments.validation.bootstrap import (
    DRAWING,
    Drawing,
    Estimate,
    estimate,
    median_statistic,
    numbered,
)
from grokwatch.experiments.validation.metrics import censored_median
from grokwatch.experiments.validation.outlook import within
from grokwatch.experiments.validation.problems import landmark_look
from grokwatch.experiments.validation.thresholds import Threshold, alarm_look
from grokwatch.experiments.validation.trace import Trace

Remaining = Callable[[Trace, int], float]
"""Steps that a run is said to have left at a look, NaN where nothing is said."""

Looks = Sequence[tuple[Trace, int]]
"""Traces, and the look at which each is judged."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How good remaining times are at given looks.

    Attributes:
        asked: looks.
        told: of them, where a time was given.
        grokked: of these, on runs that generalized by T_max.
        error: median |log2(said / true)| over runs that generalized.
        censored_error: the same over all that were told, a run that had not generalized counting as
            at least as far off as its T_max shows.
        covered: share of true times inside the interval, over runs that generalized.
        width: median log2(high / low) of intervals with both ends.
        refuted: share of runs that had not generalized whose interval ended before T_max.
    """

    asked: int
    told: int
    grokked: int
    error: Estimate
    censored_error: float | None
    covered: float | None
    width: float | None
    refuted: float | None


def remaining(trace: Trace, look: int) -> float:
    """Steps until grokking, as the predictor says."""
    low, high = trace.eta[look]
    if math.isfinite(low) and math.isfinite(high):
        return math.sqrt(max(low, 1.0) * max(high, 1.0))
    return _halfway(trace, look)


def first_alarms(traces: Sequence[Trace], threshold: Threshold) -> Looks:
    """First alarms that came before T_grok, false ones among them.

    Args:
        traces: of one predictor.
        threshold: of its alarms.
    """
    found = ((trace, alarm_look(trace, threshold)) for trace in traces)
    return [(trace, look) for trace, look in found if look is not None and _left(trace, look) > 0]


def at_landmark(traces: Sequence[Trace], landmark: int) -> Looks:
    """Looks of runs at risk at a landmark, those that generalize and those that do not."""
    found = ((trace, landmark_look(trace, landmark)) for trace in traces)
    return [(trace, look) for trace, look in found if look is not None]


def timing(looks: Looks, said: Remaining = remaining, drawing: Drawing = DRAWING) -> Timing:
    """Judge remaining times.

    Args:
        looks: where.
        said: gives the time; the predictor's own by default.
        drawing: how groups are drawn for intervals.
    """
    told = [(t, look, s) for t, look in looks if math.isfinite(s := said(t, look)) and s > 0]
    events = [(t, look, s) for t, look, s in told if t.facts.generalized]
    errors = np.array([abs(math.log2(s / _left(t, look))) for t, look, s in events])
    groups, num_groups = numbered([t.facts.fold for t, _, _ in events])
    middle = float(np.quantile(errors, 0.5, method="lower")) if len(errors) else None
    bounds = np.array(
        [
            abs(math.log2(s / _left(t, look)))
            if t.facts.generalized
            else max(math.log2(_left(t, look) / s), 0.0)
            for t, look, s in told
        ]
    )
    is_censored = np.array([not t.facts.generalized for t, _, _ in told], dtype=np.bool_)
    own = said is remaining
    return Timing(
        asked=len(looks),
        told=len(told),
        grokked=len(events),
        error=estimate(middle, median_statistic(errors, groups), num_groups, drawing),
        censored_error=censored_median(bounds, is_censored) if told else None,
        covered=_covered(looks) if own else None,
        width=_width(looks) if own else None,
        refuted=_refuted(looks) if own else None,
    )


def _left(trace: Trace, look: int) -> float:
    """Steps to grokking, or to T_max where it was not seen."""
    end = trace.facts.outcome.grokking_step
    return float((trace.facts.steps if end is None else end) - trace.step[look])


def _halfway(trace: Trace, look: int) -> float:
    """Steps within which half of the chance at the longest horizon has come.

    One horizon alone says nothing of when.
    """
    told = trace.horizons[look][~np.isnan(trace.chances[look])]
    if len(told) < 2:
        return math.nan
    low, high = 0, int(told[-1])
    goal = within(trace, look, high) / 2
    if goal <= 0:
        return math.nan
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if within(trace, look, middle) >= goal else (middle, high)
    return float(high)


def _covered(looks: Looks) -> float | None:
    inside = [
        trace.eta[look][0] <= _left(trace, look) <= trace.eta[look][1]
        for trace, look in looks
        if trace.facts.generalized and np.isfinite(trace.eta[look][0])
    ]
    return float(np.mean(inside)) if inside else None


def _width(looks: Looks) -> float | None:
    ends = [trace.eta[look] for trace, look in looks if np.isfinite(trace.eta[look]).all()]
    widths = [math.log2(max(high, 1.0) / max(low, 1.0)) for low, high in ends]
    return float(np.median(widths)) if widths else None


def _refuted(looks: Looks) -> float | None:
    over = [
        trace.eta[look][1] < _left(trace, look)
        for trace, look in looks
        if not trace.facts.generalized and np.isfinite(trace.eta[look][0])
    ]
    return float(np.mean(over)) if over else None
