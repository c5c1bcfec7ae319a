"""The files of a journal and the frames in them; knows bytes, not records.

A frame is magic, length > 0, CRC32 over length and payload, payload. Reading looks for a later
whole frame before it calls the rest of a file torn, so that a broken frame never hides those behind
it.
"""

import re
import struct
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

MAGIC = b"\xc1GW\xc1"  # 0xC1 starts neither a MessagePack value nor a UTF-8 character
TORN = ".torn"

_HEAD = struct.Struct("<4sII")
_NAME = re.compile(r"(\d{4,9})-(\d{6,9})\.journal")
_CHUNK = 1 << 16


@dataclass(frozen=True, order=True)
class Segment:
    """One file of a run's journal; segments sort in the order they were written."""

    attempt: int
    index: int
    path: Path

    @classmethod
    def at(cls, directory: Path, attempt: int, index: int) -> "Segment":
        """Name the segment of an attempt.

        Args:
            directory: the run's directory.
            attempt: the training the segment belongs to, from 1.
            index: its place within the attempt, from 0.

        Returns:
            The segment, whether or not its file exists.
        """
        return cls(attempt, index, directory / f"{attempt:04d}-{index:06d}.journal")


class Frame(NamedTuple):
    """A whole frame: its bytes run from `offset` to `end`."""

    offset: int
    end: int
    payload: bytes


class Gap(NamedTuple):
    """Bytes from `offset` to `end` that are no whole frame; a tail has no whole frame behind it."""

    offset: int
    end: int
    is_tail: bool


def segments(directory: Path) -> list[Segment]:
    """List the segments of a run, oldest first.

    Args:
        directory: the run's directory.

    Returns:
        The segments that exist; none where the directory does not.
    """
    if not directory.is_dir():
        return []
    found = ((path, _NAME.fullmatch(path.name)) for path in directory.iterdir())
    return sorted(Segment(int(name[1]), int(name[2]), path) for path, name in found if name)


def frame(payload: bytes) -> bytes:
    """Wrap a payload so that a reader can tell whether all of it arrived.

    Args:
        payload: at least one byte, less than 4 GiB.

    Returns:
        The framed bytes.

    Example:
        >>> len(frame(b"abc"))
        15
    """
    crc = zlib.crc32(payload, zlib.crc32(struct.pack("<I", len(payload))))
    return _HEAD.pack(MAGIC, len(payload), crc) + payload


def frames(path: Path, start: int = 0) -> Generator[Frame | Gap]:
    """Read the frames that a file holds now, and what lies between them.

    Args:
        path: a segment's file; bytes that are appended meanwhile are left to the next call.
        start: the offset to begin at, in bytes; the end of an earlier frame.

    Yields:
        Frames and gaps in order, which together cover the file from `start` to its end.
    """
    with path.open("rb", buffering=_CHUNK) as file:
        size = file.seek(0, 2)
        offset = start
        while offset < size:
            part: Frame | Gap = _frame_at(file, offset, size) or _gap_at(file, offset, size)
            yield part
            offset = part.end


def _frame_at(file: BinaryIO, offset: int, size: int) -> Frame | None:
    """Read the frame that starts at `offset`, or None where no whole one does."""
    file.seek(offset)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    magic, length, crc = _HEAD.unpack(head)
    end = offset + _HEAD.size + length
    if magic != MAGIC or length == 0 or end > size:
        return None
    payload = file.read(length)
    is_whole = len(payload) == length and zlib.crc32(payload, zlib.crc32(head[4:8])) == crc
    return Frame(offset, end, payload) if is_whole else None


def _gap_at(file: BinaryIO, offset: int, size: int) -> Gap:
    """Find where the next whole frame after `offset` begins, if one does."""
    for candidate in _magics(file, offset + 1, size):
        if _frame_at(file, candidate, size) is not None:
            return Gap(offset, candidate, is_tail=False)
    return Gap(offset, size, is_tail=True)


def _magics(file: BinaryIO, start: int, size: int) -> Iterator[int]:
    """Find every place of the magic from `start` on."""
    overlap = len(MAGIC) - 1
    for base in range(start, size, _CHUNK):
        file.seek(base)
        chunk = file.read(_CHUNK + overlap)
        place = chunk.find(MAGIC)
        while place >= 0:
            yield base + place
            place = chunk.find(MAGIC, place + 1)
