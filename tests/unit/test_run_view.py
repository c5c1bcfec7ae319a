import math
from typing import Any

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
    SignalInfo,
    WeightFrame,
)
from grokwatch.monitor.sinks.points import stage_number
from grokwatch.monitor.sinks.run_view import RunView
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity, Stage

STARTED = RunStarted(
    run_id="a",
    seq=1,
    time=100.0,
    name="first",
    group="cyclic:67",
    signals=(SignalInfo(name="entropy", unit="nats", summary="Flatness."),),
)


def observation(seq: int, **fields: Any) -> Observation:
    given: dict[str, Any] = {"step": seq, "time": 100.0 + seq, "train_loss": 0.5, **fields}
    return Observation(run_id="a", seq=seq, **given)


def numbers(view: RunView, now: float = 0.0) -> dict[str, float]:
    return {f"{s.metric.prometheus}{s.detail}": s.value for s in view.samples(now)}


def test_a_run_that_said_nothing_shows_nothing() -> None:
    assert numbers(RunView(run_id="a")) == {}


def test_an_observation_shows_its_values_with_units() -> None:
    view = RunView(run_id="a").after(STARTED, 0.0)
    view = view.after(observation(2, values={"entropy@input": 3.0}, train_accuracy=1.0), 5.0)
    assert (view.name, view.task) == ("first", "cyclic:67")
    assert numbers(view, 7.5) == {
        "grokwatch_step": 2,
        "grokwatch_train_loss": 0.5,
        "grokwatch_train_accuracy": 1.0,
        "grokwatch_observation_cost_seconds": 0.0,
        "grokwatch_overhead_ratio": 0.0,
        "grokwatch_last_observation_age_seconds": 2.5,
        "grokwatch_observations_total": 1,
        "grokwatch_signal_errors_total": 0,
        "grokwatch_non_finite_values_total": 0,
        "grokwatch_entropy_input_nats": 3.0,
    }


def test_totals_add_up_and_a_record_counts_once() -> None:
    view = RunView(run_id="a")
    record = observation(1, values={"x": math.nan}, errors={"y": "no"}, train_loss=math.inf)
    for _ in range(3):
        view = view.after(record, 0.0)
    view = view.after(observation(2), 0.0)
    shown = numbers(view)
    assert shown["grokwatch_observations_total"] == 2
    assert shown["grokwatch_signal_errors_total"] == 1
    assert shown["grokwatch_non_finite_values_total"] == 2


def test_the_task_is_the_hyper_parameter_where_there_is_one() -> None:
    started = RunStarted(run_id="a", time=0.0, group="bits:30", hyper_parameters={"task": "parity"})
    assert RunView(run_id="a").after(started, 0.0).task == "parity"


def test_the_overhead_is_the_share_of_time_since_the_start() -> None:
    view = RunView(run_id="a").after(STARTED, 0.0)
    for seq in (2, 10):
        view = view.after(observation(seq, cost_seconds=0.5), 0.0)
    assert numbers(view)["grokwatch_overhead_ratio"] == pytest.approx(1.0 / 10.0)


def test_an_overhead_that_the_run_measured_is_shown_instead() -> None:
    view = RunView(run_id="a").after(STARTED, 0.0)
    record = observation(2, cost_seconds=0.5, values={"overhead_ratio": 0.009})
    assert numbers(view.after(record, 0.0))["grokwatch_overhead_ratio"] == 0.009


def test_without_time_passed_there_is_no_overhead_to_show() -> None:
    assert "grokwatch_overhead_ratio" not in numbers(RunView(run_id="a").after(observation(1), 0.0))


def test_two_keys_of_one_name_are_shown_once_and_ours_win() -> None:
    values = {"x.y": 1.0, "x_y": 2.0, "train_loss": 9.0}
    shown = list(RunView(run_id="a").after(observation(1, values=values), 0.0).samples(0.0))
    names = [sample.metric.prometheus for sample in shown]
    assert len(names) == len(set(names))
    assert numbers(RunView(run_id="a").after(observation(1, values=values), 0.0)) == {
        **{sample.metric.prometheus: sample.value for sample in shown},
        "grokwatch_x_y": 1.0,
        "grokwatch_train_loss": 0.5,
    }


def test_a_judgement_is_shown_and_one_that_cannot_tell_shows_its_stage_alone() -> None:
    sure = Assessment(
        run_id="a",
        seq=1,
        step=1,
        time=50.0,
        predictor="p@1",
        stage=Stage.CIRCUIT_FORMATION,
        chances=(
            Chance(horizon_steps=1, probability=0.1),
            Chance(horizon_steps=9, probability=0.8),
        ),
        eta_steps=Interval(low=3, high=None),
    )
    shown = RunView(run_id="a").after(sure, 0.0)
    assert numbers(shown) == {
        "grokwatch_stage": 2.0,
        "grokwatch_probability": 0.8,
        "grokwatch_rise_probability": 0.8,
        "grokwatch_eta_low_steps": 3.0,
    }
    unsure = Assessment(
        run_id="a", seq=2, step=2, time=50.0, predictor="p@1", stage=Stage.FITTING, reason="early"
    )
    assert numbers(shown.after(unsure, 0.0)) == {"grokwatch_stage": 0.0}


def test_an_evaluation_shows_what_it_has() -> None:
    view = RunView(run_id="a")
    view = view.after(Evaluation(run_id="a", seq=1, step=1, time=0.0, test_accuracy=0.5), 0.0)
    assert numbers(view) == {"grokwatch_test_accuracy": 0.5}


@pytest.mark.parametrize(
    ("state", "is_up"),
    [
        (AlertState.FIRING, 1.0),
        (AlertState.CONFIRMED, 1.0),
        (AlertState.EXPIRED, 0.0),
        (AlertState.CLEARED, 0.0),
    ],
)
def test_alerts_count_their_episodes(state: AlertState, is_up: float) -> None:
    alert = Alert(
        run_id="a",
        seq=1,
        id="1",
        code=AlertCode.LIKELY_GROKKING,
        episode=3,
        severity=Severity.INFO,
        state=state,
        step=1,
        time=0.0,
        message="",
    )
    assert numbers(RunView(run_id="a").after(alert, 0.0)) == {
        "grokwatch_alert_firingGRK001": is_up,
        "grokwatch_alerts_totalGRK001": 3.0,
    }


def test_an_end_is_noted_and_a_new_attempt_takes_it_back() -> None:
    ended = RunEnded(run_id="a", seq=2, step=1, time=0.0, status=RunStatus.FINISHED)
    view = RunView(run_id="a").after(STARTED, 0.0).after(ended, 8.0)
    assert view.ended_at == 8.0
    frame = WeightFrame(run_id="a", seq=3, step=1, role="input", shape=(1,), data=b"0000")
    assert view.after(frame, 9.0).ended_at == 8.0
    again = RunStarted(run_id="a", attempt=2, seq=4, time=0.0)
    assert view.after(again, 9.0).ended_at is None


def test_the_stage_is_generalized_where_evaluations_say_so_until_a_collapse_or_a_rewind() -> None:
    def tested(step: int, accuracy: float) -> Evaluation:
        return Evaluation(run_id="a", step=step, time=0.0, test_accuracy=accuracy)

    def stage(view: RunView) -> float:
        return {s.metric.prometheus: s.value for s in view.samples(0.0)}["grokwatch_stage"]

    judged = Assessment(run_id="a", step=1, time=0.0, predictor="p@1", stage=Stage.CLEANUP)
    view = RunView(run_id="a").after(judged, 0.0)
    for step in (100, 110, 120):
        assert stage(view) == stage_number(Stage.CLEANUP)
        view = view.after(tested(step, 0.99), 0.0)
    assert stage(view) == stage_number(Stage.GENERALIZED)
    assert stage(view.after(tested(90, 0.1), 0.0)) == stage_number(Stage.CLEANUP)
    for step in (130, 140, 150):
        view = view.after(tested(step, 0.3), 0.0)
    assert stage(view) == stage_number(Stage.CLEANUP)
