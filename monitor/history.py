"""Reading a run's journal: its records in order, and what is broken in it.

Reading never changes a file and never raises for broken bytes; it steps over them and says where.
Only a segment of a newer schema is refused, because skipping it would hide records.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import final

import msgspec

from grokwatch.monitor.errors import JournalError, SchemaError, WireError
from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.segment import TORN, Frame, Gap, Segment, frames, segments
from grokwatch.monitor.wire import check_header, decode

_log = logging.getLogger(__name__)


class Problem(msgspec.Struct, frozen=True):
    """A place where a journal is broken: the file's name, the offset in bytes, and how."""

    file: str
    offset: int
    reason: str


class JournalReport(msgspec.Struct, frozen=True):
    """What a journal holds.

    `torn_bytes` counts unfinished ends, where they lie and where they were moved aside to; a kill
    leaves one at times, and nothing in it was ever acknowledged. `problems` are breaks that no kill
    explains.
    """

    num_records: int
    last_seq: int
    torn_bytes: int
    problems: tuple[Problem, ...]


class Entry(msgspec.Struct, frozen=True):
    """One piece of a segment: a record, or a problem, or a torn tail; `end` is where it ends."""

    end: int
    content: AnyRecord | Problem | Gap


def entries(segment: Segment, start: int = 0, *, is_last: bool = True) -> Iterator[Entry]:
    """Read what a segment holds now.

    Args:
        segment: the file.
        start: offset in bytes to begin at.
        is_last: whether it is the last of its attempt, where a kill may have torn the end.

    Yields:
        Records, problems, and at the end at most one tail, in order.

    Raises:
        SchemaError: a version that this one cannot read wrote the segment.
    """
    with contextlib.closing(frames(segment.path, start)) as parts:
        for part in parts:
            if isinstance(part, Gap):
                is_torn = part.is_tail and is_last
                yield Entry(part.end, part) if is_torn else _broken(segment, part)
            elif part.offset == 0:
                yield from _header(segment, part)
            else:
                yield _record(segment, part)


def read(directory: Path, *, after: int = 0) -> Iterator[AnyRecord]:
    """Read a run's records in the order of `seq`, each once.

    Args:
        directory: the run's directory; a writer may be at work there.
        after: leave out records up to this `seq`.

    Returns:
        The records; broken places are logged and stepped over (`inspect` lists them).

    Raises:
        JournalError: there is no such directory.
    """
    if not directory.is_dir():
        msg = (
            f"Expected a run's directory, got {str(directory)!r}. "
            "Try a folder below .grokwatch/runs."
        )
        raise JournalError(msg)
    return _read(directory, after)


def _read(directory: Path, after: int) -> Iterator[AnyRecord]:
    tail = Tail(directory, after=after)
    while batch := tail.take(1000):
        yield from batch


def inspect(directory: Path) -> JournalReport:
    """Read all of a journal and report what it holds and what is broken.

    Args:
        directory: the run's directory.

    Returns:
        The report; an empty one for a directory without a journal.
    """
    num_records, last_seq, problems = 0, 0, list[Problem]()
    torn_bytes = sum(path.stat().st_size for path in directory.glob(f"*{TORN}"))
    for segment, is_last in _with_ends(segments(directory)):
        try:
            for entry in entries(segment, is_last=is_last):
                if isinstance(entry.content, Problem):
                    problems.append(entry.content)
                elif isinstance(entry.content, Gap):
                    torn_bytes += entry.content.end - entry.content.offset
                elif entry.content.seq > last_seq:
                    num_records, last_seq = num_records + 1, entry.content.seq
        except SchemaError as error:
            problems.append(Problem(segment.path.name, 0, str(error)))
    return JournalReport(num_records, last_seq, torn_bytes, tuple(problems))


@final
class Tail:
    """Follows a journal while it is written: each `take` continues where the last one ended.

    Attributes:
        seq: the last record taken.
    """

    def __init__(self, directory: Path, *, after: int = 0) -> None:
        self.seq = after
        self._directory = directory
        self._place: tuple[Segment, int] | None = None

    def take(self, limit: int, *, last: int | None = None) -> list[AnyRecord]:
        """Take the next records.

        Args:
            limit: how many at most.
            last: leave records beyond this `seq` for later; None to take what there is.

        Returns:
            Records in order; none where the journal holds nothing new.
        """
        found = segments(self._directory)
        if self._place is None:
            found = _from(found, self.seq)
        else:
            found = [segment for segment in found if segment >= self._place[0]]
        taken: list[AnyRecord] = []
        for segment, is_last in _with_ends(found):
            if self._take_from(segment, is_last, taken, limit, last):
                break
        return taken

    def _take_from(
        self, segment: Segment, is_last: bool, taken: list[AnyRecord], limit: int, last: int | None
    ) -> bool:
        """Take from one segment; True where `limit` or `last` was met."""
        start = self._place[1] if self._place and self._place[0] == segment else 0
        self._place = (segment, start)
        for entry in entries(segment, start, is_last=is_last):
            content = entry.content
            if isinstance(content, Gap):
                return False  # a writer may be in the middle of it
            if isinstance(content, Problem):
                _log.warning("broken journal %s: %s", segment.path, content)
            elif content.seq > self.seq:
                if len(taken) == limit or (last is not None and content.seq > last):
                    return True
                taken.append(content)
                self.seq = content.seq
            self._place = (segment, entry.end)
        return False


def _with_ends(found: list[Segment]) -> Iterator[tuple[Segment, bool]]:
    """Pair each segment with whether it is the last of its attempt, where a kill may tear."""
    for place, segment in enumerate(found):
        yield (
            segment,
            place + 1 == len(found) or found[place + 1].attempt != segment.attempt,
        )


def _from(found: list[Segment], seq: int) -> list[Segment]:
    """Leave out the leading segments whose records all come up to `seq`."""
    for place in range(len(found) - 1, 0, -1):
        first = next(
            (e.content for e in entries(found[place]) if not isinstance(e.content, Problem | Gap)),
            None,
        )
        if first is not None and first.seq <= seq + 1:
            return found[place:]
    return found


def _header(segment: Segment, part: Frame) -> Iterator[Entry]:
    """Check the first frame of a segment; it yields something only where it is no header."""
    try:
        check_header(part.payload)
    except SchemaError as error:
        raise SchemaError(f"{segment.path.name}: {error}") from error
    except WireError as error:
        yield Entry(part.end, Problem(segment.path.name, part.offset, str(error)))


def _record(segment: Segment, part: Frame) -> Entry:
    try:
        return Entry(part.end, decode(part.payload))
    except WireError as error:
        return Entry(part.end, Problem(segment.path.name, part.offset, str(error)))


def _broken(segment: Segment, gap: Gap) -> Entry:
    reason = f"{gap.end - gap.offset} bytes are no record; those behind them are read"
    return Entry(gap.end, Problem(segment.path.name, gap.offset, reason))
