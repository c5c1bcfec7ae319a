"""Rows of the tables of time and collapse, and the leads that are drawn."""

from collections.abc import Callable, Mapping, Sequence

from grokwatch.experiments.validation.baselines import constants
from grokwatch.experiments.validation.bootstrap import Drawing
from grokwatch.experiments.validation.collapsing import collapses
from grokwatch.experiments.validation.entries import Entry, families
from grokwatch.experiments.validation.frozen import Rule
from grokwatch.experiments.validation.problems import LANDMARKS
from grokwatch.experiments.validation.results import Collapsed, Leads, Timed
from grokwatch.experiments.validation.thresholds import (
    HEADLINE_RATE,
    Threshold,
    alarm_step,
    lead_share,
)
from grokwatch.experiments.validation.timing import Timing, at_landmark, first_alarms, timing
from grokwatch.experiments.validation.trace import Facts

AT_ALARM = "first alarm"
AT_LANDMARKS = "landmarks"
POLICY, TRAIN_SIDE = "policy, which reads evaluations", "train side alone"


def timed(
    rows: Sequence[Entry], rules: Mapping[str, Rule], family: str, drawing: Drawing
) -> list[Timed]:
    """P3, of each streaming predictor at its first alarms and at landmarks, beside constants.

    Args:
        rows: all entries; baselines that give no time are left out.
        rules: how they decide.
        family: of the runs.
        drawing: how groups are drawn for intervals.
    """
    found = []
    for entry in rows:
        if entry.is_baseline:
            continue
        judged = entry.of_family(family).judged
        places = {
            AT_ALARM: first_alarms(judged, rules[entry.name].alarm_of(family)),
            AT_LANDMARKS: [look for at in LANDMARKS for look in at_landmark(judged, at)],
        }
        for where, looks in places.items():
            found.append(_row(entry.name, family, where, timing(looks, drawing=drawing)))
            for name, said in constants(entry.of_family(family).fitted).items():
                result = timing(looks, said, drawing=drawing)
                found.append(_row(f"{name}, at looks of {entry.name}", family, where, result))
    return [row for row in found if row.timing.told]


def collapsed(rows: Sequence[Entry], family: str) -> list[Collapsed]:
    """P4, of each streaming predictor, from evaluations and from the train side alone."""
    return [
        Collapsed(
            name=entry.name,
            family=family,
            source=TRAIN_SIDE if train_side else POLICY,
            collapses=collapses(entry.of_family(family).judged, train_side=train_side),
        )
        for entry in rows
        if not entry.is_baseline
        for train_side in (False, True)
    ]


def leads(rows: Sequence[Entry], rules: Mapping[str, Rule]) -> dict[str, dict[str, Leads]]:
    """Entry -> family -> leads, for the picture."""
    return {
        entry.name: {
            family: _leads(entry.of_family(family), rules[entry.name], family)
            for family in families(entry.judged)
        }
        for entry in rows
    }


def _leads(entry: Entry, rule: Rule, family: str) -> Leads:
    """Leads of an entry in one family."""
    alarm, apart = (rule.alarm(HEADLINE_RATE, family, apart=each) for each in (False, True))
    grokking = [trace for trace in entry.judged if trace.facts.is_grokking]

    def shares(threshold: Threshold, event: Callable[[Facts], float]) -> list[float]:
        return [lead_share(t.facts, alarm_step(t, threshold), event(t.facts)) for t in grokking]

    return Leads(
        onset=shares(alarm, lambda facts: facts.risk_end),
        apart=shares(apart, lambda facts: facts.risk_end),
        end=shares(apart, lambda facts: float(facts.outcome.grokking_step or 0)),
    )


def _row(name: str, family: str, where: str, result: Timing) -> Timed:
    return Timed(name=name, family=family, where=where, timing=result)
