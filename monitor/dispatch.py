"""From the training thread to the world: one queue, one worker, the journal first.

The training thread only puts records into a bounded queue. A `Recorder` writes them to the journal
and shows them to live sinks; each other sink is fed from the journal by a `Feeder`. Nothing here
raises into training, makes it wait for a disk or a network, or grows without bound.
"""

import atexit
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import final

from grokwatch.monitor.backoff import Backoff
from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.cursor import Cursor
from grokwatch.monitor.drain import Drained, drain
from grokwatch.monitor.feeder import Feeder
from grokwatch.monitor.health import Health
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.lock import close_in_child
from grokwatch.monitor.protocols import FileSink, Sink
from grokwatch.monitor.recorder import Recorder
from grokwatch.monitor.records import AnyRecord

__all__ = ["Dispatcher", "Drained", "Health", "drain"]

_POLL_SECONDS = 0.002
_GRACE_SECONDS = 0.25

_log = logging.getLogger(__name__)


@final
class Dispatcher:
    """Carries a run's records to its journal and its sinks until it is closed.

    Owns the journal and the sinks from here on, and closes them. In a forked child it takes
    nothing and does nothing.

    Args:
        journal: the run's open journal.
        sinks: sinks by target. A live one sees records as they are written, once; any other is fed
            from the journal, at least once, across restarts.
        capacity: records that may wait to be written; more are dropped and counted.
        backoff: makes a `Backoff`, one for the journal (given its `cap_seconds`), one per sink.

    Attributes:
        run_id: the run.
        attempt: which training of the run this is, from 1.
        file_sinks: those of the sinks that take files too.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from grokwatch.monitor.records import Evaluation
        >>> with tempfile.TemporaryDirectory() as root:
        ...     dispatcher = Dispatcher(Journal.open(Path(root), "a1"), {})
        ...     dispatcher.submit([Evaluation(run_id="a1", step=9, time=0.0)])
        ...     flushed = dispatcher.flush(5.0)
        ...     dispatcher.close()
        >>> flushed, dispatcher.health().dropped
        (True, {})
    """

    def __init__(
        self,
        journal: Journal,
        sinks: Mapping[str, Sink],
        *,
        capacity: int = 10_000,
        backoff: Callable[..., Backoff] = Backoff,
    ) -> None:
        self.run_id = journal.run_id
        self.attempt = journal.attempt
        self._journal = journal
        self.file_sinks = tuple(sink for sink in sinks.values() if isinstance(sink, FileSink))
        self._process = os.getpid()
        self._is_closed = False
        fed = {
            target: Cursor.load(journal.directory, target)
            for target, sink in sinks.items()
            if not sink.live
        }
        self._feeders = {
            cursor.target: Feeder(journal, cursor, sinks[target], backoff=backoff())
            for target, cursor in fed.items()
        }
        self._live = _Live(
            {strip_credentials(target): sink for target, sink in sinks.items() if sink.live},
            list(self._feeders.values()),
        )
        # beyond every cursor, so that a journal that lost its end cannot make a sink skip records
        after = max(journal.last_seq, *(cursor.seq for cursor in fed.values()), 0)
        self._recorder = Recorder(
            journal, self._live, after=after, capacity=capacity, backoff=backoff(cap_seconds=5.0)
        )
        close_in_child(self)
        atexit.register(self.close)
        self._recorder.start()
        for feeder in self._feeders.values():
            feeder.start()

    def submit(self, records: Sequence[AnyRecord]) -> None:
        """Hand over records; microseconds, never waits, never raises.

        Args:
            records: in order; `attempt` and `seq` are set before they are written.
        """
        self._recorder.submit(records)

    def flush(self, deadline_seconds: float) -> bool:
        """Wait until all that was submitted is in the journal and with every sink.

        Args:
            deadline_seconds: how long to wait at most.

        Returns:
            True where it is; False where the deadline came first.
        """
        if os.getpid() != self._process:
            return False
        end = time.monotonic() + deadline_seconds
        written = self._recorder.mark()
        for feeder in self._feeders.values():
            feeder.hurry()
        try:
            if not written.wait(max(0.0, deadline_seconds)):
                return False
            while any(feeder.lag for feeder in self._feeders.values()):
                if time.monotonic() >= end:
                    return False
                time.sleep(_POLL_SECONDS)
            return True
        finally:
            for feeder in self._feeders.values():
                feeder.hurry(is_hurried=False)

    def close(self, deadline_seconds: float = 5.0) -> None:
        """Flush, then let go of everything; what sinks did not take stays in the journal.

        Args:
            deadline_seconds: how long to flush at most; a second call does nothing.
        """
        atexit.unregister(self.close)
        if os.getpid() != self._process:
            self._recorder.forsake()
        elif not self._is_closed:
            self._is_closed = True
            end = time.monotonic() + deadline_seconds
            self._recorder.refuse()
            try:
                self.flush(deadline_seconds)
            finally:
                self._stop(end)

    def _stop(self, end: float) -> None:
        """Stop all threads and wait for them until `end`; those that hang are left behind."""
        threads: list[Recorder | Feeder] = [self._recorder, *self._feeders.values()]
        for thread in threads:
            thread.stop()
        end = max(end, time.monotonic() + _GRACE_SECONDS)
        for thread in threads:
            thread.join(end - time.monotonic())

    def health(self) -> Health:
        """Report how it fares.

        Returns:
            The figures of this moment.
        """
        feeders = self._feeders.items()
        failures = {target: feeder.num_failures for target, feeder in feeders}
        return Health(
            queue_depth=self._recorder.depth,
            dropped=self._recorder.dropped,
            journal_failures=self._recorder.num_failures
            + sum(feeder.num_cursor_failures for _, feeder in feeders),
            sink_failures=failures | dict(self._live.failures),
            sink_lag={target: feeder.lag for target, feeder in feeders},
            torn_bytes=self._journal.torn_bytes,
            journal_bytes=self._journal.num_bytes,
            journal_quota_bytes=self._journal.quota.num_bytes,
        )


@final
class _Live:
    """All live sinks as one that never raises; tells the feeders that the journal has grown."""

    live = True

    def __init__(self, sinks: Mapping[str, Sink], feeders: Sequence[Feeder]) -> None:
        self.failures: Counter[str] = Counter(dict.fromkeys(sinks, 0))
        self._sinks = sinks
        self._feeders = feeders

    def write(self, records: Sequence[AnyRecord], /) -> None:
        for feeder in self._feeders:
            feeder.notify()
        for target, sink in self._sinks.items():
            try:
                sink.write(records)
            except BaseException as error:  # even SystemExit: the journal's thread goes on
                self._fail(target, error)

    def close(self) -> None:
        for target, sink in self._sinks.items():
            try:
                sink.close()
            except BaseException as error:
                self._fail(target, error)

    def _fail(self, target: str, error: BaseException) -> None:
        if not self.failures[target]:
            _log.warning("live sink %s failed (%r); training goes on", target, error)
        self.failures[target] += 1
