"""Who is asked what, and when: risk sets, windows, budgets."""

from dataclasses import replace

import numpy as np
import pytest

from grokwatch.experiments.validation.outlook import outlook, within, within_each
from grokwatch.experiments.validation.permutation import permuted
from grokwatch.experiments.validation.problems import (
    LANDMARKS,
    budgets,
    drawn_budget,
    half_landmark,
    landmark_look,
    landmarks,
    windows,
)
from grokwatch.monitor.vocabulary import Phase
from tests.validation_cases import LOOKS, STEPS, facts, trace

FLAT = facts("flat", cell="a")
GROKS = facts("groks", cell="a", onset=1200, grokked=3000)


def test_a_run_is_asked_about_until_its_onset() -> None:
    asked = {at: landmarks([trace(FLAT), trace(GROKS)], at) for at in LANDMARKS}
    assert [len(asked[at].labels) for at in LANDMARKS] == [2, 2, 2, 1, 1]
    assert asked[10].labels.tolist() == [False, True]
    assert asked[10].cells.tolist() == [0, 0]


def test_the_look_is_the_last_one_by_the_landmark() -> None:
    look = landmark_look(trace(GROKS), 5)
    assert look is not None
    assert LOOKS[look] <= 500 < LOOKS[look + 1]


def test_a_run_that_rose_and_did_not_grok_stays_at_risk() -> None:
    partial = facts("partial", onset=300, phase=Phase.PARTIAL)
    assert landmark_look(trace(partial), 40) is not None


def test_nobody_is_asked_of_a_run_that_never_memorized_or_is_over() -> None:
    assert landmark_look(trace(facts("x", memorized=None)), 2) is None
    assert landmark_look(trace(facts("x", memorized=300)), 40) is None


def test_the_answer_by_the_end_is_read_off_the_chances() -> None:
    run = trace(FLAT, 0.3)
    at = landmark_look(run, 10)
    assert at is not None
    assert landmarks([run], 10).scores[0] == pytest.approx(0.3)
    # In proportion to time below the horizon given: log(1 - p) halves.
    half = (STEPS - int(LOOKS[at])) / 2
    assert within(run, at, round(half)) == pytest.approx(1 - 0.7**0.5, abs=1e-3)


def test_who_cannot_tell_is_counted_and_scores_what_is_given() -> None:
    mute = trace(FLAT, np.nan)
    found = landmarks([mute, trace(GROKS, 0.8)], 5)
    assert found.abstained == 1
    assert found.filled(0.25).tolist() == pytest.approx([0.25, 0.8])
    assert np.isnan(outlook(mute)).all()


def test_all_looks_at_once_are_read_as_one_by_one() -> None:
    random = np.random.default_rng(0)
    run, count = trace(FLAT), len(LOOKS)
    told = np.sort(random.random((count, 3)), axis=1)
    told[:5] = np.nan
    told[5:9, 1:] = np.nan  # as wide as the widest, but told for one horizon
    told[20], told[21, 2] = 1.0, 1.0
    horizons = np.where(np.isnan(told), 0, np.array([10, 100, 1000]))
    run = replace(run, chances=told, horizons=horizons)
    for steps in (0, 1, 7, 10, 11, 99, 100, 500, 1000, 10**6):
        expected = [within(run, look, steps) for look in range(count)]
        found = within_each(run, np.full(count, float(steps)))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_windows_end_by_the_last_step_and_count_what_falls_into_them() -> None:
    found = windows([trace(GROKS)], 3)
    steps = [step for _, step in found.keys]
    assert min(steps) > 100
    assert max(steps) < 1200
    for step, label in zip(steps, found.labels, strict=True):
        assert label == (step + 3 * (step - 100) >= 3000)
    late = windows([trace(FLAT)], 10)
    assert all(step + 10 * (step - 100) <= STEPS for _, step in late.keys)
    assert not late.labels.any()


def test_a_budget_is_after_now_and_leaves_as_much_to_see() -> None:
    drawn = [drawn_budget(str(run), 2, 100, 5000, 0) for run in range(2000)]
    assert min(drawn) > 100
    assert max(drawn) <= 5000
    assert np.median(drawn) == pytest.approx((100 * 5000) ** 0.5, rel=0.15)
    assert drawn == [drawn_budget(str(run), 2, 100, 5000, 0) for run in range(2000)]
    assert drawn != [drawn_budget(str(run), 2, 100, 5000, 1) for run in range(2000)]


def test_not_grokking_by_a_budget_is_the_answer_yes() -> None:
    found = budgets([trace(FLAT, 0.2), trace(GROKS, 0.9)], 2)
    budget = drawn_budget("groks", 2, found.keys[1][1], STEPS // 2, 0)
    assert found.labels.tolist() == [True, budget < 3000]
    assert (found.scores >= [0.8, 0.1]).all()
    assert len(budgets([trace(FLAT)], 40).labels) == 1
    assert len(budgets([trace(facts("x", memorized=150))], 40).labels) == 0


def test_half_of_the_grokking_runs_are_at_risk_at_the_landmark_chosen() -> None:
    runs = [facts(str(n), onset=onset, grokked=9000) for n, onset in enumerate([300, 600, 1500])]
    assert half_landmark([*runs, facts("x", onset=8000, grokked=9000)]) == 10
    assert half_landmark([]) == LANDMARKS[0]


def test_outcomes_are_dealt_within_splits() -> None:
    runs = [
        facts(f"{split}{n}", split=split, grokked=3000 if n < many else None)
        for split, many in (("train", 5), ("test", 15))
        for n in range(20)
    ]
    dealt = permuted(runs)
    assert sum(dealt[run.run_id] for run in runs if run.split == "train") == 5
    assert sum(dealt[run.run_id] for run in runs if run.split == "test") == 15
    assert dealt != {run.run_id: run.generalized for run in runs}
    assert dealt == permuted(runs)
    asked = landmarks([trace(replace_facts) for replace_facts in runs], 2, labels=dealt)
    assert asked.labels.tolist() == [dealt[run] for run, _ in asked.keys]


def test_a_trace_finds_its_looks() -> None:
    run = trace(FLAT)
    assert run.look_at(9) is None
    assert run.look_at(10) == 0
    assert run.look_at(STEPS + 1) == len(LOOKS) - 1
    assert replace(run, facts=GROKS).facts.risk_end == 1200
    assert facts("x", grokked=500).risk_end == 500
