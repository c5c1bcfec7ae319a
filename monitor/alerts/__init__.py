"""Alerts: from assessments to a few announcements, each with one name for ever.

`AlertPolicy` decides, purely; `HookSink` delivers what the journal holds; each module here without
a leading underscore is a hook and has `connect(argument) -> AlertHook`. Targets read
`<module>:<argument>`, as in `log:`.
"""

import pkgutil
from collections import OrderedDict
from collections.abc import Sequence
from importlib import import_module

from grokwatch.monitor.alerts._name import hook_name
from grokwatch.monitor.alerts._policy import AlertPolicy
from grokwatch.monitor.alerts._will_not_grok import DEFAULT_SPARE, is_spared
from grokwatch.monitor.errors import ConfigurationError, HookError, SinkError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.protocols import AlertHook
from grokwatch.monitor.records import Alert, AnyRecord
from grokwatch.monitor.vocabulary import AlertState, Severity

__all__ = ["DEFAULT_SPARE", "AlertPolicy", "HookSink", "connect", "hook_name", "is_spared"]

_MAX_REMEMBERED = 1024


class HookSink:
    """A sink that carries alerts, and nothing else, to one hook.

    Records reach a sink at least once; an alert that was delivered is not delivered again, however
    often it comes. Where the hook fails, what was delivered before it stays so and the rest comes
    again.

    Args:
        hook: who takes the alerts.
        least: quieter alerts are passed over.

    Example:
        >>> from grokwatch.monitor.alerts.log import LogHook
        >>> HookSink(LogHook()).live
        False
    """

    live = False

    def __init__(self, hook: AlertHook, *, least: Severity = Severity.INFO) -> None:
        self._hook = hook
        self._least = list(Severity).index(least)
        self._delivered: OrderedDict[tuple[str, AlertState], None] = OrderedDict()

    def write(self, records: Sequence[AnyRecord], /) -> None:
        """Deliver the alerts among the records.

        Raises:
            SinkError: the hook could not deliver one; it and those after it should come again.
        """
        for record in records:
            if isinstance(record, Alert) and self._is_due(record):
                self._deliver(record)

    def close(self) -> None:
        """Let go of nothing; a hook opens what it needs for each alert."""

    def _is_due(self, alert: Alert) -> bool:
        """Whether the alert is loud enough and new."""
        loud = list(Severity).index(alert.severity) >= self._least
        return loud and (alert.id, alert.state) not in self._delivered

    def _deliver(self, alert: Alert) -> None:
        """Fire, then remember."""
        try:
            self._hook.fire(Notice(alert=alert))
        except HookError as error:
            msg = f"Alert {alert.id} was not delivered: {error}"
            raise SinkError(msg) from error
        self._delivered[alert.id, alert.state] = None
        if len(self._delivered) > _MAX_REMEMBERED:
            self._delivered.popitem(last=False)


def connect(target: str) -> AlertHook:
    """Make the hook that a target names.

    Args:
        target: `<module>:<argument>`.

    Returns:
        The hook.

    Raises:
        ConfigurationError: no module of that name, an argument that it does not take, or a library
            that it needs and that is not installed.

    Example:
        >>> type(connect("log:")).__name__
        'LogHook'
    """
    name, _, argument = target.partition(":")
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    known = sorted(module for module in modules if not module.startswith("_"))
    if name not in known:
        msg = f"Expected an alert hook among {', '.join(known)}, got {name!r}. Try 'log:'."
        raise ConfigurationError(msg)
    try:
        hook: AlertHook = import_module(f"{__name__}.{name}").connect(argument)
    except ModuleNotFoundError as error:
        msg = (
            f"Expected the libraries that {name!r} needs, got no {error.name!r}. "
            "Try: pip install 'grokwatch[service]'"
        )
        raise ConfigurationError(msg) from error
    return hook
