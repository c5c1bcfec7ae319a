"""The log hook: one line per alert through `logging`, beside the program's own lines.

Names come from outside, so whatever would break, move or colour a line is escaped.
"""

import logging
import re

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.vocabulary import Severity

_LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.CRITICAL,
}
_LOGGER_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")


class LogHook:
    """Writes alerts to a logger, at a level by severity.

    Args:
        logger: where to; this module's own by default.
    """

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(__name__)

    repeat_seconds: float | None = None

    def fire(self, notice: Notice, /) -> None:
        """Write one line: code, state, message, and the alert's name."""
        alert = notice.alert
        line = f"{alert.code.value} {alert.state.value}: {alert.message} [alert {alert.id}]"
        self._logger.log(_LEVELS[alert.severity], "%s", one_line(line))


def one_line(text: str) -> str:
    r"""Escape what is not printable: line ends, control and direction characters, lone surrogates.

    Example:
        >>> one_line("run\n\x1b[31m")
        'run\\n\\x1b[31m'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def connect(argument: str) -> LogHook:
    """Make the hook.

    Args:
        argument: name of a logger, or nothing for this module's own.

    Returns:
        The hook.

    Raises:
        ConfigurationError: the argument is no logger's name.
    """
    if not argument:
        return LogHook()
    if _LOGGER_NAME.fullmatch(argument) is None:
        msg = f"Expected a logger's name such as 'training.alerts', got {argument!r}. Try 'log:'."
        raise ConfigurationError(msg)
    return LogHook(logging.getLogger(argument))
