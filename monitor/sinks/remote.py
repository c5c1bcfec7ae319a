"""The service as a sink: records are pushed to `grokwatch serve`, which judges and fires hooks.

Target: `remote:http://host:8420`. The token is read from the variable `GROKWATCH_TOKEN`, or from
the file that `GROKWATCH_TOKEN_FILE` names, whenever records are sent. Assessments, alerts and
weight frames stay in the journal: the service makes its own. While the service is away the records
wait there too; sending one twice changes nothing.
"""

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TypeVar, final
from urllib.parse import urlsplit

import msgspec

from grokwatch.monitor import wire
from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.errors import ConfigurationError, SinkError, WireError
from grokwatch.monitor.records import Alert, AnyRecord, Assessment, WeightFrame
from grokwatch.monitor.secrets import optional_secret
from grokwatch.monitor.sinks.posting import Answer, NoAnswerError, Patience, post
from grokwatch.monitor.text import in_one_line

TOKEN = "GROKWATCH_TOKEN"
MOST_REMEMBERED = 1024
"""Runs whose last record that was sent is remembered."""

_MOST_BYTES = 900_000
_MOST_RECORDS = 10_000
_PATIENCE = Patience()
_HEADERS = {"Content-Type": "application/msgpack", "X-Grokwatch": "1"}
_TRY_TOKEN = f"Try the service's own token in {TOKEN} or {TOKEN}_FILE; the journal keeps them."
_REMEDIES = {
    401: _TRY_TOKEN,
    403: _TRY_TOKEN,
    409: "Try another run_id, or end the other writer; the journal keeps them.",
    413: "Try fewer values in a record; the journal keeps them.",
}
_REDIRECTED = "Redirects are not followed. Try the address that it leads to."
_AGAIN = "Try again; the journal keeps them."
AnswerT = TypeVar("AnswerT")


class _Encoded(msgspec.Struct, frozen=True):
    """A record as bytes."""

    seq: int
    payload: bytes


class _Receipt(msgspec.Struct, frozen=True):
    """As much of the service's receipt as tells it from the answer of somebody else."""

    stored: int
    duplicates: int


class _Problem(msgspec.Struct, frozen=True):
    """What the service says where it refuses."""

    detail: str


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
    if not _is_service(argument):
        msg = (
            "Expected the address of a service, without a user, got "
            f"{strip_credentials(argument)!r}. Try 'remote:http://127.0.0.1:8420', and the token "
            f"in {TOKEN}."
        )
        raise ConfigurationError(msg)
    return RemoteSink(argument.rstrip("/"))


def _is_service(address: str) -> bool:
    """Whether something could be served there."""
    try:
        parts = urlsplit(address)
        is_there = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an IPv6 address
        return False
    is_plain = not parts.query and not parts.fragment and address.isascii() and " " not in address
    return is_there and is_plain and "@" not in address and address.isprintable()


@final
class RemoteSink:
    """Pushes records of any number of runs to one service.

    Args:
        address: of the service.
        environment: where its token is; the process's own by default.
        patience: how long one push may take.
    """

    live = False

    def __init__(
        self,
        address: str,
        environment: Mapping[str, str] | None = None,
        *,
        patience: Patience = _PATIENCE,
    ) -> None:
        self._address = address
        self._environment = os.environ if environment is None else environment
        self._patience = patience
        self._sent: OrderedDict[str, int] = OrderedDict()

    def write(self, records: Sequence[AnyRecord], /) -> None:
        """Push the records that the service takes.

        Raises:
            SinkError: it is away, or refuses; what was sent before may be sent again.
        """
        kept = [r for r in records if not isinstance(r, Assessment | Alert | WeightFrame)]
        for run_id, of_run in groupby(kept, key=lambda record: record.run_id):
            for part in _parts(of_run):
                self._push(run_id, part)

    def close(self) -> None:
        """Let go of nothing: each push has a connection of its own."""

    def _push(self, run_id: str, part: Sequence[_Encoded]) -> None:
        before = self._sent.get(run_id)
        # Records that come again were sent before: what stood before them is not known any more.
        after = before if before is not None and before < part[0].seq else None
        self._send(run_id, _body(part, after))
        self._sent[run_id] = part[-1].seq
        self._sent.move_to_end(run_id)
        if len(self._sent) > MOST_REMEMBERED:
            self._sent.popitem(last=False)

    def _send(self, run_id: str, body: bytes) -> None:
        token = self._token()
        headers = {**_HEADERS, "Authorization": f"Bearer {token}"} if token else _HEADERS
        try:
            answer = post(f"{self._address}/v1/records", body, headers, self._patience)
        except NoAnswerError as error:
            msg = (
                f"Expected a service at {self._address}, got {error}. "
                "Try `grokwatch serve` there; the journal keeps the records."
            )
            raise SinkError(msg) from None
        problem = _problem(answer)
        if problem is not None:
            told = problem.replace(token, "(token)") if token else problem
            msg = (
                f"Expected {self._address} to take records of run {in_one_line(run_id, 140)}, got "
                f"{answer.status}: {told}. {_remedy(answer.status)}"
            )
            raise SinkError(msg)

    def _token(self) -> str:
        try:
            token = optional_secret(TOKEN, self._environment) or ""
        except ConfigurationError as error:
            raise SinkError(str(error)) from error
        if not all("!" <= character <= "~" for character in token):
            msg = (
                f"Expected a token of ASCII letters and digits in {TOKEN}, got one with other "
                "characters. Try one line, as 'openssl rand -hex 32' prints it."
            )
            raise SinkError(msg)
        return token


def _parts(records: Iterable[AnyRecord]) -> Iterator[list[_Encoded]]:
    """The records in parts that a request may carry, without those that cannot be written."""
    part: list[_Encoded] = []
    size = 0
    for record in records:
        try:
            encoded = _Encoded(record.seq, wire.encode(record))
        except WireError:
            continue  # such a record is in no journal
        if part and (size + len(encoded.payload) > _MOST_BYTES or len(part) == _MOST_RECORDS):
            yield part
            part, size = [], 0
        part.append(encoded)
        size += len(encoded.payload)
    if part:
        yield part


def _body(part: Sequence[_Encoded], after: int | None) -> bytes:
    records = [msgspec.Raw(each.payload) for each in part]
    return msgspec.msgpack.encode({"records": records, "after": after})


def _problem(answer: Answer) -> str | None:
    """Why the records were not taken; None where they were. Only the service's words are told."""
    if 200 <= answer.status < 300:
        return None if _read(answer.body, _Receipt) else "no receipt of a service of ours"
    problem = _read(answer.body, _Problem)
    told = in_one_line(problem.detail, 300).rstrip(".") if problem else "no words of a service's"
    wait = in_one_line(answer.retry_after, 40)
    return f"{told} (come again in {wait} s)" if wait.isdecimal() else told


def _read(body: bytes, kind: type[AnswerT]) -> AnswerT | None:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _remedy(status: int) -> str:
    return _REDIRECTED if 300 <= status < 400 else _REMEDIES.get(status, _AGAIN)
