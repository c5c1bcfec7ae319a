"""The service as a sink: records are pushed to `grokwatch serve`, which judges and fires hooks.

Target: `remote:http://host:8420`. The token is read from the variable `GROKWATCH_TOKEN`, or from
the file that `GROKWATCH_TOKEN_FILE` names, when the first record is sent. Assessments, alerts and
weight frames stay in the journal: the service makes its own. While the service is away the records
wait there too; sending one twice changes nothing.
"""

import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, final
from urllib.parse import urlsplit

import msgspec

from grokwatch.monitor import wire
from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import ConfigurationError, SinkError, WireError
from grokwatch.monitor.records import Alert, AnyRecord, Assessment, WeightFrame

if TYPE_CHECKING:
    import httpx

TOKEN = "GROKWATCH_TOKEN"
_MOST_BYTES = 900_000
_TIMEOUT_SECONDS = 10.0


def connect(argument: str) -> "RemoteSink":
    """Make the sink for a service, without contacting it.

    Args:
        argument: what follows `remote:` in a target.

    Returns:
        The sink.

    Raises:
        ConfigurationError: no address of a service.

    Example:
        >>> connect("http://127.0.0.1:8420").live
        False
    """
    parts = urlsplit(argument)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        msg = (
            "Expected the address of a service, without a user, got "
            f"{strip_credentials(argument)!r}. Try 'remote:http://127.0.0.1:8420', and the token "
            f"in {TOKEN}."
        )
        raise ConfigurationError(msg)
    return RemoteSink(argument.rstrip("/"))


@final
class RemoteSink:
    """Pushes records of any number of runs to one service.

    Args:
        address: of the service.
        environment: where its token is; the process's own by default.
    """

    live = False

    def __init__(self, address: str, environment: Mapping[str, str] | None = None) -> None:
        self._address = address
        self._environment = os.environ if environment is None else environment
        self._client: httpx.Client | None = None
        self._sent: dict[str, int] = {}

    def write(self, records: Sequence[AnyRecord], /) -> None:
        """Push the records that the service takes.

        Raises:
            SinkError: it is away, or refuses; what was sent before may be sent again.
        """
        kept = [r for r in records if not isinstance(r, Assessment | Alert | WeightFrame)]
        for run_id, of_run in groupby(kept, key=lambda record: record.run_id):
            for part in _parts(list(of_run)):
                self._push(run_id, part)

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _push(self, run_id: str, records: Sequence[AnyRecord]) -> None:
        answer = self._post(_encoded(records, self._sent.get(run_id)))
        if not answer.is_success:
            msg = (
                f"Expected {self._address} to take records of run {run_id}, got "
                f"{answer.status_code}: {_detail(answer)}. Try again; the journal keeps them."
            )
            raise SinkError(msg)
        self._sent[run_id] = records[-1].seq

    def _post(self, body: bytes) -> "httpx.Response":
        import httpx

        try:
            self._client = self._client or self._connected()
            return self._client.post("/v1/records", content=body)
        except httpx.HTTPError as error:
            msg = (
                f"Expected a service at {self._address}, got {type(error).__name__}: {error}. "
                "Try `grokwatch serve` there; the journal keeps the records."
            )
            raise SinkError(msg) from error

    def _connected(self) -> "httpx.Client":
        import httpx

        headers = {"Content-Type": "application/msgpack", "X-Grokwatch": "1"}
        token = self._token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(
            base_url=self._address, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False
        )

    def _token(self) -> str:
        file = self._environment.get(f"{TOKEN}_FILE")
        try:
            given = self._environment.get(TOKEN) or (Path(file).read_text() if file else "")
        except OSError as error:
            msg = f"Expected a token in {file}, got {error}. Try a file that you can read."
            raise SinkError(msg) from error
        return given.strip()


def _parts(records: list[AnyRecord]) -> list[list[AnyRecord]]:
    """The records in parts that a request may carry, without those that cannot be written."""
    parts: list[list[AnyRecord]] = [[]]
    size = 0
    for record in records:
        try:
            length = len(wire.encode(record))
        except WireError:
            continue  # such a record is in no journal
        if size + length > _MOST_BYTES and parts[-1]:
            parts.append([])
            size = 0
        parts[-1].append(record)
        size += length
    return [part for part in parts if part]


def _encoded(records: Sequence[AnyRecord], after: int | None) -> bytes:
    return msgspec.msgpack.encode({"records": records, "after": after})


def _detail(answer: "httpx.Response") -> str:
    """What the service says of it, at most a line."""
    try:
        told = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        told = answer.text
    return " ".join(str(told).split())[:300]
