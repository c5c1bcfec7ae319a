"""A notice: an alert with what a person or program needs to act on it, as hooks carry it.

The same notice is what a command reads on stdin, what a webhook receives, and what texts are
written from.
"""

import datetime

import msgspec

from grokwatch.monitor.records import Alert, Chance, Interval


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that spoke in the assessment behind an alert.

    `contribution` is for (> 0) or against (< 0) grokking; `since_step` is the first step from which
    on it spoke that way without a break, None where that is not known.
    """

    signal: str
    contribution: float
    since_step: int | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, the run's display name, the signals that moved, and where to look.

    `links` maps what is there (`run`: the run's page, `mlflow`: the run in MLflow) to its address.
    """

    alert: Alert
    name: str = ""
    moved: tuple[Moved, ...] = ()
    links: dict[str, str] = {}

    @property
    def id(self) -> str:
        """Names this message for ever: the alert's id and its state."""
        return f"{self.alert.id}-{self.alert.state.value}"


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of an alert."""

    alert_id: str
    code: str
    state: str
    severity: str
    episode: int
    run_id: str
    name: str
    attempt: int
    step: int
    message: str
    spared: bool
    stage: str | None
    predictor: str | None
    probability: float | None
    rise_probability: float | None
    chances: tuple[Chance, ...]
    rising: tuple[Chance, ...]
    eta_steps: Interval | None
    moved: tuple[Moved, ...]
    links: dict[str, str]


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a message: `type`, `timestamp` and `data`, as Standard Webhooks recommends."""

    type: str
    timestamp: str
    data: _Data


def payload(notice: Notice) -> bytes:
    """Write a notice as the JSON that programs receive.

    Args:
        notice: what to tell.

    Returns:
        One JSON object in UTF-8: `type` is `alert.<state>`, `timestamp` the alert's time in RFC
        3339, `data` the alert, its assessment, evidence and links.

    Example:
        >>> from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity
        >>> alert = Alert(run_id="a", id="1f", code=AlertCode.COLLAPSE, episode=1, step=9, time=0.0,
        ...     severity=Severity.CRITICAL, state=AlertState.FIRING, message="a: collapsing")
        >>> payload(Notice(alert=alert))[:62]
        b'{"type":"alert.firing","timestamp":"1970-01-01T00:00:00+00:00"'
    """
    alert, judged = notice.alert, notice.alert.assessment
    data = _Data(
        alert_id=alert.id,
        code=alert.code.value,
        state=alert.state.value,
        severity=alert.severity.value,
        episode=alert.episode,
        run_id=alert.run_id,
        name=notice.name,
        attempt=alert.attempt,
        step=alert.step,
        message=alert.message,
        spared=alert.spared,
        stage=judged.stage.value if judged else None,
        predictor=judged.predictor if judged else None,
        probability=judged.probability if judged else None,
        rise_probability=judged.rise_probability if judged else None,
        chances=judged.chances if judged else (),
        rising=judged.rising if judged else (),
        eta_steps=judged.eta_steps if judged else None,
        moved=notice.moved,
        links=notice.links,
    )
    body = _Payload(type=f"alert.{alert.state.value}", timestamp=_instant(alert.time), data=data)
    return msgspec.json.encode(body)


def _instant(seconds: float) -> str:
    """RFC 3339 of a trainer's clock, which may say anything: the epoch where it says nonsense."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return datetime.datetime.fromtimestamp(0, datetime.UTC).isoformat()
