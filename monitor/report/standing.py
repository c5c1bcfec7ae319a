"""How a run stands at its last record: what its verdict is read off."""

from collections.abc import Sequence
from dataclasses import dataclass

from grokwatch.monitor.records import Alert, AnyRecord, RunEnded
from grokwatch.monitor.report.verdict import RUNNING
from grokwatch.monitor.story import Story
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Stage


@dataclass(frozen=True, kw_only=True)
class RunStanding:
    """A run as it stands; None where nothing is known.

    Attributes:
        status: `running` where no end was recorded, else how the newest attempt ended.
        message: what it ended with.
        step: last step that anything was measured at.
        stage: as judged last; `generalized` where evaluations say so.
        rise_probability: as judged last.
        reason: why the predictor cannot tell.
        alerts: codes that fire, and GRK002 where the budget ended as it said.
    """

    status: str
    message: str
    step: int | None
    stage: str | None
    rise_probability: float | None
    reason: str | None
    alerts: tuple[str, ...]


def standing(records: Sequence[AnyRecord], story: Story) -> RunStanding:
    """Read off how a run stands.

    Args:
        records: of the run as it stands, in order.
        story: of the same.

    Returns:
        The standing.
    """
    last = story.assessments[-1] if story.assessments else None
    newest = max((record.attempt for record in records), default=1)
    ends = [r for r in records if isinstance(r, RunEnded) and r.attempt == newest]
    states = {alert.id: alert for alert in story.alerts}
    firing = [alert.code.value for alert in states.values() if _holds(alert)]
    return RunStanding(
        status=ends[-1].status.value if ends else RUNNING,
        message=ends[-1].message if ends else "",
        step=story.last_step if story.observations or story.evaluations else None,
        stage=Stage.GENERALIZED.value if _has_generalized(story) else _stage(story),
        rise_probability=last.rise_probability if last else None,
        reason=last.reason if last else None,
        alerts=tuple(dict.fromkeys(firing)),
    )


def _stage(story: Story) -> str | None:
    return story.assessments[-1].stage.value if story.assessments else None


def _has_generalized(story: Story) -> bool:
    outcome = story.outcome
    return outcome.grokking_step is not None and (outcome.relapse or not outcome.collapse)


def _holds(alert: Alert) -> bool:
    """Whether what an alert says still is so: it fires, or its budget ended as it said."""
    has_come = alert.code is AlertCode.WILL_NOT_GROK and alert.state is AlertState.CONFIRMED
    return alert.state is AlertState.FIRING or has_come
