"""Thresholds, leads, remaining time and collapse, on traces whose answers are known."""

import math
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from grokwatch.experiments.validation.collapsing import collapses, fall_of
from grokwatch.experiments.validation.failures import failures
from grokwatch.experiments.validation.thresholds import (
    Threshold,
    alarm_step,
    choose,
    coverage,
    held,
    lead_share,
)
from grokwatch.experiments.validation.timing import (
    at_landmark,
    first_alarms,
    remaining,
    timing,
)
from grokwatch.experiments.validation.trace import Floats, Trace
from grokwatch.monitor.vocabulary import AlertCode, Phase
from tests.validation_cases import LOOKS, facts, threshold, trace


def rising(step: int, *, low: float = 0.1, high: float = 0.9) -> Floats:
    return np.where(step <= LOOKS, high, low)


def third_look_from(step: int) -> int:
    return int(LOOKS[step <= LOOKS][2])


def negatives(count: int = 40, *, random_labels: bool = False) -> list[Trace]:
    """Runs that never grok and say up to place / count."""
    return [
        trace(facts(f"n{place}", cell=f"c{place}", random_labels=random_labels), place / count)
        for place in range(count)
    ]


def test_a_crossing_counts_when_it_has_been_held_for_three_looks() -> None:
    run = trace(facts("x"), rising(1000))
    assert alarm_step(run, threshold(0.5)) == third_look_from(1000)
    assert alarm_step(run, threshold(0.95)) is None
    blip = np.where(np.isin(LOOKS, LOOKS[40:42]), 0.9, 0.1)
    assert alarm_step(trace(facts("x"), blip), threshold(0.5)) is None


def test_what_cannot_be_told_breaks_a_crossing() -> None:
    scores = np.array([0.9, 0.9, np.nan, 0.9, 0.9, 0.9])
    assert held(scores).tolist() == [-np.inf] * 5 + [0.9]
    assert held(scores[:2]).tolist() == [-np.inf] * 2


@pytest.mark.parametrize(("rate", "alarmed"), [(0.01, 0), (0.05, 2), (0.10, 4), (1.0, 40)])
def test_a_threshold_keeps_to_its_rate_and_is_the_least_that_does(
    rate: float, alarmed: int
) -> None:
    runs = negatives()
    found = choose(runs, rate)
    assert (found.alarmed, found.negatives) == (alarmed, 40)
    assert sum(alarm_step(run, found) is not None for run in runs) == alarmed
    if alarmed < 40:
        lower = replace_value(found, float(np.nextafter(found.value, 0)))
        assert sum(alarm_step(run, lower) is not None for run in runs) > alarmed


def test_partial_runs_are_negatives_unless_they_are_set_apart() -> None:
    partial = [
        trace(facts(f"p{n}", cell=f"p{n}", onset=900, phase=Phase.PARTIAL), 0.96) for n in range(10)
    ]
    chance = trace(facts("r", onset=900, phase=Phase.PARTIAL, random_labels=True), 0.1)
    grokking = trace(facts("g", onset=4000, grokked=6000), 0.9)
    runs = [*negatives(), *partial, chance, grokking]
    counted, apart = choose(runs, 0.10), choose(runs, 0.10, apart=True)
    assert counted == Threshold(rate=0.1, value=just_above(0.96), alarmed=1, negatives=51)
    assert apart == Threshold(
        rate=0.1, value=just_above(0.875), apart=True, alarmed=4, negatives=41
    )
    among, beside = coverage(runs, counted), coverage(runs, apart)
    assert (among.negatives, among.false_alarms) == (51, 1)
    assert (beside.negatives, beside.false_alarms) == (41, 4)
    assert (among.partial, among.partial_alarmed) == (10, 0)
    assert (beside.partial, beside.partial_alarmed) == (10, 10)
    assert (among.random, beside.random) == (1, 1)
    assert (among.onset.covered.value, beside.onset.covered.value) == (0.0, 1.0)


def just_above(value: float) -> float:
    return float(np.nextafter(value, 1))


def test_runs_that_grok_do_not_move_a_threshold() -> None:
    grokking = [trace(facts(f"g{n}", grokked=5000), 1.0) for n in range(9)]
    assert choose([*negatives(), *grokking], 0.05) == choose(negatives(), 0.05)


def test_who_is_always_certain_never_alarms() -> None:
    sure = [replace(run, probability=np.ones(len(LOOKS))) for run in negatives()]
    assert choose(sure, 0.05).value > 1


def test_the_least_threshold_of_nobody_is_anything() -> None:
    assert choose([], 0.05).value == 0.0
    mute = [trace(facts("x"), np.nan)]
    assert choose(mute, 0.05).alarmed == 0


def test_leads_are_shares_of_the_way_and_misses_are_zero() -> None:
    run = facts("x", onset=1100, grokked=2100)
    assert lead_share(run, 600, 1100) == 0.5
    assert lead_share(run, 1600, 1100) == 0.0
    assert lead_share(run, None, 1100) == 0.0
    assert lead_share(run, 1100, 2100) == 0.5
    assert lead_share(facts("x", onset=90, grokked=2100), 95, 90) == 0.0


def test_coverage_counts_what_came_before_the_onset() -> None:
    grokking = [
        trace(facts(f"g{n}", cell=f"g{n}", onset=onset, grokked=6000), rising(1000))
        for n, onset in enumerate([4000, 4000, 1001])
    ]
    together = trace(facts("c", grokked=150, phase=Phase.COMPREHENSION), 0.95)
    shuffled = negatives(10, random_labels=True)
    runs = [*negatives(), *shuffled, *grokking, together]
    found = coverage(runs, threshold(0.8))
    assert (found.grokking, found.comprehension, found.comprehension_alarmed) == (3, 1, 1)
    assert found.onset.covered.value == pytest.approx(2 / 3)
    assert found.grok.covered.value == 1.0
    alarm = third_look_from(1000)
    assert found.onset.share.value == pytest.approx((4000 - alarm) / 3900)
    assert found.onset.steps == 4000 - alarm
    assert (found.negatives, found.random) == (50, 10)
    assert found.random_alarmed == 2
    assert found.random_bound is None
    assert found.false_alarms == 8 + 2
    assert found.achieved.value == 0.2


def replace_value(found: Threshold, value: float) -> Threshold:
    return msgspec.structs.replace(found, value=value)


def test_remaining_time_is_the_middle_of_the_interval() -> None:
    run = trace(facts("x", onset=4000, grokked=8000), rising(1000), eta=(1000.0, 4000.0))
    looks = first_alarms([run], threshold(0.5))
    assert [run.step[look] for _, look in looks] == [third_look_from(1000)]
    found = timing(looks)
    left = 8000 - third_look_from(1000)
    assert found.error.value == pytest.approx(abs(math.log2(2000 / left)))
    assert found.width == 2.0
    assert found.covered == 0.0
    assert (found.asked, found.told, found.grokked) == (1, 1, 1)


def test_who_gives_one_chance_says_nothing_of_time() -> None:
    run = trace(facts("x", onset=4000, grokked=8000), 0.5)
    found = timing(at_landmark([run], 5))
    assert (found.asked, found.told, found.error.value) == (1, 0, None)


def test_without_an_interval_half_of_what_is_promised_is_the_time() -> None:
    run = trace(facts("x", onset=4000, grokked=8000), 0.5)
    count = len(LOOKS)
    run = replace(
        run,
        horizons=np.tile(np.array([100, 10_000]), (count, 1)),
        chances=np.tile(np.array([0.0, 0.75]), (count, 1)),
        eta=np.tile(np.array([50.0, np.inf]), (count, 1)),
    )
    # -log(1 - p) is linear in log(horizon); .375 is what is asked for.
    share = math.log(1 - 0.375) / math.log(1 - 0.75)
    assert remaining(run, 30) == pytest.approx(100 * 100**share, abs=1.5)


def test_a_run_that_was_not_seen_to_grok_says_at_least() -> None:
    flat = trace(facts("x", cell="a"), 0.5, eta=(10.0, 10.0))
    found = timing(at_landmark([flat], 5))
    assert found.error.value is None
    assert found.censored_error is None
    assert found.refuted == 1.0
    long = timing(at_landmark([replace(flat, eta=flat.eta * 1e6)], 5))
    assert long.refuted == 0.0


def test_said_times_can_come_from_a_constant() -> None:
    run = trace(facts("x", onset=4000, grokked=8000), 0.5)
    looks = at_landmark([run], 5)
    left = 8000 - float(run.step[looks[0][1]])
    found = timing(looks, lambda trace, look: 2 * left)
    assert found.error.value == pytest.approx(1.0)
    assert found.covered is None


def test_collapses_are_dated_by_the_rule_of_the_label() -> None:
    accuracy = np.where(LOOKS < 1000, 0.2, np.where(LOOKS < 5000, 1.0, 0.5))
    fallen = facts("x", onset=900, grokked=1000, collapse=True)
    run = trace(fallen, 0.5, accuracy=accuracy)
    began = int(LOOKS[LOOKS >= 5000][0])
    fall = fall_of(run)
    assert fall is not None
    assert fall[0] == began
    assert fall[1] > began
    stable = trace(facts("y", onset=900, grokked=1000), 0.5, accuracy=np.where(LOOKS < 1e3, 0.2, 1))
    assert fall_of(stable) is None
    warned = replace(run, fired={AlertCode.COLLAPSE: fall[1]})
    found = collapses([warned, stable, run], train_side=False)
    assert (found.collapsed, found.warned, found.early) == (2, 1, 0)
    assert found.delay == fall[1] - began
    assert (found.stable, found.false_alarms, found.bound) == (1, 0, 1.0)
    foreseen = replace(run, concerned={AlertCode.COLLAPSE: began - 1})
    assert collapses([foreseen], train_side=True).early == 1
    too_soon = replace(run, concerned={AlertCode.COLLAPSE: 500})
    assert collapses([too_soon], train_side=True).warned == 0


def test_failures_are_named() -> None:
    runs = [
        trace(facts("fine", onset=4000, grokked=8000), rising(1000)),
        trace(facts("late", onset=1001, grokked=8000), rising(1000)),
        trace(facts("deaf", onset=4000, grokked=8000), 0.1),
        trace(facts("hopeless", onset=90, grokked=8000), 0.9),
        trace(facts("wolf"), 0.9),
        trace(facts("noise", random_labels=True), 0.9),
        trace(facts("quiet"), 0.1),
        trace(facts("partial", onset=4000, phase=Phase.PARTIAL), rising(1000)),
    ]
    strict, live = (threshold(0.5, apart=apart) for apart in (False, True))
    found = {each.run_id: each.what for each in failures(runs, lambda family: strict)}
    assert list(found) == ["late", "deaf", "hopeless", "wolf", "noise", "partial"]
    assert [each.run_id for each in failures(runs, lambda family: live)] == list(found)[:-1]
    assert "never alarmed, onset at 4,000" in found["deaf"]
    assert "false alarm" in found["wolf"]
    assert "random labels" in found["noise"]
