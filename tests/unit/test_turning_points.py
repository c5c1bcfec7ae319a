"""What counts as a turning point of a run."""

from collections.abc import Sequence

import pytest

from grokwatch.callbacks.turning_points import TurningPoints
from grokwatch.monitor.records import Alert, AnyRecord, Assessment, Observation
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity, Stage


def seen(step: int, train_accuracy: float | None = 0.0) -> Observation:
    return Observation(
        run_id="r", step=step, time=0.0, train_loss=1.0, train_accuracy=train_accuracy
    )


def judged(stage: Stage) -> Assessment:
    return Assessment(run_id="r", step=1, time=0.0, predictor="p@1", stage=stage)


def warned(state: AlertState = AlertState.FIRING) -> Alert:
    return Alert(
        run_id="r", id="x", code=AlertCode.LIKELY_GROKKING, episode=1, state=state, step=1,
        time=0.0, severity=Severity.WARNING, message="",
    )  # fmt: skip


def begun() -> TurningPoints:
    points = TurningPoints()
    assert not points.observe(seen(100), [])
    return points


def test_memorization_is_one_and_so_is_the_first_look_well_after_it() -> None:
    points = begun()
    assert not points.observe(seen(200, 0.98), [])
    assert points.observe(seen(300, 0.99), [])
    assert not points.observe(seen(303, 0.99), [])
    assert points.observe(seen(306, 0.99), [])
    assert not points.observe(seen(400, 0.99), [])


@pytest.mark.parametrize(
    ("records", "is_turning"),
    [([judged(Stage.CLEANUP)], True), ([warned()], True), ([warned(AlertState.CLEARED)], False)],
)
def test_a_new_stage_and_a_warning_are_two(records: Sequence[AnyRecord], is_turning: bool) -> None:
    assert begun().observe(seen(200), records) is is_turning


def test_each_happens_once() -> None:
    points = begun()
    found = [
        points.observe(seen(1_000 * n), [judged(stage)])
        for n, stage in enumerate((Stage.PLATEAU, Stage.CLEANUP, Stage.PLATEAU, Stage.CLEANUP), 1)
    ]
    assert found == [True, True, True, False]


def test_held_out_accuracy_turns_where_it_leaves_its_plateau_and_at_two_levels() -> None:
    points = TurningPoints()
    points.evaluate(0.2)
    assert not points.observe(seen(100, 1.0), [])
    steps = {1_000: 0.25, 2_000: 0.31, 4_000: 0.32, 8_000: 0.6, 16_000: 0.96}
    turned = set()
    for step, accuracy in steps.items():
        points.evaluate(accuracy)
        points.evaluate(None)
        turned |= {step} if points.observe(seen(step, 1.0), []) else set()
        assert points.observe(seen(step + step // 2, 1.0), []) == (step in turned)
    assert turned == {2_000, 8_000, 16_000}


def test_what_was_so_from_the_first_did_not_turn() -> None:
    points = TurningPoints()
    points.evaluate(0.97)
    assert not points.observe(seen(5_000, 1.0), [judged(Stage.CLEANUP), warned()])
    assert not points.observe(seen(6_000, 1.0), [judged(Stage.CLEANUP)])
    assert not points.observe(seen(7_000, None), [])
