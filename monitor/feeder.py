"""Feeding one sink from the journal, at its own pace, in a thread of its own.

A sink that hangs, fails or is away for hours delays nobody: records wait in the journal, and the
cursor, moved only after the sink took them, remembers where to go on.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeAlias, final

from grokwatch.monitor.backoff import Backoff
from grokwatch.monitor.cursor import Cursor
from grokwatch.monitor.history import Tail
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.protocols import Sink
from grokwatch.monitor.records import AnyRecord

BATCH = 500

Pause: TypeAlias = Callable[[threading.Event, float | None], object]

_REST_RATIO = 20.0  # seconds of rest per second of processor time, so that training keeps its core
_LONGEST_REST_SECONDS = 2.0

_log = logging.getLogger(__name__)


@final
class Feeder:
    """Carries a journal's records to one sink, at least once each and in order.

    Attributes:
        num_failures: calls of the sink that raised.
        num_cursor_failures: times the cursor could not be saved; the sink may see repeats later.
    """

    def __init__(
        self,
        journal: Journal,
        cursor: Cursor,
        sink: Sink,
        *,
        backoff: Backoff | None = None,
        pause: Pause = threading.Event.wait,
    ) -> None:
        self.num_failures = 0
        self.num_cursor_failures = 0
        self._journal = journal
        self._cursor = cursor
        self._sink = sink
        self._tail = Tail(journal.directory, after=cursor.seq)
        self._batch: list[AnyRecord] = []
        self._backoff = Backoff() if backoff is None else backoff
        self._pause = pause
        self._caught_up_seq = cursor.seq
        self._news = threading.Event()  # ends idling
        self._urgent = threading.Event()  # ends idling, and rests and back-off too
        self._is_hurried = False
        self._is_failing = False
        self._is_stopped = False
        self._thread = threading.Thread(
            target=self._run, name=f"grokwatch feeds {cursor.target}", daemon=True
        )

    @property
    def lag(self) -> int:
        """Acknowledged records that the sink has not taken yet."""
        return max(0, self._journal.last_seq - max(self._cursor.seq, self._caught_up_seq))

    def start(self) -> None:
        """Begin to feed."""
        self._save(self._cursor.seq)
        self._thread.start()

    def notify(self) -> None:
        """Say that the journal has grown; this ends no rest."""
        self._news.set()

    def hurry(self, *, is_hurried: bool = True) -> None:
        """Feed without rests, and try a failing sink again now.

        Args:
            is_hurried: False to go back to the usual pace.
        """
        self._is_hurried = is_hurried
        if is_hurried:
            self._urgent.set()
            self._news.set()

    def stop(self) -> None:
        """Stop after the call of the sink that is under way, and close the sink."""
        self._is_stopped = True
        self._urgent.set()
        self._news.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait until the thread has ended.

        Args:
            timeout_seconds: how long at most; a sink that hangs is left behind.
        """
        self._thread.join(max(0.0, timeout_seconds))

    def _run(self) -> None:
        while not self._is_stopped:
            rest_seconds = self._feed()
            event = self._news if rest_seconds is None else self._urgent
            if rest_seconds != 0.0:
                self._pause(event, rest_seconds)
            event.clear()
        self._attempt(self._sink.close)

    def _feed(self) -> float | None:
        """Feed one batch; return seconds to rest, None to rest until notified."""
        began = time.thread_time()
        if not self._attempt(self._write):
            return self._backoff.failed()
        self._backoff.succeeded()
        if not self._batch:
            return None
        self._save(self._batch[-1].seq)
        self._batch = []
        rest_seconds = _REST_RATIO * (time.thread_time() - began)
        return 0.0 if self._is_hurried else min(_LONGEST_REST_SECONDS, rest_seconds)

    def _write(self) -> None:
        """Hand the sink the batch that failed before, or else the next one."""
        if not self._batch:
            last = self._journal.last_seq
            self._batch = self._tail.take(BATCH, last=last)
            if not self._batch:
                self._caught_up_seq = last
        if self._batch:
            self._sink.write(self._batch)

    def _attempt(self, call: Callable[[], None]) -> bool:
        """Call the sink; False where it raised, which is counted, and said once in a row."""
        try:
            call()
        except BaseException as error:  # even SystemExit: this thread must outlive any sink
            if not self._is_failing:
                _log.warning("sink %s failed (%r); its records wait", self._cursor.target, error)
            self._is_failing = True
            self.num_failures += 1
            return False
        self._is_failing = False
        return True

    def _save(self, seq: int) -> None:
        """Move the cursor; where that fails the sink may see repeats later, never gaps."""
        try:
            self._cursor.save(seq)
        except Exception as error:
            if self.num_cursor_failures == 0:
                _log.warning("cursor of %s not saved (%r)", self._cursor.target, error)
            self.num_cursor_failures += 1
