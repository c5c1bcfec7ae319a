"""Reads what was pushed: bytes become a `Batch` whose every field is bounded, or an error says why.

MessagePack keeps floats bit for bit; JSON writes "nan", "inf" and "-inf" for those that it lacks.
"""

import msgspec

from grokwatch.monitor.errors import WireError
from grokwatch.monitor.records import AnyRecord, RunStarted
from grokwatch.monitor.service.api.depth import DEEPEST, is_too_deep
from grokwatch.monitor.service.checking import check_batch, check_count
from grokwatch.monitor.service.identity import clean_name
from grokwatch.monitor.service.views import Batch
from grokwatch.monitor.wire import SCHEMA, encode, from_json

JSON = "application/json"
MESSAGE_PACK = "application/msgpack"

_MOST_TOLD = 300
_NOT_A_BATCH = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A batch whose records are still JSON."""

    records: tuple[msgspec.Raw, ...]
    after: int | None = None


_FROM_MESSAGE_PACK: msgspec.msgpack.Decoder[Batch] = msgspec.msgpack.Decoder(Batch)
_FROM_JSON: msgspec.json.Decoder[Batch] = msgspec.json.Decoder(Batch)
_ENVELOPE: msgspec.json.Decoder[_Envelope] = msgspec.json.Decoder(_Envelope)


def read_batch(kind: str, body: bytes) -> Batch:
    """Read a batch of one run.

    Args:
        kind: its media type, `application/json` or `application/msgpack`.
        body: the batch, unpacked.

    Returns:
        The batch; names of runs are cleaned.

    Raises:
        WireError: it is no batch of ours, or a field of it is out of bounds.

    Example:
        >>> read_batch("application/json", b'{"records": [{"type": "evaluation", "run_id": "a", '
        ...     b'"seq": 1, "step": 3, "time": 0.5, "test_loss": "inf"}]}').records[0].test_loss
        inf
    """
    batch = _from_json(body) if kind == JSON else _from_message_pack(body)
    check_batch(batch)
    records = tuple(map(_cleaned, batch.records))
    return msgspec.structs.replace(batch, records=records)


def _from_message_pack(body: bytes) -> Batch:
    try:
        return _FROM_MESSAGE_PACK.decode(body)
    except _NOT_A_BATCH as error:
        raise _wrong_batch(error) from error


def _from_json(body: bytes) -> Batch:
    if is_too_deep(body):
        msg = f"Expected JSON that nests at most {DEEPEST} deep, got more. Try plain records."
        raise WireError(msg)
    try:
        batch = _FROM_JSON.decode(body)
    except _NOT_A_BATCH as error:
        if "got `str`" not in str(error):
            raise _wrong_batch(error) from error
        batch = _from_text_floats(body)
    for record in batch.records:
        encode(record)  # integers of any size and broken text are JSON, but no record of ours
    return batch


def _from_text_floats(body: bytes) -> Batch:
    """Read JSON in which floats may be text; its errors are the ones worth telling."""
    try:
        envelope = _ENVELOPE.decode(body)
    except _NOT_A_BATCH as error:
        raise _wrong_batch(error) from error
    check_count(len(envelope.records))
    records = tuple(_record(at, bytes(raw)) for at, raw in enumerate(envelope.records))
    return Batch(records=records, after=envelope.after)


def _record(at: int, data: bytes) -> AnyRecord:
    try:
        return from_json(data)
    except WireError as error:
        raise _wrong_batch(error.__cause__ or error, f" in records[{at}]") from error


def _cleaned(record: AnyRecord) -> AnyRecord:
    if not isinstance(record, RunStarted):
        return record
    group = None if record.group is None else clean_name(record.group)
    return msgspec.structs.replace(record, name=clean_name(record.name), group=group)


def _wrong_batch(error: BaseException, where: str = "") -> WireError:
    told = str(error)[:_MOST_TOLD]
    msg = f"Expected a batch of records of schema {SCHEMA}, got {told}{where}. Try /openapi.json."
    return WireError(msg)
