"""Records of runs as an MLflow sink is given them, and the run that they become."""

from mlflow import MlflowClient
from mlflow.entities import Run
from msgspec.structs import replace

from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Chance,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
    alert_id,
)
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity, Stage

TIME = 1_800_000_000.0


def observations(run_id: str, count: int, *, values: int = 3) -> list[AnyRecord]:
    return [
        Observation(
            run_id=run_id,
            seq=number + 2,
            step=10 * number,
            time=TIME + number,
            train_loss=1.0 / (number + 1),
            values={f"signal_{n}@embedding": n + number / 7 for n in range(values)},
        )
        for number in range(count)
    ]


def started(run_id: str, **fields: object) -> RunStarted:
    return RunStarted(run_id=run_id, time=TIME, name="mod 67", **fields)  # type: ignore[arg-type]


def assessed(run_id: str, step: int) -> Assessment:
    chances = (Chance(horizon_steps=100, probability=0.75),)
    return Assessment(
        run_id=run_id,
        step=step,
        time=TIME + step / 10,
        predictor="p@1",
        stage=Stage.PLATEAU,
        chances=chances,
    )


def ended(run_id: str, status: RunStatus = RunStatus.FINISHED) -> RunEnded:
    return RunEnded(run_id=run_id, step=9, time=TIME + 99, status=status)


def only_run(client: MlflowClient, experiment: str) -> Run:
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    (run,) = client.search_runs([found.experiment_id])
    return run


def learned(run_id: str) -> list[AnyRecord]:
    """A run that memorized at step 20 and generalised from step 200 on, warned at step 120."""
    records: list[AnyRecord] = [started(run_id, guesses=("the group is a guess",))]
    for number in range(30):
        step, time_ = 10 * number, TIME + number
        accuracies = (1.0 if step >= 20 else 0.5, 0.99 if step >= 200 else 0.1)
        records += [
            Observation(
                run_id=run_id, step=step, time=time_, train_loss=0.5, train_accuracy=accuracies[0]
            ),
            Evaluation(run_id=run_id, step=step, time=time_, test_accuracy=accuracies[1]),
        ]
        records += [assessed(run_id, step)] if number % 5 == 0 else []
        records += [warned(run_id, step)] if step == 120 else []
    records.append(ended(run_id))
    return [replace(record, seq=seq) for seq, record in enumerate(records, 1)]


def warned(run_id: str, step: int) -> Alert:
    return Alert(
        run_id=run_id,
        id=alert_id(run_id, AlertCode.LIKELY_GROKKING, 1),
        code=AlertCode.LIKELY_GROKKING,
        episode=1,
        severity=Severity.INFO,
        state=AlertState.FIRING,
        step=step,
        time=TIME + step / 10,
        message="likely to generalise",
    )
