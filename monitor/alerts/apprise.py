"""The Apprise hook: Slack, Discord, Teams, Telegram, e-mail and about a hundred more.

Target: `apprise:env:NAME`, or `apprise:URL` with an address as Apprise writes it. These addresses
are secrets as a whole; nothing of them is shown but the scheme. Apprise connects by itself: the
addresses it goes to are not checked, and proxies of the environment are used.
"""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from grokwatch.monitor.alerts._options import address_of
from grokwatch.monitor.alerts._quiet import quiet
from grokwatch.monitor.alerts._text import text, title
from grokwatch.monitor.errors import ConfigurationError, HookError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.text import in_one_line
from grokwatch.monitor.vocabulary import AlertState, Severity

if TYPE_CHECKING:
    from apprise import Apprise

_LOGGERS = ("apprise", "urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")
_TYPES = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


class AppriseHook:
    """Tells people through one service.

    Args:
        service: where to, with its credentials.
        name: of the service, for messages.
    """

    repeat_seconds: float | None = None

    def __init__(self, service: "Apprise", name: str) -> None:
        self._service = service
        self._name = name

    def fire(self, notice: Notice, /) -> None:
        """Send title and text, as plain text.

        Raises:
            HookError: the service did not take it.
        """
        is_good = notice.alert.state is AlertState.CONFIRMED
        kind = "success" if is_good else _TYPES[notice.alert.severity]
        try:
            with quiet(*_LOGGERS):
                is_taken = self._service.notify(
                    title=_unmentioned(title(notice)),
                    body=_unmentioned(text(notice)),
                    notify_type=kind,
                    body_format="text",
                )
        except Exception as error:
            # Its text may hold the address, which is the secret.
            msg = (
                f"Expected {self._name} to take the alert, got {type(error).__name__} "
                "within Apprise. It is tried again."
            )
            raise HookError(msg) from None
        if not is_taken:
            msg = (
                f"Expected {self._name} to take the alert, got a refusal or no answer. "
                "It is tried again; try the address with the command 'apprise -vv'."
            )
            raise HookError(msg)


def connect(argument: str, *, environment: Mapping[str, str] | None = None) -> AppriseHook:
    """Make the hook, without contacting the service.

    Args:
        argument: `env:NAME`, or an address as Apprise writes it.
        environment: variables to read; the process's own by default.

    Returns:
        The hook.

    Raises:
        ConfigurationError: no address that Apprise knows.

    Example:
        >>> type(connect("json://127.0.0.1:8000/alerts")).__name__
        'AppriseHook'
    """
    address = address_of(argument, environment)
    service = _service()
    with quiet(*_LOGGERS), warnings.catch_warnings():
        # It loads all of its services here, some of which use what Python is about to drop.
        warnings.simplefilter("ignore", DeprecationWarning)
        is_known = bool(address) and service.add(address)
    scheme = in_one_line(address.partition("://")[0], 30) if "://" in address else "apprise"
    if not is_known:
        msg = (
            "Expected an address that Apprise knows, got another. Try 'apprise:env:NAME' with "
            "one of https://github.com/caronc/apprise#supported-notifications in NAME."
        )
        raise ConfigurationError(msg)
    return AppriseHook(service, f"{scheme}://")


def _service() -> "Apprise":
    # Imported here, for it is slow: only who uses it pays.
    from apprise import Apprise, AppriseAsset

    # Redirects lead anywhere, and threads of its own would outlive a message.
    asset = AppriseAsset(async_mode=False, http_redirects=False, storage_mode="memory")
    return Apprise(asset=asset)


def _unmentioned(words: str) -> str:
    """Keep names of runs from calling everybody in a chat."""
    return words.replace("@", "@\N{ZERO WIDTH SPACE}")
