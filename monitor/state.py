"""State as bytes: what a predictor, a policy or a watcher remembers, packed and read back strictly.

Numbers keep every bit. Reading executes nothing: the reader says which memory it expects, and bytes
of another kind or version are refused with a message instead of being guessed at.
"""

from typing import TypeVar

import msgspec

from grokwatch.monitor.errors import SchemaError, WireError


class Memory(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What something remembers between records; `version` counts changes of its meaning."""

    version: int = 1


class _Head(msgspec.Struct):
    """The part of a memory that every version has."""

    kind: str
    version: int


MemoryT = TypeVar("MemoryT", bound=Memory)


def pack(memory: Memory) -> bytes:
    """Write a memory as MessagePack.

    Args:
        memory: fields of plain numbers, strings, bytes, lists and structs of these.

    Returns:
        The bytes; equal memories give equal bytes.
    """
    return msgspec.msgpack.encode(memory)


def unpack(data: bytes, kind: type[MemoryT]) -> MemoryT:
    """Read what `pack` wrote.

    Args:
        data: the bytes.
        kind: the memory they should hold.

    Returns:
        A memory that shares nothing with the one packed.

    Raises:
        WireError: the bytes are not such a memory.
        SchemaError: they are one of another version.
    """
    try:
        head = msgspec.msgpack.decode(data, type=_Head)
        if head.kind == kind.__name__ and head.version != kind().version:
            msg = (
                f"Expected version {kind().version} of {kind.__name__}, got {head.version}. "
                "Try the version of grokwatch that saved it, or go on without it."
            )
            raise SchemaError(msg)
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        msg = (
            f"Expected a state of kind {kind.__name__}, got {len(data)} other bytes: {error}. "
            "Try what its `state()` gave."
        )
        raise WireError(msg) from error
