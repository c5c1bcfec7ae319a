import base64
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Alert, Evaluation, Observation, alert_id
from grokwatch.monitor.report.sweep import html, write
from grokwatch.monitor.report.sweep_axes import axes_of
from grokwatch.monitor.report.sweep_curves import (
    MISSING,
    NOT_A_NUMBER,
    Curve,
    curve_of,
    thin,
)
from grokwatch.monitor.report.sweep_data import report_of
from grokwatch.monitor.report.sweep_packing import pack_curves
from grokwatch.monitor.report.sweep_run import SweepRun, relabelled, run_of
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Phase, Severity
from tests.page_payloads import PAYLOADS
from tests.report_sweeps import GRID, course, diagram, records_of, swept

ACCURACIES = st.lists(st.floats(0, 1) | st.just(MISSING), min_size=1, max_size=400)
LARGEST = 4 * 1024 * 1024


def curve(values: list[float]) -> Curve:
    steps = tuple(range(1, len(values) + 1))
    return Curve(steps, tuple(values), tuple(reversed(values)))


@given(ACCURACIES, st.integers(8, 130))
def test_a_thinned_curve_keeps_its_ends_and_extremes_and_makes_nothing_up(
    values: list[float], most: int
) -> None:
    whole = curve(values)
    thinned = thin(whole, most)
    assert len(thinned.steps) <= most
    points = set(zip(whole.steps, whole.train, whole.test, strict=True))
    assert set(zip(thinned.steps, thinned.train, thinned.test, strict=True)) <= points
    assert (thinned.steps[0], thinned.steps[-1]) == (whole.steps[0], whole.steps[-1])
    for before, after in ((whole.train, thinned.train), (whole.test, thinned.test)):
        measured = [value for value in before if value != MISSING]
        if measured:
            kept = [value for value in after if value != MISSING]
            assert (min(kept), max(kept)) == (min(measured), max(measured))


def test_an_accuracy_that_is_no_number_is_not_one_that_is_missing() -> None:
    found = curve_of([(1, float("nan")), (2, None), (3, 1.5)], [(2, 0.5)])
    assert found == Curve((1, 2, 3), (NOT_A_NUMBER, MISSING, 1.0), (MISSING, 0.5, MISSING))
    assert relabelled(found, None).phase is Phase.CONFUSION


def test_curves_come_out_of_the_page_as_they_went_in() -> None:
    runs = [swept(0, {}, rise=400), msgspec.structs.replace(swept(1, {}), curve=None)]
    packed = pack_curves(runs)
    places = np.frombuffer(base64.b64decode(packed.at.data), "<i2")[: packed.starts[1]]
    test = np.frombuffer(base64.b64decode(packed.test.data), "<i2") * packed.test.scale
    assert packed.starts == (0, len(GRID), len(GRID))
    assert packed.grid == GRID
    assert packed.at.scale == 1
    assert [packed.grid[at] for at in places] == list(GRID)
    assert test[: len(GRID)] == pytest.approx(course(400).test, abs=2e-5)
    assert packed.apart == 0


def test_many_different_steps_are_packed_as_themselves() -> None:
    runs = [
        SweepRun(run_id=str(run), phase="confusion", curve=Curve(steps, (0.5,) * 100, (0.5,) * 100))
        for run in range(400)
        for steps in [tuple(range(1 + 100 * run, 101 + 100 * run))]
    ]
    packed = pack_curves(runs)
    assert packed.grid is None
    steps = np.frombuffer(base64.b64decode(packed.at.data), "<f4")
    assert steps[[0, -1]].tolist() == [1.0, 40_000.0]


def test_ten_thousand_runs_fit_a_page_that_says_what_was_left_out() -> None:
    steps = tuple(range(1, 17))
    noise = np.random.default_rng(0).random(10_016)
    runs = [
        SweepRun(
            run_id=f"{run:016x}",
            seed=run % 9,
            hyper_parameters={"decay": run // 9 / 7, "hidden": run % 5},
            phase="confusion",
            curve=Curve(steps, tuple(x := noise[run : run + 16].tolist()), tuple(x)),
            num_test=2_000,
            last_step=20_000,
            is_judged=True,
            stopped_step=10_000,
        )
        for run in range(10_000)
    ]
    page = html("many", runs)
    assert len(page.encode()) < LARGEST
    assert "So that 10,000 runs fit one page, curves have 16 points at most instead of 120." in page


def test_axes_are_what_differs_ordered_by_number_and_written_for_people() -> None:
    values = (None, True, 2, 10, 0.5, "b", "a")
    runs = [
        swept(0, {"mixed": value, "same": 1, "copy": value, "two": index % 2})
        for index, value in enumerate(values)
    ]
    axes, fixed, followers = axes_of(runs)
    assert axes == {"mixed": [None, True, 0.5, 2, 10, "a", "b"], "two": [0, 1]}
    assert fixed == {"same": 1}
    assert followers == {"copy": "mixed"}
    report = report_of("s", runs)
    assert [axis.values for axis in report.axes] == [
        ("none", "true", "0.5", "2", "10", "a", "b"),
        ("0", "1"),
    ]
    assert report.runs.places[0] == [0, 1, 3, 4, 2, 6, 5]
    assert "No axis of their own, as they change together: copy (as mixed)." in report.missing


def test_a_setting_that_some_runs_lack_is_an_axis_on_which_they_have_none() -> None:
    report = report_of("s", [swept(0, {}), swept(1, {"dropout": 0.1})])
    assert [(axis.name, axis.values) for axis in report.axes] == [("dropout", ("none", "0.1"))]
    assert "One hyper-parameter differs, so the diagram has one row." in report.missing


def test_the_headline_counts_runs_cells_and_phases() -> None:
    report = report_of("s", diagram())
    assert report.headline == "108 runs in 12 cells: 66 grokked, 42 memorised only."
    alone = report_of("s", [swept(0, {"a": 1})])
    assert alone.headline == "1 run in 1 cell: 1 memorised only."
    assert "They differ in their seeds alone." in alone.missing[0]


def test_a_run_is_gathered_from_its_records() -> None:
    run = run_of(records_of(settings={"decay": 0.5}), predictor=None)
    assert (run.seed, run.num_test) == (3, 400)
    assert run.hyper_parameters == {"num_test": 400, "decay": 0.5}
    assert run.phase == "grokking"
    assert (run.memorized_step, run.generalized_step, run.last_step) == (80, 400, 1_000)
    assert run.curve == course(400)
    assert not run.is_judged
    assert "1 run not judged by a predictor." in report_of("s", [run]).missing


def test_a_run_that_nobody_judged_is_judged_now() -> None:
    run = run_of(records_of(rise=2_000), predictor="baseline:never")
    assert run.is_judged
    assert (run.warned_step, run.stopped_step) == (None, 400)
    eager = run_of(records_of(), predictor="baseline:always")
    assert (eager.warned_step, eager.stopped_step) == (110, None)


def test_alerts_that_were_raised_are_believed_and_a_warning_before_keeps_a_run() -> None:
    def fired(code: AlertCode, step: int) -> Alert:
        return Alert(
            run_id="r", id=alert_id("r", code, 1), code=code, episode=1, severity=Severity.INFO,
            state=AlertState.FIRING, step=step, time=0.0, message="",
        )  # fmt: skip

    stop, keep = fired(AlertCode.WILL_NOT_GROK, 300), fired(AlertCode.LIKELY_GROKKING, 200)
    told = records_of()
    assert run_of([*told, stop], predictor="baseline:always").stopped_step == 300
    kept = run_of([*told, keep, stop], predictor=None)
    assert (kept.is_judged, kept.warned_step, kept.stopped_step) == (True, 200, None)


def test_a_run_without_start_or_test_accuracy_is_shown_and_its_lack_is_said() -> None:
    told = [r for r in records_of() if isinstance(r, Observation)]
    run = run_of(told, predictor=None)
    assert (run.seed, run.hyper_parameters, run.phase) == (None, {}, "memorization")
    said = report_of("s", [run]).missing
    assert "1 run without a test accuracy: whether they generalised is not known." in said
    nothing = run_of([Evaluation(run_id="r", step=1, time=0.0)], predictor=None)
    assert (nothing.curve, nothing.last_step) == (Curve((), (), ()), 0)


def test_divergence_and_collapse_are_counted() -> None:
    bad = msgspec.structs.replace(swept(0, {}), has_diverged=True, has_collapsed=True)
    said = " ".join(report_of("s", [bad]).missing)
    assert "1 run diverged: the numbers were no longer finite." in said
    assert "1 run lost accuracy again after generalising." in said


def test_hostile_names_stay_words() -> None:
    runs = [swept(seed, {text: text, "x": seed}) for seed, text in enumerate(PAYLOADS)]
    page = html(PAYLOADS[0], runs, remarks=PAYLOADS)
    for text in PAYLOADS:
        if "<" in text:
            assert text not in page


def test_a_page_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a file for the report that can be written, got"):
        write("s", [swept(0, {})], tmp_path / "missing" / "page.html")
    path = write("s", [swept(0, {})], tmp_path / "page.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_same_runs_make_the_same_page() -> None:
    assert html("s", diagram()) == html("s", diagram())
