"""What a rule changed in its code's episodes, and the alert that says so."""

from typing import NamedTuple

from grokwatch.monitor.alerts._episodes import Episode
from grokwatch.monitor.records import Alert, Assessment, Evaluation, alert_id
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity

LOUDNESS = {
    AlertCode.LIKELY_GROKKING: Severity.WARNING,
    AlertCode.WILL_NOT_GROK: Severity.WARNING,
    AlertCode.COLLAPSE: Severity.CRITICAL,
    AlertCode.NUMERICALLY_STUCK: Severity.WARNING,
}
"""How loudly each code begins."""


class Change(NamedTuple):
    """An episode that began or ended, told in a sentence."""

    episode: Episode
    message: str


def alert_of(
    code: AlertCode,
    change: Change,
    record: Assessment | Evaluation,
    time: float,
    *,
    spared: bool,
) -> Alert:
    """Make the alert that announces a change.

    Args:
        code: whose episode it is.
        change: what changed.
        record: what changed it; an assessment is kept in the alert.
        time: of the record, in seconds since the epoch.
        spared: whether who stops runs should let this one go on.

    Returns:
        The alert; what ends is told quietly, what begins as loudly as its code.
    """
    episode = change.episode
    is_firing = episode.state is AlertState.FIRING
    return Alert(
        run_id=record.run_id,
        attempt=record.attempt,
        id=alert_id(record.run_id, code, episode.number),
        code=code,
        episode=episode.number,
        severity=LOUDNESS[code] if is_firing else Severity.INFO,
        state=episode.state,
        step=record.step,
        time=time,
        message=f"{record.run_id}: {change.message}",
        assessment=record if isinstance(record, Assessment) else None,
        spared=spared,
    )
