"""The intake: one thread that commits what was handed over, many batches per transaction."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, final

from sqlalchemy.exc import OperationalError, TimeoutError

from grokwatch.monitor.errors import ConflictError, GrokwatchError, StoreError
from grokwatch.monitor.service.checking import standings
from grokwatch.monitor.service.committing import Committer
from grokwatch.monitor.service.latency import Latencies
from grokwatch.monitor.service.ports import PUSHED, IntakeHealth
from grokwatch.monitor.service.turn import Pushed
from grokwatch.monitor.service.views import Batch, Receipt

_MOST_BATCHES = 256
_MOST_RECORDS = 4_096
_MOST_WAITING = 200_000
_SWEEP_SECONDS = 0.5
_FAILED_SECONDS = 10.0

_log = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    pushed: Pushed
    future: "Future[Receipt]"
    since: float


@final
class GroupIntake:
    """Takes batches from any thread; a batch is durable when its future has a result.

    Args:
        committer: makes them durable; used by this object's thread alone.
        capacity: batches that may wait; more are refused.
        on_commit: called after each transaction, so that deliveries need not be looked for.
        clock: in seconds, never going back.
    """

    def __init__(
        self,
        committer: Committer,
        *,
        capacity: int = 1_000,
        on_commit: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._committer = committer
        self._queue: queue.Queue[_Waiting | None] = queue.Queue(capacity)
        self._on_commit = on_commit
        self._clock = clock
        self._latencies = Latencies()
        self._counts = {"stored": 0, "duplicates": 0, "late": 0, "failures": 0}
        self._oldest: float | None = None
        self._failed_at: float | None = None
        self._is_closed = False
        self._is_closing = threading.Lock()  # nothing may be handed over behind the last one
        self._next_sweep = 0.0
        self._num_waiting = 0
        self._thread = threading.Thread(target=self._run, name="grokwatch intake", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def submit(
        self,
        batch: Batch,
        *,
        source: str = PUSHED,
        memory: bytes | None = None,
        link: str | None = None,
    ) -> "Future[Receipt]":
        """Hand over a batch of one run; never waits.

        Args:
            batch: of one run.
            source: where it came from.
            memory: what the source wants remembered in the same transaction.
            link: where the run is shown beside our own page.

        Returns:
            Its receipt to be: `WireError` where the batch is wrong, `ConflictError` where another
            writer has the run, `StoreError` where the store fails or too much is waiting.
        """
        future: Future[Receipt] = Future()
        future.set_running_or_notify_cancel()  # who gives up waiting does not take it back
        try:
            kept, num_ignored = standings(batch)
            if not kept and memory is None:
                future.set_result(_nothing_of(num_ignored))
                return future
            pushed = Pushed(
                run_id=batch.records[0].run_id,
                standings=tuple(kept),
                num_ignored=num_ignored,
                source=source,
                memory=memory,
                link=link,
            )
            self._put(_Waiting(pushed, future, self._clock()))
        except GrokwatchError as error:
            future.set_exception(error)
        return future

    def health(self) -> IntakeHealth:
        """How it fares."""
        oldest = self._oldest
        return IntakeHealth(
            queue_depth=self._queue.qsize(),
            lag_seconds=0.0 if oldest is None else self._clock() - oldest,
            commits=self._latencies.count,
            commit_seconds_sum=self._latencies.total,
            commit_seconds=self._latencies.buckets(),
            is_writable=self._is_writable(),
            **self._counts,
        )

    def _is_writable(self) -> bool:
        """Whether the store took what was last handed over; a failure is forgotten in a while."""
        failed_at = self._failed_at
        return failed_at is None or self._clock() - failed_at > _FAILED_SECONDS

    def close(self, deadline_seconds: float = 5.0) -> bool:
        """Commit what was handed over, then stop.

        Args:
            deadline_seconds: how long to wait at most.

        Returns:
            Whether all was committed by then.
        """
        with self._is_closing:
            self._is_closed = True
        if self._thread.is_alive():
            with contextlib.suppress(queue.Full):
                self._queue.put(None, timeout=deadline_seconds)
            self._thread.join(deadline_seconds)
        return not self._thread.is_alive()

    def _put(self, waiting: _Waiting) -> None:
        with self._is_closing:
            if self._is_closed:
                msg = "Expected a service that runs, got one that stops. Try again later."
                raise StoreError(msg)
            number = self._num_waiting + len(waiting.pushed.standings)
            if self._queue.full() or number > _MOST_WAITING:
                msg = f"Expected at most {self._queue.maxsize} waiting batches, got more. "
                raise StoreError(msg + "Try later.")
            self._num_waiting = number
            self._queue.put_nowait(waiting)

    def _run(self) -> None:
        is_running = True
        while is_running:
            group, is_running = self._next_group()
            if group:
                self._oldest = group[0].since
                self._commit(group)
                self._oldest = None
                self._on_commit()
            if is_running and self._clock() >= self._next_sweep:
                self._sweep()
                self._next_sweep = self._clock() + _SWEEP_SECONDS

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        """Batches that wait, at most a transaction's worth; and whether to go on after them."""
        group: list[_Waiting] = []
        num_records = 0
        while len(group) < _MOST_BATCHES and num_records < _MOST_RECORDS:
            try:
                taken = self._queue.get(timeout=0 if group else _SWEEP_SECONDS)
            except queue.Empty:
                break
            if taken is None:
                return group, False
            group.append(taken)
            num_records += len(taken.pushed.standings)
            with self._is_closing:
                self._num_waiting -= len(taken.pushed.standings)
        return group, True

    def _commit(self, group: list[_Waiting]) -> None:
        """Commit together; where that fails one by one, so that one cannot fail the others."""
        began = self._clock()
        try:
            results = self._committer.commit([waiting.pushed for waiting in group])
        except Exception as error:
            self._counts["failures"] += 1
            if len(group) > 1 and not is_away(error):
                for waiting in group:
                    self._commit([waiting])
            else:
                for waiting in group:
                    self._refuse(waiting, error)
            return
        self._failed_at = None
        self._latencies.note(self._clock() - began)
        for waiting, result in zip(group, results, strict=True):
            self._answer(waiting, result)

    def _answer(self, waiting: _Waiting, result: Receipt | ConflictError) -> None:
        if isinstance(result, ConflictError):
            waiting.future.set_exception(result)
            return
        for name in ("stored", "duplicates", "late"):
            self._counts[name] += getattr(result, name)
        waiting.future.set_result(result)

    def _refuse(self, waiting: _Waiting, error: Exception) -> None:
        if isinstance(error, StoreError):
            self._failed_at = self._clock()
            waiting.future.set_exception(error)
        else:
            _log.exception("a batch of run %s was not stored", waiting.pushed.run_id)
            waiting.future.set_exception(
                StoreError("Expected to store a batch, got an error. Try later.")
            )

    def _sweep(self) -> None:
        try:
            if self._committer.sweep():
                self._on_commit()
        except StoreError as error:
            self._failed_at = self._clock()
            _log.warning("the store does not answer: %s", error)
        except Exception:  # this thread must outlive whatever one run holds
            _log.exception("what other processes stored was not judged")


def is_away(error: Exception) -> bool:
    """Whether nobody at the store answers, so that trying again at once is of no use."""
    return isinstance(error.__cause__, OperationalError | TimeoutError)


def _nothing_of(num_ignored: int) -> Receipt:
    return Receipt(stored=0, duplicates=0, late=0, held=0, ignored=num_ignored, seq=0)
