"""What a predictor is worth to whoever pays: stop on GRK002, go on on GRK001.

Every run is planned for T_max steps. An oracle stops those that will not generalize when they have
memorized; runs that never memorize are left out, as nobody can tell there. A rule saves the steps
after its stop in runs that would not have generalized, and loses a run that it stops before T_grok.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from grokwatch.experiments.validation.bootstrap import (
    DRAWING,
    Drawing,
    Estimate,
    estimate,
    numbered,
    ratio_statistic,
)
from grokwatch.experiments.validation.outlook import outlook
from grokwatch.experiments.validation.thresholds import Alarm, alarm_step, held
from grokwatch.experiments.validation.trace import Facts, Floats, Trace
from grokwatch.monitor.vocabulary import AlertCode

MOST_LOST = 0.02
PATIENCES = (3, 5, 10, 20, 30, 50, 75, 100)
USUAL_PATIENCE = 10
LEVELS = tuple(float(level) for level in np.geomspace(1e-4, 0.9, 60))

Stops: TypeAlias = Floats
"""`(runs,)` step at which each run is stopped, infinite where it is not."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What a rule saves and loses.

    Attributes:
        runs: that memorized.
        hopeless: of them, those that did not generalize.
        grokking: of them, those that did.
        lost: of these, stopped before T_grok.
        share: of the oracle's saving.
        gain: (saved - reference) / (oracle - reference), where the reference is hyper-parameters.
    """

    runs: int
    hopeless: int
    grokking: int
    lost: int
    share: Estimate
    gain: Estimate

    @property
    def lost_share(self) -> float:
        """Of the runs that generalized."""
        return self.lost / self.grokking if self.grokking else 0.0


@dataclass(frozen=True)
class Sums:
    """Per run: what a rule saves, what the oracle saves, and whether the run is lost."""

    saved: Floats
    oracle: Floats
    lost: Floats


def stops_by_level(traces: Sequence[Trace], level: float, alarm: Alarm) -> Stops:
    """Stop where the chance of generalizing by T_max was at most `level` for three looks.

    A run that was alarmed before (GRK001) is trained on.

    Args:
        traces: of one predictor.
        level: a probability.
        alarm: family -> threshold of its alarms.
    """
    return table_of_stops(traces, (level,), alarm)[:, 0]


def table_of_stops(traces: Sequence[Trace], levels: Sequence[float], alarm: Alarm) -> Floats:
    """`(runs, levels)` stops at each of several levels; see `stops_by_level`."""
    rows = []
    for trace in traces:
        worst = np.maximum.accumulate(held(1 - outlook(trace)))
        looks = np.searchsorted(worst, 1 - np.array(levels), side="left")
        steps = np.append(trace.step.astype(np.float64), math.inf)[looks]
        alarmed = alarm_step(trace, alarm(trace.facts.family))
        rows.append(np.where(steps > (math.inf if alarmed is None else alarmed), math.inf, steps))
    return np.array(rows).reshape(len(traces), len(levels))


def stops_by_alerts(traces: Sequence[Trace]) -> Stops:
    """Stop where the policy fired GRK002, unless it had fired GRK001 before."""
    found = []
    for trace in traces:
        stop = trace.fired.get(AlertCode.WILL_NOT_GROK, math.inf)
        keep = trace.fired.get(AlertCode.LIKELY_GROKKING, math.inf)
        found.append(stop if stop < keep else math.inf)
    return np.array(found, dtype=np.float64)


def stops_by_patience(
    traces: Sequence[Trace], patience: int, curve: Callable[[Trace], Floats]
) -> Stops:
    """Stop where a loss has not improved for so many looks, once memorized: EarlyStopping.

    Args:
        traces: of any predictor.
        patience: in looks.
        curve: the loss.
    """
    return np.array([_without_progress(trace, patience, curve(trace)) for trace in traces])


def sums(facts: Sequence[Facts], stops: Stops) -> Sums:
    """What each run gives to a ledger."""
    steps = np.array([each.steps for each in facts], dtype=np.float64)
    begin = np.array([each.train_step for each in facts])
    hopeless = np.array([not each.generalized for each in facts], dtype=np.bool_)
    end = np.array([each.outcome.grokking_step or 0 for each in facts], dtype=np.float64)
    return Sums(
        saved=np.where(hopeless, np.maximum(steps - np.maximum(stops, begin), 0.0), 0.0),
        oracle=np.where(hopeless, steps - begin, 0.0),
        lost=(~hopeless & (stops < end)).astype(np.float64),
    )


def ledger(
    facts: Sequence[Facts],
    stops: Stops,
    reference: Stops | None = None,
    drawing: Drawing = DRAWING,
) -> Ledger:
    """Add up what a rule does.

    Args:
        facts: of runs that memorized.
        stops: of the rule.
        reference: stops of what it is to beat; none gives no gain.
        drawing: how groups are drawn for intervals.
    """
    own = sums(facts, stops)
    other = np.zeros(len(facts)) if reference is None else sums(facts, reference).saved
    groups, num_groups = numbered([each.fold for each in facts])

    def share(above: Floats, below: Floats) -> Estimate:
        value = float(above.sum() / below.sum()) if below.sum() > 0 else None
        statistic = ratio_statistic(above, below, groups, num_groups)
        return estimate(value, statistic, num_groups, drawing)

    return Ledger(
        runs=len(facts),
        hopeless=sum(not each.generalized for each in facts),
        grokking=sum(each.generalized for each in facts),
        lost=int(own.lost.sum()),
        share=share(own.saved, own.oracle),
        gain=Estimate(None) if reference is None else share(own.saved - other, own.oracle - other),
    )


def best(facts: Sequence[Facts], options: Floats, *, most_lost: float = MOST_LOST) -> int | None:
    """The option that saves most on runs it may be chosen on, at few grokking runs lost.

    Args:
        facts: of runs that memorized.
        options: `(runs, options)` stops.
        most_lost: share of the runs that generalized.

    Returns:
        Its place, None where each loses too many or saves nothing: then nothing is stopped.
    """
    grokking = sum(each.generalized for each in facts)
    found = (0.0, -1)
    for place in range(options.shape[1]):
        each = sums(facts, options[:, place])
        saved = float(each.saved.sum())
        if each.lost.sum() <= most_lost * grokking and saved > found[0]:
            found = (saved, place)
    return None if found[1] < 0 else found[1]


def memorized(traces: Sequence[Trace]) -> list[Trace]:
    """Traces of runs that memorized."""
    return [trace for trace in traces if not math.isnan(trace.facts.train_step)]


def _without_progress(trace: Trace, patience: int, loss: Floats) -> float:
    """The step at which patience ran out."""
    least, waited = math.inf, 0
    for step, value in zip(trace.step, loss, strict=True):
        if math.isnan(value):
            continue
        least, waited = (value, 0) if value < least else (least, waited + 1)
        if waited >= patience and step >= trace.facts.train_step:
            return float(step)
    return math.inf
