"""Settling rules on runs that are not judged, and judging by them: alarms, stops, patience."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from grokwatch.experiments.validation import decision
from grokwatch.experiments.validation.baselines import HYPER_PARAMETERS
from grokwatch.experiments.validation.bootstrap import Drawing
from grokwatch.experiments.validation.decision import Ledger, Stops, memorized
from grokwatch.experiments.validation.entries import Entry
from grokwatch.experiments.validation.frozen import Rule
from grokwatch.experiments.validation.problems import chosen
from grokwatch.experiments.validation.thresholds import (
    RATES,
    Coverage,
    Threshold,
    choose,
    coverage,
)
from grokwatch.experiments.validation.trace import Facts, Floats, Trace
from grokwatch.monitor.vocabulary import AlertCode

FEWEST_NEGATIVES = 20
"""Of a family, partial runs apart, for thresholds of its own: 5 % of fewer is no run."""

MIXED_CELLS = "mixed cells"
ALL_CELLS = "all cells"
TEST_LOSS, TRAIN_LOSS = "test loss", "train loss"
TO_THE_END = "train to the end"


@dataclass(frozen=True, kw_only=True)
class Alarmed:
    """Coverage of one entry in one family at one rate."""

    name: str
    access: str
    family: str
    coverage: Coverage


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What one rule saves.

    Attributes:
        name: of the rule.
        access: what it reads.
        pool: mixed cells, or all.
        setting: level or patience that was chosen, for the table.
        ledger: what came of it.
    """

    name: str
    access: str
    pool: str
    setting: str
    ledger: Ledger


def settle(traces: Sequence[Trace]) -> Rule:
    """Choose the thresholds of an entry.

    Args:
        traces: of it, on runs that it was fitted on or that were set aside.
    """
    by_family: dict[str, list[Trace]] = {}
    for trace in traces:
        by_family.setdefault(trace.facts.family, []).append(trace)
    rule = Rule(
        alarms=_alarms(traces),
        families={
            family: _alarms(own)
            for family, own in by_family.items()
            if sum(trace.facts.is_negative(apart=True) for trace in own) >= FEWEST_NEGATIVES
        },
        stop=None,
    )
    runs = memorized(traces)
    place = decision.best(
        [trace.facts for trace in runs],
        decision.table_of_stops(runs, decision.LEVELS, rule.alarm_of),
    )
    return msgspec.structs.replace(rule, stop=None if place is None else decision.LEVELS[place])


def _alarms(traces: Sequence[Trace]) -> tuple[Threshold, ...]:
    return tuple(choose(traces, rate, apart=apart) for apart in (False, True) for rate in RATES)


def settle_patiences(traces: Sequence[Trace]) -> dict[str, int | None]:
    """Choose the patience of EarlyStopping for each loss, as `settle` does."""
    runs = memorized(traces)
    found: dict[str, int | None] = {}
    for loss in (TEST_LOSS, TRAIN_LOSS):
        options = np.stack(
            [_patient(runs, patience, loss) for patience in decision.PATIENCES], axis=1
        )
        place = decision.best([trace.facts for trace in runs], options)
        found[loss] = None if place is None else decision.PATIENCES[place]
    return found


def alarmed(
    rows: Sequence[Entry],
    rules: Mapping[str, Rule],
    family: str,
    drawing: Drawing,
    *,
    rates: Sequence[float] = RATES,
    apart: bool = False,
) -> list[Alarmed]:
    """Coverage of each entry at each rate, in one family; with partial runs apart where asked."""
    return [
        Alarmed(
            name=entry.name,
            access=entry.access,
            family=family,
            coverage=coverage(
                entry.of_family(family).judged,
                rules[entry.name].alarm(rate, family, apart=apart),
                drawing,
            ),
        )
        for entry in rows
        for rate in rates
    ]


def decided(
    rows: Sequence[Entry],
    rules: Mapping[str, Rule],
    patiences: Mapping[str, int | None],
    drawing: Drawing,
) -> list[Decided]:
    """What each rule saves, in mixed cells and in all."""
    found = []
    for pool in (MIXED_CELLS, ALL_CELLS):
        kept = [(entry, memorized(_of_pool(entry.judged, pool))) for entry in rows]
        facts = [trace.facts for trace in kept[0][1]]
        reference = _best_of_hyper_parameters(kept, rules, facts)
        for name, access, setting, stops in _all_stops(kept, rules, patiences):
            found.append(
                Decided(
                    name=name,
                    access=access,
                    pool=pool,
                    setting=setting,
                    ledger=decision.ledger(facts, stops, reference, drawing),
                )
            )
    return found


def _all_stops(
    kept: Sequence[tuple[Entry, list[Trace]]],
    rules: Mapping[str, Rule],
    patiences: Mapping[str, int | None],
) -> list[tuple[str, str, str, Stops]]:
    """Name, access, setting and stops of every rule."""
    found = []
    for entry, traces in kept:
        rule = rules[entry.name]
        setting = "never" if rule.stop is None else f"chance <= {rule.stop:.2g}"
        found.append((entry.name, entry.access, setting, _stops(traces, rule)))
        if any(AlertCode.WILL_NOT_GROK in trace.fired for trace in traces):
            stops = decision.stops_by_alerts(traces)
            found.append((f"{entry.name}, as its policy fires", entry.access, "GRK002", stops))
    traces = kept[0][1]
    for loss, access in ((TEST_LOSS, "held-out"), (TRAIN_LOSS, "train")):
        for patience in dict.fromkeys((patiences[loss], decision.USUAL_PATIENCE)):
            stops = _never(traces) if patience is None else _patient(traces, patience, loss)
            setting = "never" if patience is None else f"patience {patience} looks"
            found.append((f"EarlyStopping on {loss}", access, setting, stops))
    found.append((TO_THE_END, "train", "never", _never(traces)))
    return found


def _best_of_hyper_parameters(
    kept: Sequence[tuple[Entry, list[Trace]]], rules: Mapping[str, Rule], facts: Sequence[Facts]
) -> Stops | None:
    """Stops of the hyper-parameter baseline that saves more here: the harder one to beat."""
    options = [
        _stops(traces, rules[entry.name])
        for entry, traces in kept
        if entry.name in HYPER_PARAMETERS
    ]
    return max(
        options, key=lambda stops: float(decision.sums(facts, stops).saved.sum()), default=None
    )


def _stops(traces: Sequence[Trace], rule: Rule) -> Stops:
    if rule.stop is None:
        return _never(traces)
    return decision.stops_by_level(traces, rule.stop, rule.alarm_of)


def _never(traces: Sequence[Trace]) -> Stops:
    return np.full(len(traces), np.inf)


def _patient(traces: Sequence[Trace], patience: int, loss: str) -> Stops:
    def curve(trace: Trace) -> Floats:
        return trace.curve.test_loss if loss == TEST_LOSS else trace.curve.train_loss

    return decision.stops_by_patience(traces, patience, curve)


def _of_pool(traces: Sequence[Trace], pool: str) -> list[Trace]:
    """All runs, or those of cells of real labels whose seeds ended differently."""
    if pool == ALL_CELLS:
        return list(traces)
    ends: dict[str, set[bool]] = {}
    for trace in traces:
        facts = trace.facts
        if not facts.random_labels and not facts.diverged:
            ends.setdefault(facts.cell, set()).add(facts.generalized)
    mixed = {cell for cell, found in ends.items() if len(found) > 1}
    return chosen(traces, lambda facts: facts.cell in mixed)
