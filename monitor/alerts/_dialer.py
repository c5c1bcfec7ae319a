"""Connections to addresses that were looked at first, all within one deadline.

The host is looked up once per connection, each of its addresses is checked, and the connection goes
to an address that was checked: what the name leads to a moment later does not matter. The name
stays in the Host header and in the TLS handshake.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpcore

from grokwatch.monitor.addresses import Resolver, why_forbidden
from grokwatch.monitor.errors import HookError


class Deadline:
    """An instant after which nothing is waited for any more.

    Args:
        seconds: from now until then.
        clock: seconds that only grow.

    Example:
        >>> Deadline(5.0, clock=lambda: 100.0).left()
        5.0
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds until then.

        Raises:
            httpcore.ReadTimeout: it is over.
        """
        left = self._end - self._clock()
        if left <= 0:
            msg = "out of time"
            raise httpcore.ReadTimeout(msg)
        return left

    def shorten(self, seconds: float) -> None:
        """Let it end in `seconds` from now, if not before."""
        self._end = min(self._end, self._clock() + seconds)


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections for one request.

    Args:
        deadline: of the whole request.
        resolve: gives the addresses of a host.
        is_private_allowed: whether addresses that are not public are fine.
        backend: opens connections to addresses.
    """

    def __init__(
        self,
        deadline: Deadline,
        *,
        resolve: Resolver,
        is_private_allowed: bool,
        backend: httpcore.NetworkBackend,
    ) -> None:
        self._deadline = deadline
        self._resolve = resolve
        self._is_private_allowed = is_private_allowed
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Look up, check, connect; the next address where one does not answer.

        Raises:
            HookError: the host has an address that is forbidden.
            httpcore.ConnectError: it has no address, or none that answers.
        """
        del timeout  # the deadline's is the shorter one
        addresses = self._looked_up(host, port)
        for number, address in enumerate(addresses, start=1):
            share = self._deadline.left() / (len(addresses) - number + 1)
            try:
                stream = self._backend.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
            else:
                return _TimedStream(stream, self._deadline)
        msg = "the host has no address"
        raise httpcore.ConnectError(msg)

    def _looked_up(self, host: str, port: int) -> Sequence[str]:
        """Addresses of a host, all of them fine."""
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            msg = "the host has no address"
            raise httpcore.ConnectError(msg) from error
        for address in addresses:
            kind = why_forbidden(address)
            if kind is not None and not self._is_private_allowed:
                msg = (
                    f"Expected {host} to have public addresses only, got {address}, which is "
                    f"{kind}. Try ',allow=private' if the receiver is yours."
                )
                raise HookError(msg)
        return addresses


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there, or wait for it."""
        del timeout
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of it."""
        del timeout
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: Any,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Shake hands under the host's name."""
        del timeout
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """What the connection knows of itself."""
        return self._stream.get_extra_info(info)
