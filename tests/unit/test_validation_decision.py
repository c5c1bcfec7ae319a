"""What stopping saves and loses, added up by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from grokwatch.experiments.validation.bootstrap import Drawing
from grokwatch.experiments.validation.deciding import (
    ALL_CELLS,
    MIXED_CELLS,
    TO_THE_END,
    alarmed,
    decided,
    settle,
    settle_patiences,
)
from grokwatch.experiments.validation.decision import (
    LEVELS,
    best,
    ledger,
    memorized,
    stops_by_alerts,
    stops_by_level,
    stops_by_patience,
    table_of_stops,
)
from grokwatch.experiments.validation.entries import Entry
from grokwatch.experiments.validation.thresholds import Alarm
from grokwatch.experiments.validation.trace import Trace
from grokwatch.monitor.vocabulary import AlertCode, Phase
from tests.validation_cases import LOOKS, STEPS, facts, threshold, trace

FLAT = facts("flat", cell="a")
GROKS = facts("groks", cell="a", onset=4000, grokked=5000)
NEVER = math.inf
FEW = Drawing(50)


def from_chance(value: float) -> Alarm:
    """The same threshold for every family."""
    return lambda family: threshold(value)


def test_the_oracle_saves_all_after_memorization_of_runs_that_never_grok() -> None:
    found = ledger([FLAT, GROKS], np.array([100.0, NEVER]), drawing=FEW)
    assert (found.share.value, found.lost, found.hopeless, found.grokking) == (1.0, 0, 1, 1)
    assert found.gain.value is None


def test_a_stop_saves_what_is_left_and_loses_runs_that_would_have_grokked() -> None:
    found = ledger([FLAT, GROKS], np.array([5050.0, 4999.0]), drawing=FEW)
    assert found.share.value == pytest.approx((STEPS - 5050) / (STEPS - 100))
    assert (found.lost, found.lost_share) == (1, 1.0)
    after = ledger([FLAT, GROKS], np.array([NEVER, 5000.0]), drawing=FEW)
    assert (after.share.value, after.lost) == (0.0, 0)


def test_the_gain_is_of_what_the_reference_leaves() -> None:
    reference = np.array([5050.0, NEVER])
    found = ledger([FLAT, GROKS], np.array([100.0, NEVER]), reference, drawing=FEW)
    assert found.gain.value == 1.0
    same = ledger([FLAT, GROKS], reference, reference, drawing=FEW)
    assert same.gain.value == 0.0


def test_a_run_is_stopped_where_its_chance_had_been_low_for_three_looks() -> None:
    said = np.where(LOOKS < 1000, 0.5, 0.01)
    third = int(LOOKS[LOOKS >= 1000][2])
    runs = [trace(FLAT, said), trace(GROKS, 0.5)]
    assert stops_by_level(runs, 0.05, from_chance(2.0)).tolist() == [third, NEVER]
    assert stops_by_level(runs, 0.001, from_chance(2.0)).tolist() == [NEVER, NEVER]
    table = table_of_stops(runs, (0.001, 0.05, 0.5), from_chance(2.0))
    assert table[0].tolist() == [NEVER, third, int(LOOKS[LOOKS > 100][2])]


def test_a_run_that_was_alarmed_is_trained_on() -> None:
    said = np.where(LOOKS < 1000, 0.9, 0.01)
    assert stops_by_level([trace(FLAT, said)], 0.05, from_chance(0.8)).tolist() == [NEVER]
    fired = trace(FLAT)
    only = {AlertCode.WILL_NOT_GROK: 700}
    both = {AlertCode.WILL_NOT_GROK: 700, AlertCode.LIKELY_GROKKING: 300}
    late = {AlertCode.WILL_NOT_GROK: 700, AlertCode.LIKELY_GROKKING: 900}
    runs = [with_alerts(fired, each) for each in (only, both, late, {})]
    assert stops_by_alerts(runs).tolist() == [700, NEVER, 700, NEVER]


def with_alerts(run: Trace, fired: dict[AlertCode, int]) -> Trace:
    return replace(run, fired=fired)


def test_patience_runs_out_after_memorization_only() -> None:
    loss = np.where(LOOKS < 1000, 2.0 - LOOKS / 1000, 1.5)
    run = trace(FLAT, loss=loss, train_loss=1.0)
    best_look = int(np.flatnonzero(LOOKS < 1000)[-1])
    stops = stops_by_patience([run], 5, lambda each: each.curve.test_loss)
    assert stops.tolist() == [float(LOOKS[best_look + 5])]
    stops = stops_by_patience([run], 3, lambda each: each.curve.train_loss)
    assert stops.tolist() == [float(LOOKS[LOOKS >= 100][0])]
    assert stops_by_patience([run], 99, lambda each: each.curve.test_loss).tolist() == [NEVER]


def test_the_best_option_saves_most_within_what_may_be_lost() -> None:
    options = np.array([[100.0, 5000.0, NEVER], [100.0, NEVER, NEVER]])
    assert best([FLAT, GROKS], options) == 1
    assert best([FLAT, GROKS], options, most_lost=1.0) == 0
    assert best([FLAT, GROKS], options[:, :1]) is None


def test_runs_that_never_memorized_are_left_out() -> None:
    assert memorized([trace(FLAT), trace(facts("x", memorized=None))])[0].facts is FLAT


def entry(name: str, flat: float, groks: float, *, is_baseline: bool = False) -> Entry:
    """Ten cells with a run of each kind, and one cell that is not mixed."""
    runs = [
        each
        for n in range(10)
        for each in (
            trace(facts(f"f{n}", cell=f"c{n}"), flat),
            trace(facts(f"g{n}", cell=f"c{n}", onset=4000, grokked=5000), groks),
        )
    ]
    runs.append(trace(facts("z", cell="z"), flat))
    return Entry(name, "train", runs, runs, is_baseline)


def test_rules_are_settled_and_judged_in_mixed_cells_and_in_all() -> None:
    rows = [entry("good", 0.01, 0.9), entry("B1 hyper-parameters, trees", 0.4, 0.4)]
    rules = {each.name: settle(each.fitted) for each in rows}
    assert rules["good"].stop in LEVELS
    assert rules["B1 hyper-parameters, trees"].stop is None
    patiences = settle_patiences(rows[0].fitted)
    assert patiences == {"test loss": None, "train loss": None}
    found = decided(rows, rules, patiences, FEW)
    by_name = {(row.name, row.pool): row.ledger for row in found}
    good = by_name["good", MIXED_CELLS]
    assert (good.runs, good.lost) == (20, 0)
    assert (good.share.value or 0) > 0.95
    assert good.gain.value == good.share.value
    assert by_name["good", ALL_CELLS].runs == 21
    assert by_name[TO_THE_END, ALL_CELLS].share.value == 0.0


def test_alarms_are_judged_family_by_family() -> None:
    rows = [entry("good", 0.01, 0.9)]
    rules = {"good": settle(rows[0].fitted)}
    (row,) = alarmed(rows, rules, "cyclic", FEW, rates=(0.05,))
    assert row.coverage.onset.covered.value == 1.0
    assert row.coverage.false_alarms == 0
    partial = trace(facts("p", cell="p", onset=900, phase=Phase.PARTIAL), 0.95)
    rows[0].judged.append(partial)
    (row,) = alarmed(rows, rules, "cyclic", FEW, rates=(0.05,))
    (apart,) = alarmed(rows, rules, "cyclic", FEW, rates=(0.05,), apart=True)
    assert (row.coverage.false_alarms, apart.coverage.false_alarms) == (1, 0)
    assert alarmed(rows, rules, "parity", FEW, rates=(0.05,))[0].coverage.grokking == 0
