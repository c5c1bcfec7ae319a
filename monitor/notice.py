"""A notice: an alert with what a person or program needs to act on it, as hooks carry it.

The same notice is what a command reads on stdin, what a webhook receives, and what texts are
written from.
"""

import datetime
import re
from typing import Any

import msgspec

from grokwatch.monitor.records import Alert, Chance, Interval

_LONGEST = (2000, 500, 100, 20)
_FEW = 8
_HALF = re.compile("[\ud800-\udfff]")


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


def payload(notice: Notice, *, most_bytes: int | None = None) -> bytes:
    """Write a notice as the JSON that programs receive.

    Args:
        notice: what to tell.
        most_bytes: bytes that it may have, at least 10,000; long texts and lists are cut for it,
            and links that are too long are left out.

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
    whole = _written(_body(notice))
    if most_bytes is None or len(whole) <= most_bytes:
        return whole
    shorter = (_written(_body(_cut(notice, longest))) for longest in _LONGEST)
    return next(body for body in shorter if len(body) <= most_bytes)


def _body(notice: Notice) -> _Payload:
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
    return _Payload(type=f"alert.{alert.state.value}", timestamp=_instant(alert.time), data=data)


def _written(body: object) -> bytes:
    """JSON in UTF-8; half a surrogate pair, which UTF-8 does not have, becomes U+FFFD."""
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:
        return msgspec.json.encode(_whole(msgspec.to_builtins(body)))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list | tuple):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return value


def _cut(notice: Notice, longest: int) -> Notice:
    """Shorten texts to `longest` characters, and keep a few of what there are many."""
    alert, judged = notice.alert, notice.alert.assessment
    if judged is not None:
        judged = msgspec.structs.replace(
            judged,
            predictor=judged.predictor[:longest],
            chances=judged.chances[:_FEW],
            rising=judged.rising[:_FEW],
        )
    loudest = sorted(notice.moved, key=lambda each: -abs(each.contribution))[:_FEW]
    links = [(what[:longest], where) for what, where in notice.links.items()]
    return Notice(
        alert=msgspec.structs.replace(
            alert,
            run_id=alert.run_id[:longest],
            message=alert.message[:longest],
            assessment=judged,
        ),
        name=notice.name[:longest],
        moved=tuple(msgspec.structs.replace(m, signal=m.signal[:longest]) for m in loudest),
        links=dict([link for link in links if len(link[1]) <= longest][:_FEW]),
    )


def _instant(seconds: float) -> str:
    """RFC 3339 of a trainer's clock, which may say anything: the epoch where it says nonsense."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return datetime.datetime.fromtimestamp(0, datetime.UTC).isoformat()
