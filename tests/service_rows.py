"""Rows that stand-ins of the store show: a run's, made of its records, and an alert's."""

from collections.abc import Sequence

from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import (
    AnyRecord,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
)
from grokwatch.monitor.service.ports import PUSHED
from grokwatch.monitor.service.views import AlertRow, Delivery, RunRow

HOOK = "webhook:https://receiver.test/hook"


def run_row(
    start: RunStarted, records: Sequence[AnyRecord], *, revision: int, alerts: tuple[str, ...]
) -> RunRow:
    """The row of a run that has these records, in order."""
    seen = [record for record in records if isinstance(record, Observation)]
    ends = [record for record in records if isinstance(record, RunEnded)]
    tests = [record for record in records if isinstance(record, Evaluation)]
    last = seen[-1] if seen else None
    return RunRow(
        run_id=start.run_id,
        name=start.name,
        source=PUSHED,
        group=start.group,
        attempt=start.attempt,
        status=ends[-1].status.value if ends else "running",
        stage="plateau" if last else None,
        probability=0.25 if last else None,
        rise_probability=None,
        eta_low=None,
        eta_high=None,
        reason=None,
        step=last.step if last else None,
        train_loss=last.train_loss if last else None,
        train_accuracy=last.train_accuracy if last else None,
        test_accuracy=tests[-1].test_accuracy if tests else None,
        budget_steps=start.budget_steps,
        started=0.0,
        seen=100.0,
        num_observations=len(seen),
        num_late=0,
        revision=revision,
        alerts=alerts,
    )


def alert_row(notice: Notice) -> AlertRow:
    """The row of an alert that went to one hook."""
    alert = notice.alert
    sent = Delivery(
        id=1,
        hook=HOOK,
        state=alert.state.value,
        status="delivered",
        attempts=1,
        due=0.0,
        error=None,
        delivered=1.0,
    )
    return AlertRow(
        id=alert.id,
        run_id=alert.run_id,
        name=notice.name,
        code=alert.code.value,
        episode=alert.episode,
        severity=alert.severity.value,
        state=alert.state.value,
        step=alert.step,
        time=alert.time,
        message=alert.message,
        spared=alert.spared,
        probability=None,
        states=((alert.state.value, alert.step),),
        deliveries=(sent,),
    )


def values_of(seen: Observation) -> dict[str, float]:
    """Its values, the loss and the accuracy among them."""
    known = {"train_loss": seen.train_loss, "train_accuracy": seen.train_accuracy}
    return {**{key: value for key, value in known.items() if value is not None}, **seen.values}
