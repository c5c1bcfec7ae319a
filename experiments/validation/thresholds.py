"""Alarms at a false-alarm rate that was set beforehand, and how early and how often they come.

The threshold of every predictor is the least at which no more than the given share of the runs that
never generalized would have been alarmed. It is chosen on runs that are not judged.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
import numpy as np

from grokwatch.experiments.validation.bootstrap import (
    DRAWING,
    Drawing,
    Estimate,
    estimate,
    mean_statistic,
    median_statistic,
    numbered,
)
from grokwatch.experiments.validation.metrics import rule_of_three
from grokwatch.experiments.validation.replaying import HELD
from grokwatch.experiments.validation.trace import Facts, Floats, Trace
from grokwatch.monitor.vocabulary import Phase

RATES = (0.01, 0.05, 0.10)
HEADLINE_RATE = 0.05


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """Where a predictor's alarm begins.

    Attributes:
        rate: of false alarms that was asked for.
        value: a probability at or above it, held for three looks, is an alarm.
        apart: whether partial runs are no false alarms, and it is the chance of rising that counts.
        alarmed: negatives that it alarms among those it was chosen on.
        negatives: how many those are.
    """

    rate: float
    value: float
    apart: bool = False
    alarmed: int
    negatives: int


Alarm: TypeAlias = Callable[[str], Threshold]
"""Family -> threshold of its alarms."""


@dataclass(frozen=True, kw_only=True)
class Lead:
    """How far ahead of an event an alarm came.

    Attributes:
        covered: share of grokking runs that were alarmed before it.
        share: median of (T - t_alarm) / (T - T_mem) over all grokking runs, misses zero.
        steps: median of T - t_alarm over all grokking runs, misses zero.
    """

    covered: Estimate
    share: Estimate
    steps: float | None


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What a threshold gives on judged runs of one family.

    Attributes:
        threshold: as it was chosen.
        negatives: runs that did not generalize, random labels among them; without partial runs
            where they are set apart.
        false_alarms: of them.
        achieved: the rate.
        partial: runs of real labels that rose and did not hold .95 by T_max; some might have later.
        partial_alarmed: of them.
        random: runs of random labels.
        random_alarmed: of them.
        random_bound: 3/n where none was alarmed.
        grokking: runs that generalized long after they memorized.
        onset: lead to T_on.
        grok: lead to T_grok.
        comprehension: runs that generalized about when they memorized: no success, no false alarm.
        comprehension_alarmed: of them.
    """

    threshold: Threshold
    negatives: int
    false_alarms: int
    achieved: Estimate
    partial: int
    partial_alarmed: int
    random: int
    random_alarmed: int
    random_bound: float | None
    grokking: int
    onset: Lead
    grok: Lead
    comprehension: int
    comprehension_alarmed: int


def held(scores: Floats) -> Floats:
    """`(T,)` least of the last three scores, -inf where one of them is missing.

    Example:
        >>> held(np.array([0.2, 0.9, 0.8, 0.7])).tolist()
        [-inf, -inf, 0.2, 0.7]
    """
    found = np.full(len(scores), -np.inf)
    if len(scores) >= HELD:
        told = np.where(np.isnan(scores), -np.inf, scores)
        found[HELD - 1 :] = np.lib.stride_tricks.sliding_window_view(told, HELD).min(axis=1)
    return found


def alarm_look(trace: Trace, threshold: Threshold) -> int | None:
    """The look at which the first crossing had been held for three looks.

    Args:
        trace: of one run.
        threshold: of the alarm.

    Returns:
        None where there is no alarm.
    """
    above = held(trace.alarming(apart=threshold.apart)) >= threshold.value
    return int(above.argmax()) if above.any() else None


def alarm_step(trace: Trace, threshold: Threshold) -> int | None:
    """The step of `alarm_look`."""
    look = alarm_look(trace, threshold)
    return None if look is None else int(trace.step[look])


def choose(traces: Iterable[Trace], rate: float, *, apart: bool = False) -> Threshold:
    """The least threshold that keeps to a rate.

    Args:
        traces: of one predictor on runs that are not judged; those that generalized are not read.
        rate: of runs that did not generalize and may be alarmed.
        apart: whether partial runs are no negatives, and alarms are raised on the chance of rising.

    Returns:
        Just above what the first run too many reaches; just above the highest where no run may be
        alarmed, and above 1 where that is a certainty: then it never alarms.
    """
    negatives = [t for t in traces if t.facts.is_negative(apart=apart)]
    peaks = np.array([held(t.alarming(apart=apart)).max(initial=-np.inf) for t in negatives])
    allowed = math.floor(rate * len(peaks) + 1e-9)
    ordered = np.sort(peaks)[::-1]
    value = 0.0 if allowed >= len(peaks) else float(np.nextafter(ordered[allowed], np.inf))
    if not math.isfinite(value):
        value = 0.0  # nobody spoke for three looks in a row
    return Threshold(
        rate=rate,
        value=max(value, 0.0),
        apart=apart,
        alarmed=int((peaks >= value).sum()),
        negatives=len(peaks),
    )


def coverage(
    traces: Sequence[Trace],
    threshold: Threshold,
    drawing: Drawing = DRAWING,
) -> Coverage:
    """Judge alarms; meant for one family at a time.

    Args:
        traces: of one predictor, on judged runs.
        threshold: as it was chosen elsewhere.
        drawing: how groups are drawn for intervals.
    """
    alarms = [(trace.facts, alarm_step(trace, threshold)) for trace in traces]
    negatives = [(f, step) for f, step in alarms if f.is_negative(apart=threshold.apart)]
    random = [step for facts, step in negatives if facts.random_labels]
    grokking = [(facts, step) for facts, step in alarms if facts.is_grokking]
    together = [s for facts, s in alarms if facts.outcome.phase is Phase.COMPREHENSION]
    random_alarmed = _count(random)
    partial = [s for facts, s in alarms if facts.is_partial]
    return Coverage(
        threshold=threshold,
        negatives=len(negatives),
        false_alarms=_count(step for _, step in negatives),
        achieved=_mean(negatives, lambda _, step: float(step is not None), drawing),
        partial=len(partial),
        partial_alarmed=_count(partial),
        random=len(random),
        random_alarmed=random_alarmed,
        random_bound=rule_of_three(random_alarmed, len(random)),
        grokking=len(grokking),
        onset=_lead(grokking, lambda facts: facts.risk_end, drawing),
        grok=_lead(grokking, lambda facts: float(facts.outcome.grokking_step or 0), drawing),
        comprehension=len(together),
        comprehension_alarmed=_count(together),
    )


def lead_share(facts: Facts, step: int | None, event: float) -> float:
    """(T - t_alarm) / (T - T_mem): 1 at memorization, 0 at the event and for a miss.

    Args:
        facts: of a run that generalized.
        step: of the alarm, None for a miss.
        event: T, step of the event.
    """
    way = event - facts.train_step
    return 0.0 if step is None or way <= 0 else min(max((event - step) / way, 0.0), 1.0)


_Alarms = Sequence[tuple[Facts, int | None]]


def _lead(alarms: _Alarms, event: Callable[[Facts], float], drawing: Drawing) -> Lead:
    """Leads to one event."""
    shares = np.array([lead_share(facts, step, event(facts)) for facts, step in alarms])
    steps = [0.0 if step is None else max(event(facts) - step, 0.0) for facts, step in alarms]
    groups, num_groups = numbered([facts.fold for facts, _ in alarms])
    middle = float(np.quantile(shares, 0.5, method="lower")) if len(shares) else None
    statistic = median_statistic(shares, groups)
    return Lead(
        covered=_mean(alarms, lambda f, step: float(step is not None and step < event(f)), drawing),
        share=estimate(middle, statistic, num_groups, drawing),
        steps=float(np.median(steps)) if steps else None,
    )


def _mean(
    alarms: _Alarms, value: Callable[[Facts, int | None], float], drawing: Drawing
) -> Estimate:
    """A share of runs, with its interval."""
    values = np.array([value(facts, step) for facts, step in alarms])
    groups, num_groups = numbered([facts.fold for facts, _ in alarms])
    if not len(values):
        return Estimate(None)
    statistic = mean_statistic(values, groups, num_groups)
    return estimate(float(values.mean()), statistic, num_groups, drawing)


def _count(steps: Iterable[int | None]) -> int:
    return sum(step is not None for step in steps)
