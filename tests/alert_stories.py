"""What stories of alerts are told with: assessments, evaluations, and a policy that takes them."""

from grokwatch.monitor.alerts import AlertPolicy
from grokwatch.monitor.records import Alert, Assessment, Chance, Concern, Evaluation
from grokwatch.monitor.vocabulary import Stage


def said(
    step: int,
    *chances: Chance,
    run_id: str = "a",
    stage: Stage = Stage.PLATEAU,
    concerns: tuple[Concern, ...] = (),
) -> Assessment:
    """What a predictor says; without chances, that it is too soon."""
    return Assessment(
        run_id=run_id,
        step=step,
        time=50.0,
        predictor="drawn@1",
        stage=stage,
        chances=chances,
        reason=None if chances else "too soon",
        concerns=concerns,
    )


def evaluated(step: int, accuracy: float | None) -> Evaluation:
    return Evaluation(run_id="a", step=step, time=7.0, test_accuracy=accuracy)


def feed(policy: AlertPolicy, *records: Assessment | Evaluation) -> list[Alert]:
    """All that a policy announces on the way."""
    alerts: list[Alert] = []
    for record in records:
        if isinstance(record, Assessment):
            alerts += policy.step(record, 0.0)
        else:
            alerts += policy.confirm(record)
    return alerts
