import pytest

from grokwatch.experiments.score import CONTROLS, FalseAlarms, score, table
from grokwatch.experiments.trial import CONDITIONS, Judged
from grokwatch.monitor.records import Outcome
from grokwatch.monitor.vocabulary import Phase

RECIPE = next(iter(CONDITIONS))


def judged(
    condition: str = RECIPE,
    *,
    seed: int = 0,
    warned: int | None = None,
    onset: int | None = None,
    grokking: int | None = None,
) -> Judged:
    outcome = Outcome(
        train_step=1_000,
        onset_step=onset,
        midpoint_step=None,
        grokking_step=grokking,
        phase=Phase.GROKKING if grokking else Phase.MEMORIZATION,
        collapse=False,
        relapse=False,
        censored_at=30_000,
    )
    return Judged(
        condition=condition,
        seed=seed,
        predictor="threshold:",
        outcome=outcome,
        warned_step=warned,
        probability=None,
    )


SILENT = [judged(name, seed=seed) for name in CONTROLS for seed in range(3)]


def test_lead_is_the_share_of_the_way_from_memorization_to_onset() -> None:
    assert judged(warned=2_000, onset=5_000, grokking=6_000).lead == 0.75
    assert judged(warned=6_000, onset=5_000, grokking=7_000).lead == -0.25
    assert judged(warned=None, onset=5_000, grokking=7_000).lead is None


def test_misses_and_late_warnings_count_as_zero_lead() -> None:
    runs = [
        judged(seed=0, warned=2_000, onset=5_000, grokking=6_000),
        judged(seed=1, warned=5_500, onset=5_000, grokking=6_000),
        judged(seed=2, warned=None, onset=5_000, grokking=6_000),
        *SILENT,
    ]
    result = score(runs, "threshold:")
    assert (result.generalized, result.early, result.median_lead) == (3, 1, 0.0)
    assert not result.holds


def test_censored_runs_are_counted_apart() -> None:
    early = [judged(seed=s, warned=2_000, onset=5_000, grokking=6_000) for s in range(4)]
    result = score([*early, judged(seed=9, warned=8_000), *SILENT], "threshold:")
    assert (result.generalized, result.censored, result.censored_warned) == (4, 1, 1)
    assert result.holds


@pytest.mark.parametrize("control", CONTROLS)
def test_one_false_alarm_misses_the_bar(control: str) -> None:
    early = [judged(seed=s, warned=2_000, onset=5_000, grokking=6_000) for s in range(4)]
    runs = [*early, *SILENT, judged(control, seed=9, warned=3_000)]
    result = score(runs, "threshold:")
    assert result.false_alarms[control].alarmed == 1
    assert not result.holds


def test_no_false_alarm_is_given_with_its_bound() -> None:
    assert FalseAlarms(alarmed=0, runs=20).bound == pytest.approx(0.15)
    assert FalseAlarms(alarmed=1, runs=20).bound is None
    assert FalseAlarms(alarmed=0, runs=0).bound is None


def test_table_has_a_row_for_each_predictor_and_says_what_was_missed() -> None:
    columns, rows = table([score(SILENT, "threshold:"), score([], "baseline:never")])
    assert len(rows) == 2
    assert all(len(row) == len(columns) for row in rows)
    assert rows[0][-1] == "missed"
    assert "0 / 3 (< 100%)" in rows[0]
