"""One POST to a service that may be down, slow or hostile, within one limit for all of it.

A connection of its own carries it, by no proxy. Redirects are not followed, and of the answer's
body no more is read than is asked for.
"""

import contextlib
import http.client
import io
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast, final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_ANSWER_BYTES = 64 * 1024
_NO_ANSWER = (OSError, http.client.HTTPException, ValueError)


class NoAnswerError(Exception):
    """Nobody answered, or not in HTTP, or not in time; its text says which, in words of ours."""


class Answer(NamedTuple):
    """What came back; `body` is its beginning where it is long."""

    status: int
    body: bytes
    retry_after: str


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long all of one POST may take.

    Attributes:
        seconds: from its beginning to the end of the answer.
        clock: seconds that only grow.
    """

    seconds: float = 10.0
    clock: Callable[[], float] = time.monotonic


def post(address: str, body: bytes, headers: Mapping[str, str], patience: Patience) -> Answer:
    """Send bytes, and hear what is said to them.

    Args:
        address: where to.
        body: the bytes.
        headers: beside those that HTTP needs.
        patience: how long to wait for all of it.

    Returns:
        The answer, whatever its status.

    Raises:
        NoAnswerError: there was none.
    """
    end = patience.clock() + patience.seconds
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=patience.seconds)
    try:
        return _exchange(connection, parts.path, body, headers, end, patience.clock)
    except TimeoutError:
        msg = f"no answer within {patience.seconds:g} seconds"
        raise NoAnswerError(msg) from None
    except _NO_ANSWER as error:
        # Texts of HTTP's errors repeat what was said, and what we sent: only the system's are told.
        is_systems = isinstance(error, OSError) and error.strerror
        reason = error.strerror if is_systems and isinstance(error, OSError) else "no HTTP"
        msg = f"{type(error).__name__} ({reason})"
        raise NoAnswerError(msg) from None
    finally:
        connection.close()


def _exchange(
    connection: http.client.HTTPConnection,
    path: str,
    body: bytes,
    headers: Mapping[str, str],
    end: float,
    clock: Callable[[], float],
) -> Answer:
    connection.connect()
    connection.sock.settimeout(max(0.001, end - clock()))
    # Who refuses a body may hang up before all of it was sent, and have said why.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", path, body, {**headers, "Connection": "close"})
    heard = cast("socket.socket", _Heard(connection.sock, end, clock))
    answer = http.client.HTTPResponse(heard, method="POST")
    try:
        answer.begin()
        content = answer.read(MOST_ANSWER_BYTES)
        return Answer(answer.status, content, answer.getheader("Retry-After", ""))
    finally:
        answer.close()


@final
class _Heard:
    """A connection as `http.client` reads from it."""

    def __init__(self, connection: socket.socket, end: float, clock: Callable[[], float]) -> None:
        self._stream = _Stream(connection, end, clock)

    def makefile(self, mode: str) -> io.BufferedReader:
        """Read from it; it is only read from."""
        del mode
        return io.BufferedReader(self._stream)


@final
class _Stream(io.RawIOBase):
    """What a connection says until an end, however little at a time."""

    def __init__(self, connection: socket.socket, end: float, clock: Callable[[], float]) -> None:
        self._connection = connection
        self._end = end
        self._clock = clock

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read some bytes, or raise `TimeoutError` when the time is over."""
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)
