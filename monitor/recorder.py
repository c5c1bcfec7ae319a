"""The worker between training and the journal: a bounded queue, one thread, no waiting.

`submit` costs the training thread an append to a queue. The worker numbers records and writes them;
what the disk refuses it keeps and tries again, up to the queue's capacity.
"""

import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from itertools import islice
from typing import TypeAlias, final

import msgspec

from grokwatch.monitor.backoff import Backoff
from grokwatch.monitor.errors import JournalError, JournalFullError, WireError
from grokwatch.monitor.feeder import Pause
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.protocols import Sink
from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.wire import encode

_BATCH = 256
_SYNC_SECONDS = 1.0

_Item: TypeAlias = AnyRecord | threading.Event  # an event is set once all before it is settled

_log = logging.getLogger(__name__)


@final
class Recorder:
    """Writes what is submitted to the journal, then shows it to a sink, in a thread of its own.

    Attributes:
        num_failures: writes and syncs that the disk refused; the writes are tried again.
    """

    def __init__(
        self,
        journal: Journal,
        shown_to: Sink,
        *,
        after: int,
        capacity: int,
        backoff: Backoff,
        pause: Pause = threading.Event.wait,
    ) -> None:
        self.num_failures = 0
        self._journal = journal
        self._shown_to = shown_to
        self._seq = after
        self._capacity = capacity
        self._backoff = backoff
        self._pause = pause
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._pending: deque[AnyRecord] = deque()
        self._markers: list[threading.Event] = []
        self._dropped: Counter[str] = Counter()
        self._num_unnumbered = 0
        self._counting = threading.RLock()  # re-entrant: a signal handler may submit too
        self._urgent = threading.Event()
        self._is_open = True
        self._is_stopped = False
        self._is_failing = False
        self._unsynced_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="grokwatch journal", daemon=True)

    @property
    def depth(self) -> int:
        """Records that wait to be written."""
        return self._queue.qsize() + len(self._pending)

    @property
    def dropped(self) -> dict[str, int]:
        """Records that will never be written, by reason."""
        with self._counting:
            return dict(self._dropped)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, records: Sequence[AnyRecord]) -> None:
        """Queue records, or drop and count them where the queue is full; never waits or raises.

        Args:
            records: any records of the run; their `attempt` and `seq` are set later.
        """
        try:
            if not self._is_open:
                self._drop("closed", len(records))
            elif self._queue.qsize() + len(self._pending) + len(records) > self._capacity:
                self._drop("queue_full", len(records))
            else:
                for record in records:
                    self._queue.put(record)
        except Exception:
            self._drop("malformed", 1)

    def refuse(self) -> None:
        """Take no more records."""
        self._is_open = False

    def forsake(self) -> None:
        """In a forked child: take nothing, and wait for nobody who did not come along."""
        self._is_open = False
        self._counting = threading.RLock()

    def mark(self) -> threading.Event:
        """Write at once what was submitted so far.

        Returns:
            An event that is set when all of it is written or dropped.
        """
        marker = threading.Event()
        self._queue.put(marker)
        self._urgent.set()
        return marker

    def stop(self) -> None:
        """Try once more to write what is left, drop the rest, and close journal and sink."""
        self._is_stopped = True
        self.mark()

    def join(self, timeout_seconds: float) -> None:
        """Wait until the thread has ended.

        Args:
            timeout_seconds: how long at most; a disk that hangs is left behind.
        """
        self._thread.join(max(0.0, timeout_seconds))

    def _run(self) -> None:
        while not self._is_stopped:
            try:
                self._gather()
                is_written = self._write()
            except BaseException as error:  # whatever it is, the next records must be written
                self._fail(error)
                is_written = False
            if not is_written:
                self._pause(self._urgent, self._backoff.failed())
            self._urgent.clear()
        self._finish()

    def _gather(self) -> None:
        """Move queued records to the pending ones; wait for one where nothing is pending."""
        try:
            if not self._pending:
                self._accept(self._queue.get(timeout=self._sync_in()))
            while len(self._pending) < _BATCH:
                self._accept(self._queue.get_nowait())
        except queue.Empty:
            return

    def _accept(self, item: _Item) -> None:
        """Number a record; numbers of those dropped meanwhile stay unused, which marks the gap."""
        if isinstance(item, threading.Event):
            self._markers.append(item)
            return
        with self._counting:
            skipped, self._num_unnumbered = self._num_unnumbered, 0
        self._seq += skipped + 1
        try:
            attempt = self._journal.attempt
            self._pending.append(msgspec.structs.replace(item, attempt=attempt, seq=self._seq))
        except (TypeError, AttributeError):
            self._drop("malformed", 1, is_numbered=True)

    def _write(self) -> bool:
        """Write what is pending; False where the disk refused."""
        while self._pending:
            batch = list(islice(self._pending, _BATCH))
            try:
                num_refused = self._append(batch)
            except WireError:
                self._discard_unwritable()
                continue
            except JournalError as error:
                self._fail(error)
                return False
            self._is_failing = False
            self._backoff.succeeded()
            for _ in batch:
                self._pending.popleft()
            self._drop("quota", num_refused, is_numbered=True)
            # whole: what the disk has no room for is present all the same
            self._shown_to.write(batch)
            self._unsynced_since = self._unsynced_since or time.monotonic()
        while self._markers:
            self._markers.pop().set()
        if self._sync_in() == 0.0:
            self._sync()
        return True

    def _append(self, batch: Sequence[AnyRecord]) -> int:
        """Write what the journal's quota has room for; return how many it has none for."""
        try:
            self._journal.append(batch)
        except JournalFullError as error:
            fitting = [record for record in batch if record.seq not in error.seqs]
            if fitting:
                self._journal.append(fitting)
            return len(error.seqs)
        return 0

    def _discard_unwritable(self) -> None:
        """Drop the records that no bytes exist for."""
        writable = deque(record for record in self._pending if _is_writable(record))
        self._drop("unwritable", len(self._pending) - len(writable), is_numbered=True)
        self._pending = writable

    def _sync_in(self) -> float | None:
        """Seconds until what was written goes to the disk; None where all of it is there."""
        if self._unsynced_since is None:
            return None
        return max(0.0, self._unsynced_since + _SYNC_SECONDS - time.monotonic())

    def _sync(self) -> None:
        self._unsynced_since = None
        try:
            self._journal.sync()
        except JournalError as error:
            self._fail(error)

    def _finish(self) -> None:
        """Write and sync what still can be, count what cannot, and let go of everything."""
        try:
            while self._queue.qsize():
                self._accept(self._queue.get_nowait())
            if self._write():
                self._sync()
        except BaseException as error:  # whatever it is, the run must be let go of
            self._fail(error)
        self._drop("closed", len(self._pending), is_numbered=True)
        self._pending.clear()
        self._journal.close()
        self._shown_to.close()
        for marker in self._markers:
            marker.set()

    def _fail(self, error: BaseException) -> None:
        """Count a failure; say so where the one before it succeeded."""
        self.num_failures += 1
        if not self._is_failing:
            _log.warning("records of run %s wait: %s", self._journal.run_id, error)
        self._is_failing = True

    def _drop(self, reason: str, num_records: int, *, is_numbered: bool = False) -> None:
        if num_records == 0:
            return
        with self._counting:
            if reason not in self._dropped:
                _log.warning("records of run %s are dropped: %s", self._journal.run_id, reason)
            self._dropped[reason] += num_records
            self._num_unnumbered += 0 if is_numbered else num_records


def _is_writable(record: AnyRecord) -> bool:
    try:
        encode(record)
    except WireError:
        return False
    return True
