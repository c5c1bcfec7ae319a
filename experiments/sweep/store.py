"""Chunk files: the records of all runs of a chunk, written at once or not at all.

Frames as in a journal: a header, the names of the runs, then each run's records, compressed. That
keeps one format and its checksums for everything on a disk; a table in columns is for whoever
gathers many sweeps. A journal for each run would take eight times the room and a folder each, to
save a part of a chunk that is trained again in a minute.
"""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from grokwatch.monitor.errors import WireError
from grokwatch.monitor.folder import explained, put
from grokwatch.monitor.records import AnyRecord, RunEnded, RunStarted
from grokwatch.monitor.segment import Frame, frame, frames
from grokwatch.monitor.wire import check_header, decode, encode, header

SUFFIX = ".chunk"
BROKEN = ".broken"

_LEVEL = 1


def write_chunk(path: Path, runs: Sequence[Sequence[AnyRecord]]) -> None:
    """Write a finished chunk, all of it or nothing.

    Args:
        path: the file; the folder is there.
        runs: the records of each run, from `RunStarted` to `RunEnded`.

    Raises:
        JournalError: the folder cannot be written.
    """
    put(path, packed(runs))


def packed(runs: Sequence[Sequence[AnyRecord]]) -> bytes:
    """What a chunk file holds, to be sent from where it was made to where it is kept.

    Args:
        runs: the records of each run, from `RunStarted` to `RunEnded`.
    """
    names = [records[0].run_id for records in runs]
    parts = (header(), msgspec.msgpack.encode(names), *map(_packed, runs))
    return b"".join(map(frame, parts))


def read_chunk(path: Path) -> tuple[tuple[AnyRecord, ...], ...]:
    """Read a chunk file, every byte of which is checked.

    Args:
        path: as `write_chunk` wrote it.

    Returns:
        The records of each run.

    Raises:
        WireError: the file is not whole.
        SchemaError: a version that this one cannot read wrote it.
    """
    try:
        return _read(path)
    except (OSError, ValueError, zlib.error, msgspec.MsgspecError) as error:
        msg = (
            f"Expected a whole chunk file, got {path} ({error}). "
            "Try the same sweep again, which keeps the file aside and trains its runs anew."
        )
        raise WireError(msg) from error


def set_aside(path: Path) -> Path:
    """Rename a broken chunk file, so that its runs are trained again and nothing is lost.

    Args:
        path: the file.

    Returns:
        Where it is now.

    Raises:
        JournalError: the folder cannot be written.
    """
    aside = path.with_name(path.name + BROKEN)
    with explained(path.parent):
        return path.replace(aside)


def _read(path: Path) -> tuple[tuple[AnyRecord, ...], ...]:
    """Read and check.

    Raises:
        ValueError: something is missing, or is not what it should be.
    """
    payloads = list(_payloads(path))
    if len(payloads) < 2:
        raise ValueError(f"Expected a header and names, got {len(payloads)} frames. Try another.")
    check_header(payloads[0])
    names = msgspec.msgpack.decode(payloads[1], type=list[str])
    runs = tuple(map(_unpacked, payloads[2:]))
    found = [run[0].run_id for run in runs if _is_whole(run)]
    if found != names:
        raise ValueError(f"Expected {len(names)} whole runs, got {len(found)}. Try another.")
    return runs


def _payloads(path: Path) -> Iterator[bytes]:
    """What the frames of a file hold.

    Raises:
        ValueError: there is anything between them.
    """
    for part in frames(path):
        if not isinstance(part, Frame):
            raise ValueError(f"Expected whole frames, got bytes at {part.offset}. Try another.")
        yield part.payload


def _is_whole(run: Sequence[AnyRecord]) -> bool:
    """Whether a run has a beginning and an end."""
    return len(run) > 1 and isinstance(run[0], RunStarted) and isinstance(run[-1], RunEnded)


def _packed(records: Sequence[AnyRecord]) -> bytes:
    """Records of one run; keys come again and again, so the fastest compression does most."""
    return zlib.compress(msgspec.msgpack.encode([encode(record) for record in records]), _LEVEL)


def _unpacked(payload: bytes) -> tuple[AnyRecord, ...]:
    """Records of one run."""
    parts = msgspec.msgpack.decode(zlib.decompress(payload), type=list[bytes])
    return tuple(map(decode, parts))
