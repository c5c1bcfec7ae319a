"""Records as bytes: MessagePack for the journal, JSON for the web, and the schema both declare.

MessagePack keeps every float bit for bit. JSON has no NaN and no infinity, so where a float field
holds one, the strings "nan", "inf" and "-inf" stand; a field that may also be text (a
hyper-parameter) reads such a string back as text. Unknown fields are refused, never skipped.
"""

import math
import numbers
from typing import Any

import msgspec
from msgspec import inspect

from grokwatch.monitor.errors import SchemaError, WireError
from grokwatch.monitor.records import AnyRecord

SCHEMA = "1.3"

_HEADER_TYPE = "grokwatch"
_FROM_TEXT = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_NOT_A_RECORD = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_ANY_RECORD = inspect.type_info(AnyRecord)


class _Header(msgspec.Struct, frozen=True, tag_field="type", tag=_HEADER_TYPE):
    """What every stream starts with."""

    schema: str


def _plain(number: object) -> int | float:
    """Turn a number of another library (numpy's scalars) into Python's own."""
    if isinstance(number, numbers.Integral):
        return int(number)
    if isinstance(number, numbers.Real):
        return float(number)
    msg = f"no record holds a {type(number).__name__}"
    raise TypeError(msg)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_plain)
_DECODER: msgspec.msgpack.Decoder[AnyRecord] = msgspec.msgpack.Decoder(AnyRecord)


def encode(record: AnyRecord) -> bytes:
    """Write a record as MessagePack.

    Args:
        record: any record; integers fit 64 bits, text is valid Unicode.

    Returns:
        The record's bytes, from which `decode` makes an equal record, floats bit for bit.

    Raises:
        WireError: a field holds something that no record can.
    """
    try:
        return _ENCODER.encode(record)
    except (TypeError, *_NOT_A_RECORD) as error:
        raise WireError(_cannot_write(record, error)) from error


def decode(data: bytes) -> AnyRecord:
    """Read a record from MessagePack.

    Args:
        data: exactly one record, as `encode` wrote it.

    Returns:
        The record.

    Raises:
        WireError: the bytes are anything else.

    Example:
        >>> from grokwatch.monitor.records import Evaluation
        >>> decode(encode(Evaluation(run_id="a", step=3, time=0.5, test_accuracy=0.25))).step
        3
    """
    try:
        return _DECODER.decode(data)
    except _NOT_A_RECORD as error:
        raise WireError(_cannot_read("MessagePack", data, error)) from error


def to_json(record: AnyRecord) -> bytes:
    """Write a record as JSON, with "nan", "inf" and "-inf" for floats that JSON lacks.

    Args:
        record: any record.

    Returns:
        One JSON object in UTF-8, without line breaks.

    Raises:
        WireError: a field holds something that no record can.

    Example:
        >>> from grokwatch.monitor.records import Evaluation
        >>> to_json(Evaluation(run_id="a", step=3, time=0.5, test_loss=float("inf")))[-50:]
        b'"time":0.5,"test_loss":"inf","test_accuracy":null}'
    """
    try:
        return msgspec.json.encode(freeze(msgspec.to_builtins(record, enc_hook=_plain)))
    except (TypeError, *_NOT_A_RECORD) as error:
        raise WireError(_cannot_write(record, error)) from error


def from_json(data: bytes) -> AnyRecord:
    """Read a record from JSON.

    Args:
        data: exactly one JSON object, as `to_json` wrote it.

    Returns:
        The record; all NaNs come back as the one quiet NaN.

    Raises:
        WireError: the bytes are anything else.
    """
    try:
        tree = msgspec.json.decode(data)
        record: AnyRecord = msgspec.convert(_thaw(tree, _ANY_RECORD), AnyRecord)
    except _NOT_A_RECORD as error:
        raise WireError(_cannot_read("JSON", data, error)) from error
    return record


def header() -> bytes:
    """Write the line that every stream of records starts with: which schema follows."""
    return _ENCODER.encode(_Header(schema=SCHEMA))


def check_header(data: bytes) -> None:
    """See that the stream that follows can be read here: same major version, minor not newer.

    Args:
        data: the first message of a stream, as `header` wrote it.

    Raises:
        WireError: the bytes are no header.
        SchemaError: the stream was written by a version that this one cannot read.
    """
    try:
        schema = msgspec.msgpack.decode(data, type=_Header).schema
        major, minor = (int(part) for part in schema.split("."))
    except _NOT_A_RECORD as error:
        msg = (
            f"Expected a stream header, got {_excerpt(data)} ({error}). "
            "Try the file or address of a grokwatch journal."
        )
        raise WireError(msg) from error
    own_major, own_minor = (int(part) for part in SCHEMA.split("."))
    if major != own_major or minor > own_minor:
        msg = (
            f"Expected schema {own_major}.0 to {SCHEMA}, got {schema!r}. "
            "Try a grokwatch at least as new as the one that wrote it."
        )
        raise SchemaError(msg)


def _excerpt(data: bytes) -> str:
    """Show the beginning of some bytes."""
    return f"{len(data)} bytes {bytes(data[:24])!r}"


def _cannot_write(record: object, error: Exception) -> str:
    return (
        f"Expected a record of 64-bit integers, floats and valid text, got {type(record).__name__} "
        f"({error}). Try plain Python numbers and strings in its fields."
    )


def _cannot_read(form: str, data: bytes, error: Exception) -> str:
    return (
        f"Expected one record as {form}, got {_excerpt(data)} ({error}). "
        "Try the grokwatch version that wrote it."
    )


def freeze(value: Any) -> Any:
    """Replace non-finite floats anywhere in a tree by their names.

    Args:
        value: builtins, as `msgspec.to_builtins` makes them.

    Returns:
        The same tree with "nan", "inf" and "-inf" for what JSON lacks.

    Example:
        >>> freeze({"a": [1.0, float("-inf")]})
        {'a': [1.0, '-inf']}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else str(float(value))
    if isinstance(value, dict):
        return {key: freeze(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [freeze(item) for item in value]
    return value


def _thaw(value: Any, kind: inspect.Type) -> Any:
    """Put back the floats that `freeze` named, wherever the type wants one."""
    match kind:
        case inspect.FloatType():
            return _FROM_TEXT.get(value, value) if isinstance(value, str) else value
        case inspect.UnionType():
            return _thaw_union(value, kind)
        case inspect.StructType() if isinstance(value, dict):
            types = {field.encode_name: field.type for field in kind.fields}
            return {k: _thaw(v, types[k]) if k in types else v for k, v in value.items()}
        case inspect.DictType() if isinstance(value, dict):
            return {key: _thaw(item, kind.value_type) for key, item in value.items()}
        case inspect.VarTupleType() if isinstance(value, list):
            return [_thaw(item, kind.item_type) for item in value]
    return value


def _thaw_union(value: Any, kind: inspect.UnionType) -> Any:
    """Thaw by the tag among records, else by the only member that is not None."""
    if isinstance(value, dict):
        tag = value.get("type")
        structs = [item for item in kind.types if isinstance(item, inspect.StructType)]
        return next((_thaw(value, item) for item in structs if item.tag == tag), value)
    members = [item for item in kind.types if not isinstance(item, inspect.NoneType)]
    return _thaw(value, members[0]) if len(members) == 1 else value
