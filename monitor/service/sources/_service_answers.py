"""What a service is asked over HTTP, and the parts of its answers that are read.

It is not trusted: redirects are not followed, and answers are read up to a size.
"""

import time
from collections.abc import Callable
from typing import Any, Final, final

import httpx
import msgspec

from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import SourceError
from grokwatch.monitor.records import HyperParameter, SignalInfo, SkippedSignal
from grokwatch.monitor.text import in_one_line

TOKEN: Final = "GROKWATCH_TOKEN"

_MOST_BYTES = 64 * 2**20
_SECONDS = 30.0
_SECONDS_IN_ALL = 300.0


class Row(msgspec.Struct, frozen=True):
    """A run as it stands."""

    run_id: str
    name: str
    status: str
    group: str | None = None
    attempt: int = 1
    step: int | None = None
    budget_steps: int | None = None
    started: float = 0.0
    seen: float = 0.0


class Detail(msgspec.Struct, frozen=True):
    """A run, and what its newest start said."""

    run: Row
    hyper_parameters: dict[str, HyperParameter] = {}
    signals: tuple[SignalInfo, ...] = ()
    skipped: tuple[SkippedSignal, ...] = ()
    guesses: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    keys: tuple[str, ...] = ()
    message: str = ""


class Series(msgspec.Struct, frozen=True):
    """Values over steps; text stands for numbers that JSON lacks."""

    steps: tuple[int, ...]
    values: dict[str, tuple[float | str | None, ...]]


class AlertRow(msgspec.Struct, frozen=True):
    """An alert, through the states it was in."""

    id: str
    code: str
    episode: int
    severity: str
    message: str
    spared: bool
    time: float
    states: tuple[tuple[str, int], ...]


class Alerts(msgspec.Struct, frozen=True):
    """Alerts of a run."""

    alerts: tuple[AlertRow, ...]


@final
class Service:
    """Asks one service.

    Args:
        address: of its root.
        token: it wants.
        clock: monotonic seconds; all answers together may take five minutes.
    """

    def __init__(
        self, address: str, token: str | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._address = address
        self._clock = clock
        self._deadline = clock() + _SECONDS_IN_ALL
        # nothing is unpacked: a few bytes of a packed answer may become many
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(headers=headers, timeout=_SECONDS, trust_env=False)

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def ask(self, path: str, kind: type[Any], **params: str | int) -> Any:
        """The answer at a path.

        Args:
            path: below the service's root.
            kind: what it must be.
            **params: of the question.

        Returns:
            The answer, of that kind.

        Raises:
            SourceError: the service does not answer, or refuses.
        """
        content = bytearray()
        try:
            with self._client.stream("GET", f"{self._address}{path}", params=params) as answer:
                for part in answer.iter_raw(65_536):
                    content += part
                    if len(content) > _MOST_BYTES:
                        raise self._refused(f"more than {_MOST_BYTES} bytes")
                    if self._clock() > self._deadline:
                        raise self._refused(f"no end within {_SECONDS_IN_ALL:.0f} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = strip_credentials(str(error)) or type(error).__name__
            raise self._refused(reason) from error
        if answer.status_code != httpx.codes.OK:
            raise self._refused(f"status {answer.status_code}: {bytes(content[:200])!r}")
        try:
            return msgspec.json.decode(bytes(content), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._refused(f"an answer that cannot be read: {error}") from error

    def _refused(self, reason: str) -> SourceError:
        told = in_one_line(reason, 300)
        msg = (
            f"Expected the service at {self._address} to tell of the run, got {told}. "
            f"Try its address and its token in {TOKEN}."
        )
        return SourceError(msg)
