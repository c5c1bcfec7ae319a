import json
import math

import pytest

from grokwatch.monitor.records import (
    Alert,
    Assessment,
    Chance,
    Evaluation,
    Interval,
    Observation,
    RunEnded,
    RunStarted,
    SkippedSignal,
    WeightFrame,
)
from grokwatch.monitor.sinks.points import TEXT_LENGTH, Batch, Point, clip, last_status
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity, Stage

OBSERVATION = Observation(
    run_id="a",
    step=7,
    time=50.0,
    train_loss=0.5,
    values={"x@embedding": 1.0, "y": math.nan, "z": -math.inf},
    errors={"sharpness": "no"},
    cost_seconds=0.25,
)


def test_an_observation_becomes_finite_points_at_its_own_time_and_step() -> None:
    batch = Batch()
    batch.add(OBSERVATION)
    assert batch.points == [
        Point("grokwatch/train_loss", 0.5, 50.0, 7),
        Point("grokwatch cost/observation_cost_seconds", 0.25, 50.0, 7),
        Point("grokwatch cost/signal_errors", 1.0, 50.0, 7),
        Point("grokwatch signals/x.embedding", 1.0, 50.0, 7),
        Point("grokwatch cost/non_finite_values", 2.0, 50.0, 7),
    ]
    assert batch.num_non_finite == 2


def test_an_assessment_is_plotted_at_its_own_time() -> None:
    batch = Batch()
    batch.add(OBSERVATION)
    batch.points.clear()
    batch.add(Evaluation(run_id="a", step=7, time=60.0, test_accuracy=0.5))
    batch.add(
        Assessment(
            run_id="a",
            step=7,
            time=50.0,
            predictor="p@1",
            stage=Stage.CLEANUP,
            reason="early",
            eta_steps=Interval(low=5, high=9),
        )
    )
    assert batch.points == [
        Point("grokwatch/test_accuracy", 0.5, 60.0, 7),
        Point("grokwatch/stage", 3.0, 50.0, 7),
        Point("grokwatch/eta_low_steps", 5.0, 50.0, 7),
        Point("grokwatch/eta_high_steps", 9.0, 50.0, 7),
    ]
    assert batch.tags == {
        "grokwatch.stage": "cleanup",
        "grokwatch.probability": "-",
        "grokwatch.rise_probability": "-",
    }


def test_chances_are_tags_of_three_digits() -> None:
    batch = Batch()
    batch.add(
        Assessment(
            run_id="a",
            step=7,
            time=50.0,
            predictor="p@1",
            stage=Stage.PLATEAU,
            chances=(Chance(horizon_steps=9, probability=0.12345),),
            rising=(Chance(horizon_steps=9, probability=1.0),),
        )
    )
    assert batch.tags["grokwatch.probability"] == "0.123"
    assert batch.tags["grokwatch.rise_probability"] == "1.000"


def test_a_start_becomes_parameters_and_tags() -> None:
    batch = Batch()
    skipped = (SkippedSignal(name="sharpness", reason="no loss", remedy="give one"),)
    batch.add(
        RunStarted(
            run_id="a",
            attempt=2,
            time=1.0,
            skipped=skipped,
            hyper_parameters={"lr/base": 1e-3, "tied": True, "none": None},
            budget_steps=10,
            group="bits:30",
        )
    )
    assert batch.parameters == {"lr_base": "0.001", "tied": "True", "none": "None"}
    assert batch.tags == {
        "grokwatch.run_id": "a",
        "grokwatch.attempt": "2",
        "grokwatch.status": "running",
        "grokwatch.budget_steps": "10",
        "grokwatch.group": "bits:30",
        "grokwatch.skipped": "sharpness",
    }


def test_an_alert_and_an_end_become_tags_and_a_weight_frame_nothing() -> None:
    batch = Batch()
    batch.add(WeightFrame(run_id="a", step=1, role="input", shape=(1,), data=b"0000"))
    assert batch == Batch()
    batch.add(
        Alert(
            run_id="a",
            id="1",
            code=AlertCode.LIKELY_GROKKING,
            episode=1,
            severity=Severity.INFO,
            state=AlertState.CLEARED,
            step=9,
            time=2.0,
            message="gone",
        )
    )
    batch.add(RunEnded(run_id="a", step=9, time=3.0, status=RunStatus.FINISHED))
    assert batch.tags == {
        "grokwatch.alert.GRK001": "cleared",
        "grokwatch.alert.GRK001.id": "1",
        "grokwatch.alert.GRK001.step": "9",
        "grokwatch.alert.GRK001.message": "gone",
        "grokwatch.status": "finished",
    }


def test_the_last_word_on_a_runs_status_counts() -> None:
    ended = RunEnded(run_id="a", step=9, time=3.0, status=RunStatus.INTERRUPTED)
    resumed = RunStarted(run_id="a", attempt=2, time=4.0)
    assert last_status([OBSERVATION]) is None
    assert last_status([RunStarted(run_id="a", time=0.0), OBSERVATION]) is None
    assert last_status([ended, OBSERVATION]) == (RunStatus.INTERRUPTED, 3.0)
    assert last_status([ended, resumed]) == (None, None)


def test_a_hundred_clipped_texts_stay_under_a_megabyte_in_json() -> None:
    text = clip("\U0001f600" * 10_000)
    assert len(text) == TEXT_LENGTH
    assert text.endswith("…")
    assert len(json.dumps([["k" * 250, text]] * 100)) < 1_000_000


def test_clipping_removes_what_databases_refuse() -> None:
    assert clip("a\0b\ud800c") == "ab?c"


@pytest.mark.parametrize(
    ("step", "time"),
    [(1, math.nan), (1, math.inf), (1, -1.0), (1, 1e300), (2**63, 1.0), (2**64 - 1, 1.0)],
)
def test_what_no_tracker_can_place_is_left_out_and_counted(step: int, time: float) -> None:
    batch = Batch()
    batch.add(Observation(run_id="a", step=step, time=time, train_loss=0.5))
    batch.add(OBSERVATION)
    assert {point.step for point in batch.points} == {7}
    assert batch.num_non_finite == 4
