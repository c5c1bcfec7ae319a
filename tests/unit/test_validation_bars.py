"""Bars are met, missed, or not measured; tables and the page say which."""

import pytest

from grokwatch.experiments.validation import tables
from grokwatch.experiments.validation.bars import Promise, promises, tally
from grokwatch.experiments.validation.bootstrap import DRAWING, Estimate
from grokwatch.experiments.validation.calibration import Calibration
from grokwatch.experiments.validation.deciding import MIXED_CELLS, Alarmed, Decided
from grokwatch.experiments.validation.decision import Ledger
from grokwatch.experiments.validation.failures import Failure
from grokwatch.experiments.validation.frozen import Frozen
from grokwatch.experiments.validation.questions import Calibrated
from grokwatch.experiments.validation.ranking import Ranking
from grokwatch.experiments.validation.report import page
from grokwatch.experiments.validation.results import Asked, SchemeResult, Timed, Validation
from grokwatch.experiments.validation.splits import contestant
from grokwatch.experiments.validation.tables import Table
from grokwatch.experiments.validation.thresholds import Coverage, Lead, Threshold
from grokwatch.experiments.validation.timetable import AT_ALARM
from grokwatch.experiments.validation.timing import Timing

OURS = "hazard:"


def ranking(area: float, gain: Estimate, *, positives: int = 50, at: int = 10) -> Ranking:
    return Ranking(
        name=OURS,
        access="train",
        family="cyclic",
        pool="all runs",
        at=at,
        total=200,
        positives=positives,
        abstained=3,
        auroc=Estimate(area, area - 0.02, area + 0.02),
        auprc=0.7,
        concordance=Estimate(0.8, 0.7, 0.9),
        pairs=40,
        brier=0.1,
        gains={"B1 one": gain, "B1 other": Estimate(0.5, 0.4, 0.6)},
        skills={},
    )


def alarmed(covered: float, achieved: float, *, random_alarmed: int = 0) -> Alarmed:
    lead = Lead(covered=Estimate(covered), share=Estimate(0.31), steps=900.0)
    return Alarmed(
        name=OURS,
        access="train",
        family="cyclic",
        coverage=Coverage(
            threshold=Threshold(rate=0.05, value=0.7, alarmed=1, negatives=40),
            negatives=100,
            false_alarms=round(100 * achieved),
            achieved=Estimate(achieved),
            partial=10,
            partial_alarmed=1,
            random=400,
            random_alarmed=random_alarmed,
            random_bound=None if random_alarmed else 0.0075,
            grokking=30,
            onset=lead,
            grok=lead,
            comprehension=2,
            comprehension_alarmed=1,
        ),
    )


def decided(gain: float, lost: int) -> Decided:
    ledger = Ledger(
        runs=100, hopeless=50, grokking=50, lost=lost, share=Estimate(0.5), gain=Estimate(gain)
    )
    return Decided(
        name=OURS, access="train", pool=MIXED_CELLS, setting="chance <= 0.1", ledger=ledger
    )


def validation(
    *,
    rank: Ranking | None = None,
    alarm: Alarmed | None = None,
    apart: Alarmed | None = None,
    decision: Decided | None = None,
    slope: Estimate | None = None,
) -> Validation:
    rank = rank or ranking(0.9, Estimate(0.1, 0.05, 0.15))
    us = contestant(OURS)
    fit = Calibration(slope or Estimate(0.9, 0.8, 1.1), Estimate(0.0))
    timing = Timing(
        asked=9,
        told=8,
        grokked=7,
        error=Estimate(0.5),
        censored_error=0.6,
        covered=0.8,
        width=2.0,
        refuted=0.1,
    )
    return Validation(
        asked=Asked(
            judged="calibration",
            slices=("a",),
            contestants=(us,),
            chosen_on=("train",),
            runs=9,
            drawing=DRAWING,
        ),
        rankings=[rank],
        real=[],
        windows=[],
        budgets=[],
        calibration=[
            Calibrated(
                name=OURS, family="all", total=9, fit=fit, error=0.1, skill=Estimate(0.1), bins=()
            )
        ],
        alarms=[alarm or alarmed(0.8, 0.04)],
        apart=[apart or alarmed(0.95, 0.04)],
        timing=[Timed(name=OURS, family="cyclic", where=AT_ALARM, timing=timing)],
        collapses=[],
        decisions=[decision or decided(0.4, 1)],
        others=[
            SchemeResult(name="leave-family-out: cyclic", rankings=[rank], alarms=[]),
            SchemeResult(name="leave-architecture-out: transformer", rankings=[], alarms=[]),
        ],
        null=[rank],
        failures=[Failure(run_id="r1", slice="a", cell="c", seed=3, what="never alarmed")],
        leads={OURS: {}},
        frozen=Frozen(
            splits=("train",),
            splits_sha256="",
            contestants=(us,),
            signatures={},
            rules={},
            patiences={},
            half_landmarks={"cyclic": 10},
        ),
    )


def promise(found: Validation, begin: str) -> Promise:
    return next(each for each in promises(found) if each.what.startswith(begin))


@pytest.mark.parametrize(
    ("low", "is_met", "is_beyond"),
    [(0.05, True, False), (0.03, False, False), (0.09, True, True), (None, None, False)],
)
def test_the_gain_is_judged_by_its_lower_end_over_the_harder_baseline(
    low: float | None, is_met: bool | None, is_beyond: bool
) -> None:
    found = validation(rank=ranking(0.9, Estimate(0.1, low, 0.2)))
    gain = promise(found, "gain in AUROC")
    assert (gain.is_met, gain.is_beyond) == (is_met, is_beyond)
    assert gain.reached.startswith("+0.100")


def test_a_landmark_of_few_runs_is_no_bar() -> None:
    few = validation(rank=ranking(0.9, Estimate(0.1, 0.05, 0.2), positives=4))
    assert not any(each.what.startswith("gain") for each in promises(few))


def test_coverage_does_not_count_where_too_many_false_alarms_came() -> None:
    assert promise(validation(alarm=alarmed(0.8, 0.04)), "coverage").is_met is True
    assert promise(validation(alarm=alarmed(0.8, 0.06)), "coverage").is_met is False
    assert promise(validation(alarm=alarmed(0.6, 0.04)), "coverage").is_met is False


def test_coverage_with_partial_runs_apart_stands_beside_the_bar_and_is_none() -> None:
    missed = validation(alarm=alarmed(0.6, 0.04), apart=alarmed(0.95, 0.01))
    bar, beside = (p for p in promises(missed) if p.what.startswith("coverage"))
    assert bar.what == "coverage, cyclic, false alarms 4.0 % of at most 5 %"
    assert beside.what == (
        "coverage, cyclic, partial runs apart: false alarms 1.0 % of at most 5 %"
    )
    assert (beside.bar, beside.moonshot, beside.reached) == (bar.bar, bar.moonshot, "0.950")
    assert (bar.verdict, beside.verdict) == ("missed", "companion")
    lead = promise(missed, "median lead to onset, cyclic, partial runs apart: misses zero")
    assert lead.verdict == "companion"
    others = [p for p in promises(missed) if not p.is_companion]
    assert tally(promises(missed)) == tally(others)
    assert tally(others).missed == tally(promises(validation())).missed + 1
    text = page(missed)
    assert "is a companion and no bar." in text
    assert "## Alarms and leads, partial runs apart\n" in text
    assert "| of them partial |" in text
    assert "| partial, apart |" in text


def test_savings_do_not_count_where_too_many_groks_were_lost() -> None:
    assert promise(validation(decision=decided(0.4, 1)), "GRK002").is_met is True
    assert promise(validation(decision=decided(0.4, 2)), "GRK002").is_met is False
    assert promise(validation(decision=decided(0.7, 0)), "GRK002").is_beyond is True


def test_random_labels_and_slopes_and_times_have_their_own_rules() -> None:
    found = validation()
    assert promise(found, "random-label runs alarmed, of 400").is_beyond is True
    assert (
        promise(validation(apart=alarmed(0.8, 0.04, random_alarmed=21)), "random").is_met is False
    )
    assert promise(found, "calibration slope").is_met is True
    wrong = validation(slope=Estimate(0.5, 0.4, 0.9))
    assert promise(wrong, "calibration slope").is_met is False
    assert promise(found, "remaining time").is_met is True
    assert promise(found, "same-cell concordance, cyclic, at 10 T_mem, 40 pairs").is_met is True


def test_what_was_not_fitted_is_not_measured() -> None:
    assert promise(validation(), "AUROC, leave-architecture-out").is_met is None
    assert promise(validation(), "AUROC, leave-family-out: cyclic").is_met is True


def test_the_page_says_what_was_missed_and_names_failures() -> None:
    text = page(validation(alarm=alarmed(0.5, 0.04)))
    assert "| **missed** |" in text
    assert "1 could not be measured" in text
    assert "| r1 | a | c | 3 | never alarmed |" in text
    assert "were fitted on these runs" not in text
    assert "Not the test split" not in text
    assert "0 / 400 (< 0.8%)" in text
    assert text.endswith("\n")


def test_the_null_counts_intervals_that_contain_one_half() -> None:
    rows = [ranking(area, Estimate(None)) for area in (0.49, 0.51, 0.6)]
    assert tables.null_table(rows).rows == [(OURS, "0.533", "2 of 3")]


def test_a_table_without_rows_is_no_section() -> None:
    assert Table(("a",), []).markdown == "| a |\n|---|"
    assert "## P4" not in page(validation())
