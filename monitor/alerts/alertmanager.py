"""The Alertmanager hook: posts alerts to a Prometheus Alertmanager, which routes them further.

Target: `alertmanager:http://alertmanager:9093,allow=private`, or `alertmanager:env:NAME`. An
Alertmanager keeps no alerts: one that is on has to be posted again before it ends by itself, so
`repeat_seconds` is set, and one that ended is posted as resolved for a while.

What comes from runs is made inert: no markup, no template, no control character.
"""

import datetime
import re
from collections.abc import Mapping

import msgspec

from grokwatch.monitor.alerts._change import LOUDNESS
from grokwatch.monitor.alerts._destination import Destination
from grokwatch.monitor.alerts._options import address_of, is_private_allowed, split_options
from grokwatch.monitor.alerts._post import Network, post
from grokwatch.monitor.alerts._text import eta, text
from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.text import inert
from grokwatch.monitor.vocabulary import AlertCode, AlertState

_REPEAT_SECONDS = 60.0
_PATH = "/api/v2/alerts"
_OPTIONS = ("allow",)
_MOST_ANNOTATION_BYTES = 2000
_NAMES = {
    AlertCode.LIKELY_GROKKING: "LikelyGrokking",
    AlertCode.WILL_NOT_GROK: "UnlikelyGrokking",
    AlertCode.COLLAPSE: "GeneralizationCollapsing",
    AlertCode.NUMERICALLY_STUCK: "NumericallyStuck",
}
_LINK = re.compile(r"https?://[A-Za-z0-9._~:\[\]-]+(/[A-Za-z0-9._~:/?#&=+,;@%-]{0,1000})?")


class AlertmanagerHook:
    """Posts notices to one Alertmanager.

    Args:
        destination: its `/api/v2/alerts`.
        network: what posting needs of the world.
    """

    repeat_seconds: float | None = _REPEAT_SECONDS

    def __init__(self, destination: Destination, *, network: Network | None = None) -> None:
        self._destination = destination
        self._network = network or Network()

    def fire(self, notice: Notice, /) -> None:
        """Post the alert as it is now.

        Raises:
            HookError: it was not taken.
        """
        body = msgspec.json.encode([_entry(notice, self._network.now())])
        post(self._destination, body, {}, network=self._network)


def connect(
    argument: str,
    *,
    environment: Mapping[str, str] | None = None,
    network: Network | None = None,
) -> AlertmanagerHook:
    """Make the hook, without contacting the Alertmanager.

    Args:
        argument: what follows `alertmanager:` in a target.
        environment: variables to read; the process's own by default.
        network: what posting needs of the world.

    Returns:
        The hook.

    Raises:
        ConfigurationError: an address or an option that cannot be used.

    Example:
        >>> connect("http://alertmanager:9093,allow=private").repeat_seconds
        60.0
    """
    head, options = split_options(argument, _OPTIONS)
    destination = Destination.parse(
        address_of(head, environment).rstrip("/") + _PATH,
        is_private_allowed=is_private_allowed(options),
        is_plain_allowed=True,
    )
    return AlertmanagerHook(destination, network=network)


def _entry(notice: Notice, now: float) -> dict[str, object]:
    """One alert as Alertmanager's API has it."""
    alert = notice.alert
    is_on = alert.state is AlertState.FIRING
    # Labels are what Alertmanager knows an alert by: they must not change when it ends, so its
    # severity is that of its code.
    labels = {
        "alertname": _NAMES[alert.code],
        "code": alert.code.value,
        "severity": LOUDNESS[alert.code].value,
        "run": inert(alert.run_id),
    }
    entry: dict[str, object] = {
        "labels": labels,
        "annotations": _annotations(notice),
        "startsAt": _instant(_start(alert.time, now)),
        "endsAt": _instant(now + 3 * _REPEAT_SECONDS if is_on else now),
    }
    link = strip_credentials(notice.links.get("run") or notice.links.get("mlflow") or "")
    return entry | ({"generatorURL": link} if _LINK.fullmatch(link) else {})


def _annotations(notice: Notice) -> dict[str, str]:
    judged = notice.alert.assessment
    told = {
        "summary": notice.alert.message,
        "description": text(notice).replace("\n", " "),
        "name": notice.name,
        "state": notice.alert.state.value,
    }
    if judged is not None and judged.probability is not None:
        told["probability"] = f"{judged.probability:.2g}"
    if judged is not None and judged.rise_probability is not None:
        told["rise_probability"] = f"{judged.rise_probability:.2g}"
    if judged is not None and judged.eta_steps is not None:
        told["eta"] = eta(judged.eta_steps)
    return {key: inert(value, _MOST_ANNOTATION_BYTES) for key, value in told.items() if value}


def _start(seconds: float, now: float) -> float:
    """When an alert began, by a trainer's clock that may say anything: at the latest now."""
    return seconds if 0 <= seconds <= now else now


def _instant(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
