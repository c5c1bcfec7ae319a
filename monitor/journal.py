"""The journal of a run: what is written there is acknowledged, and survives the writer's death.

One writer at a time appends records to segments of `.grokwatch/runs/<run_id>/`; each opening is an
attempt of its own with segments of its own. A write goes to the kernel, not to the disk: it
outlives the process, and only a power cut can take what was not yet synced. Nothing is deleted:
an unfinished end is moved aside and counted, and what the quota has no room for is refused.
Reading lives in `history`; its names are here too.
"""

import contextlib
import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self, final

from grokwatch.monitor.errors import ConfigurationError, JournalError, JournalFullError
from grokwatch.monitor.folder import create, explained, make_private, sync
from grokwatch.monitor.history import JournalReport, Problem, inspect, read
from grokwatch.monitor.lock import Lock, close_in_child
from grokwatch.monitor.quota import QUOTA_BYTES, Quota
from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.recovery import recover
from grokwatch.monitor.segment import Segment, frame, segments
from grokwatch.monitor.wire import encode, header

__all__ = ["RUNS", "Journal", "JournalReport", "Problem", "inspect", "read", "run_directory"]

RUNS = "runs"

_RUN_ID = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,128}")


def run_directory(root: Path, run_id: str) -> Path:
    """Name the directory of a run.

    Args:
        root: the folder of all of grokwatch's files, `.grokwatch` by default.
        run_id: 1 to 128 letters, digits, dots, underscores and dashes; no leading dot.

    Returns:
        The path, whether or not it exists.

    Raises:
        ConfigurationError: the run id could leave the folder or is no name.

    Example:
        >>> run_directory(Path(".grokwatch"), "a1").as_posix()
        '.grokwatch/runs/a1'
    """
    if _RUN_ID.fullmatch(run_id) is None:
        msg = (
            f"Expected a run id of 1 to 128 of A-Z a-z 0-9 . _ - without a leading dot, "
            f"got {run_id!r}. Try one such as 'mod67-seed0'."
        )
        raise ConfigurationError(msg)
    return root / RUNS / run_id


@final
class Journal:
    """The one writer of a run; make it with `Journal.open`.

    Attributes:
        run_id: the run.
        directory: where its segments lie.
        attempt: which training of the run this is, from 1.
        last_seq: the newest acknowledged record of the run; 0 where there is none.
        torn_bytes: bytes of unfinished writes that opening moved aside.
        num_bytes: size of the run's segments.
        quota: the most that this may become.

    Example:
        >>> import tempfile
        >>> from grokwatch.monitor.records import Evaluation
        >>> with tempfile.TemporaryDirectory() as root:
        ...     with Journal.open(Path(root), "a1") as journal:
        ...         journal.append([Evaluation(run_id="a1", seq=1, step=9, time=0.0)])
        ...     [record.step for record in read(run_directory(Path(root), "a1"))]
        [9]
    """

    def __init__(
        self, directory: Path, lock: Lock, segment_bytes: int, quota: Quota, *, durable: bool
    ) -> None:
        self.run_id = directory.name
        self.directory = directory
        self.last_seq, self.torn_bytes = recover(directory)
        found = segments(directory)
        self.attempt = found[-1].attempt + 1 if found else 1
        self.num_bytes = sum(segment.path.stat().st_size for segment in found)
        self.quota = quota
        self._lock = lock
        self._segment_bytes = segment_bytes
        self._durable = durable
        self._unsynced: list[Path] = []
        self._segment = Segment.at(directory, self.attempt, 0)
        self._descriptor: int | None = create(self._segment.path)
        close_in_child(self)

    @classmethod
    def open(
        cls,
        root: Path,
        run_id: str,
        *,
        segment_bytes: int = 16 * 2**20,
        quota_bytes: int = QUOTA_BYTES,
        durable: bool = False,
    ) -> "Journal":
        """Lock a run and open its next attempt.

        Args:
            root: the folder of all of grokwatch's files; made with mode 0700 where it is missing.
            run_id: the run, new or to be continued.
            segment_bytes: size at which the next segment begins.
            quota_bytes: the most that the run's segments may have together.
            durable: sync every append to the disk, so that even a power cut loses nothing.

        Returns:
            The journal, whose `last_seq` continues the run's numbers. A forked child's copy is
            closed.

        Raises:
            ConfigurationError: the run id is no name.
            JournalError: the folder cannot be written, or another writer holds the run.
            SchemaError: a newer version wrote the run.
        """
        directory = run_directory(root, run_id)
        quota = Quota(quota_bytes)
        with explained(directory):
            make_private(root, root / RUNS, directory)
            lock = Lock.acquire(directory)
            try:
                return cls(directory, lock, segment_bytes, quota, durable=durable)
            except BaseException:
                lock.close()
                raise

    def append(self, records: Sequence[AnyRecord]) -> None:
        """Write records; when this returns, they are acknowledged.

        Args:
            records: at least one, in the order of rising `seq`, all beyond `last_seq`.

        Raises:
            JournalError: the write failed; none is acknowledged, and they may be appended again.
            JournalFullError: there is no room for some; the others may be appended without them.
            WireError: a record cannot be written at all.
        """
        seqs = [self.last_seq, *(record.seq for record in records)]
        if any(later <= sooner for sooner, later in pairwise(seqs)):
            msg = (
                f"Expected records numbered in rising order after {self.last_seq}, "
                f"got {seqs[1:6]}. Try Dispatcher.submit, which numbers them."
            )
            raise JournalError(msg)
        framed = [frame(encode(record)) for record in records]
        self._check_room(records, framed)
        data = b"".join(framed)
        with explained(self.directory):
            self.num_bytes += self._write(self._writable(len(data)), data)
            if self._durable:
                self.sync()
        self.last_seq = seqs[-1]

    def sync(self) -> None:
        """Push what was appended to the disk; it then survives a power cut.

        Raises:
            JournalError: the disk refused.
        """
        with explained(self.directory):
            for path in [*self._unsynced, self._segment.path, self.directory]:
                sync(path)
        self._unsynced.clear()

    def close(self) -> None:
        """Release the run to the next writer; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_room(self, records: Sequence[AnyRecord], framed: Sequence[bytes]) -> None:
        """Refuse records that the quota has no room for."""
        refused = self.quota.refused(records, list(map(len, framed)), self.num_bytes)
        if refused:
            msg = (
                f"Expected a journal below {self.quota.num_bytes} bytes, got {self.num_bytes} and "
                f"{len(refused)} records more than there is room for. Try a larger quota."
            )
            raise JournalFullError(msg, seqs=refused)

    def _writable(self, num_bytes: int) -> int:
        """Give the descriptor to write that many bytes to, of the next segment where it is time."""
        if self._descriptor is None:
            msg = "Expected an open journal, got a closed one. Try Journal.open."
            raise JournalError(msg)
        size = os.fstat(self._descriptor).st_size
        if size > 0 and size + num_bytes > self._segment_bytes:
            following = Segment.at(self.directory, self.attempt, self._segment.index + 1)
            finished, self._descriptor = self._descriptor, create(following.path)
            os.close(finished)
            self._unsynced.append(self._segment.path)
            self._segment = following
        return self._descriptor

    @staticmethod
    def _write(descriptor: int, data: bytes) -> int:
        """Append all of the bytes or, as far as the disk lets us, none; return how many."""
        start = os.fstat(descriptor).st_size
        whole = data if start else frame(header()) + data
        rest = memoryview(whole)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, start)
            raise
        return len(whole)
