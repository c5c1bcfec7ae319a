"""Posting JSON to a receiver that may be down, slow, hostile, or gone.

A status of 2xx is all that is asked for: redirects are not followed, and of the answer's body at
most 64 KiB is read and none is believed or shown.
"""

import re
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpcore

from grokwatch.monitor.addresses import Resolver, system_resolver
from grokwatch.monitor.alerts._destination import Destination
from grokwatch.monitor.alerts._dialer import Deadline, GuardedBackend
from grokwatch.monitor.alerts._quiet import quiet
from grokwatch.monitor.errors import HookError
from grokwatch.monitor.text import in_one_line

TIMEOUT_SECONDS = 20.0
MOST_ANSWER_BYTES = 64 * 1024
_DRAIN_SECONDS = 1.0
_LOGGERS = ("httpcore.connection", "httpcore.http11")
_GONE = 410
_BUSY = (429, 503)
_SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True)
class Network:
    """What posting needs of the world.

    Attributes:
        resolve: gives the addresses of a host.
        backend: opens connections to addresses.
        trust: gives whom to believe who they are; the system's and certifi's by default.
        clock: seconds that only grow.
        now: seconds since the epoch.
    """

    resolve: Resolver = system_resolver
    backend: httpcore.NetworkBackend = field(default_factory=httpcore.SyncBackend)
    trust: Callable[[], ssl.SSLContext] = httpcore.default_ssl_context
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time


def post(
    destination: Destination,
    body: bytes,
    headers: Mapping[str, str],
    *,
    timeout: float = TIMEOUT_SECONDS,
    network: Network,
) -> None:
    """Post JSON, once, on a connection of its own.

    Args:
        destination: where to.
        body: the JSON.
        headers: beside those that JSON needs.
        timeout: seconds for all of it; a look-up of the host that takes longer is waited for.
        network: the world.

    Raises:
        HookError: it was not taken. It carries how long to wait where the receiver said, and
            whether it is gone.
    """
    deadline = Deadline(timeout, network.clock)
    try:
        with quiet(*_LOGGERS):
            status, retry_after = _exchange(destination, body, headers, deadline, network)
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        # Its text may repeat what the receiver said, so the chain of causes ends here.
        reason = _reason(error, timeout)
        msg = f"Expected {destination.shown} to take the alert, got {reason}. It is tried again."
        raise HookError(msg) from None
    if not 200 <= status < 300:
        msg = (
            f"Expected {destination.shown} to take the alert with a status of 2xx, got {status}. "
            f"{_advice(status)}"
        )
        wait = _wait(retry_after, network.now()) if status in _BUSY else None
        raise HookError(msg, retry_after_seconds=wait, is_gone=status == _GONE)


def _exchange(
    destination: Destination,
    body: bytes,
    headers: Mapping[str, str],
    deadline: Deadline,
    network: Network,
) -> tuple[int, str]:
    """Ask, and hear status and `Retry-After`."""
    url = httpcore.URL(
        scheme=destination.scheme,
        host=destination.host,
        port=destination.port,
        target=destination.path,
    )
    backend = GuardedBackend(
        deadline,
        resolve=network.resolve,
        is_private_allowed=destination.is_private_allowed,
        backend=network.backend,
    )
    trust = network.trust() if destination.scheme == "https" else None
    lines = _headers(destination, body, headers)
    with (
        httpcore.HTTPConnection(url.origin, trust, network_backend=backend) as connection,
        connection.stream("POST", url, headers=lines, content=body) as answer,
    ):
        found = {name.lower(): value for name, value in answer.headers}
        deadline.shorten(_DRAIN_SECONDS)
        _drain(answer.iter_stream())
        return answer.status, found.get(b"retry-after", b"").decode("latin-1")


def _headers(
    destination: Destination, body: bytes, more: Mapping[str, str]
) -> list[tuple[str, str]]:
    return [
        ("Host", destination.authority),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("User-Agent", "grokwatch"),
        ("Connection", "close"),
        *more.items(),
    ]


def _drain(parts: Iterable[bytes]) -> None:
    """Let the receiver finish what it says, within reason; the status has said it all."""
    size = 0
    try:
        for part in parts:
            size += len(part)
            if size >= MOST_ANSWER_BYTES:
                return
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        return


def _reason(error: Exception, timeout: float) -> str:
    """Say what went wrong in words of ours, or of the system that could not connect."""
    if isinstance(error, httpcore.TimeoutException):
        return f"no answer within {timeout:g} seconds"
    if isinstance(error, httpcore.ConnectError):
        return f"no connection ({in_one_line(str(error), 200) or 'no reason given'})"
    if isinstance(error, httpcore.ProtocolError):
        return "an answer that is not HTTP, or that breaks off"
    return "a connection that broke off"


def _advice(status: int) -> str:
    if 300 <= status < 400:
        return "Redirects are not followed. Try the address that it leads to."
    if status == _GONE:
        return "Try another target: nothing more is sent to this one."
    if status in _BUSY or status >= 500:
        return "It is tried again."
    return "Try the receiver's log."


def _wait(text: str, now: float) -> float | None:
    """Read `Retry-After`: seconds, or a date; None where it is neither."""
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
