"""Makes a Prometheus that has seen real runs: journals of demos, replayed at their own pace.

Every record goes the way it went in training: dispatcher, journal, exporter, and a running service.
Values and the time between them are the runs' own. Ours is only when each of them begins, so that
some have ended and some still run when the pictures are taken.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dashboards.preview.servers import TOKEN, prometheus, scraping, service
from grokwatch.monitor import journal
from grokwatch.monitor.dispatch import Dispatcher
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.protocols import ShowsHealth
from grokwatch.monitor.records import AnyRecord, RunStarted, WeightFrame
from grokwatch.monitor.sinks import connect

BEFORE_THE_END = {
    "addition-random-labels-seed-2": 84.0,
    "addition-seed-3": 58.0,
    "parity-random-labels-seed-1": 29.0,
    "parity-seed-0": 100.0,
}
"""Name of a run -> seconds before the end at which it begins; others begin at the start."""

LEAD_SECONDS = 4.0
LEAST_SECONDS = 105.0

GRACE_SECONDS = 3
MOMENT = "moment.json"

_TICK_SECONDS = 0.05


class Moment(msgspec.Struct, frozen=True):
    """What a rehearsal covers, in seconds since 1970."""

    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run that is replayed.

    Attributes:
        records: all of it, with the times at which they were made.
        start: seconds after which it begins.
    """

    records: Sequence[AnyRecord]
    start: float

    @property
    def end(self) -> float:
        """Seconds after which it has said all."""
        return self.start + _length(self.records)

    def due(self, since: float, until: float) -> Iterator[AnyRecord]:
        """Records whose turn comes within an interval of the rehearsal's seconds."""
        begun = next(r.time for r in self.records if isinstance(r, RunStarted)) - self.start
        now = self.start
        for record in self.records:
            now = getattr(record, "time", now + begun) - begun
            if since < now <= until:
                yield record


def parts(journals: Path) -> list[Part]:
    """Read the runs of a folder.

    Args:
        journals: journals lie somewhere below it, in folders called `runs`.

    Returns:
        A part for each.
    """
    runs = [list(journal.read(directory)) for directory in sorted(journals.glob("**/runs/*"))]
    length = max(LEAST_SECONDS, *(LEAD_SECONDS + _length(records) for records in runs))
    return [Part(records=records, start=_start(records, length)) for records in runs]


def _start(records: Sequence[AnyRecord], length: float) -> float:
    name = next(record.name for record in records if isinstance(record, RunStarted))
    return length - BEFORE_THE_END[name] if name in BEFORE_THE_END else LEAD_SECONDS


def _length(records: Sequence[AnyRecord]) -> float:
    times = [record.time for record in records if not isinstance(record, WeightFrame)]
    return max(times) - min(times)


def play(
    part: Part, dispatcher: Dispatcher, seconds: Callable[[], float], stop: threading.Event
) -> None:
    """Let a run speak again, record by record, until it ended or is stopped.

    Args:
        part: the run.
        dispatcher: where its records go.
        seconds: since the rehearsal began.
        stop: set when it is over.
    """
    last = -1.0
    while not stop.wait(_TICK_SECONDS):
        now = seconds()
        dispatcher.submit(list(part.due(last, now)))
        last = now


def rehearse(journals: Path, folder: Path, rules: Sequence[Path] = ()) -> Moment:
    """Replay the runs before a real Prometheus and a real service.

    Args:
        journals: where the runs lie.
        folder: where Prometheus keeps what it saw.
        rules: files of rules that Prometheus follows.

    Returns:
        From when to when, also written to the file `MOMENT`.
    """
    os.environ["GROKWATCH_TOKEN"] = TOKEN
    (folder / "targets").mkdir(parents=True, exist_ok=True)
    with service(folder) as address:
        configuration = scraping(folder, address, rules)
        with prometheus(folder, configuration=configuration):
            moment = _perform(parts(journals), folder, address)
    (folder / MOMENT).write_bytes(msgspec.json.encode(moment))
    return moment


def _perform(runs: Sequence[Part], folder: Path, service_address: str) -> Moment:
    began, start = time.monotonic(), time.time()
    targets = (
        f"prometheus:127.0.0.1:0?targets={folder / 'targets'}&grace={GRACE_SECONDS}",
        f"remote:http://{service_address}",
    )
    stop = threading.Event()
    dispatchers = []
    threads = []
    for part in runs:
        dispatcher = _opened(part, folder / "replayed", targets)
        job = (part, dispatcher, lambda: time.monotonic() - began, stop)
        dispatchers.append(dispatcher)
        threads.append(threading.Thread(target=play, args=job))
    for thread in threads:
        thread.start()
    time.sleep(max(LEAST_SECONDS, *(part.end for part in runs if part.start <= LEAD_SECONDS)))
    moment = Moment(start=start, end=time.time())
    stop.set()
    for thread in threads:
        thread.join()
    for dispatcher in dispatchers:
        dispatcher.close()
    return moment


def _opened(part: Part, folder: Path, targets: Sequence[str]) -> Dispatcher:
    """A dispatcher as training makes it: with a journal, sinks, and sinks that show its health."""
    sinks = {target.partition("?")[0]: connect(target) for target in targets}
    dispatcher = Dispatcher(Journal.open(folder, part.records[0].run_id), sinks)
    for sink in sinks.values():
        if isinstance(sink, ShowsHealth):
            sink.watch(dispatcher.run_id, dispatcher.health, budget=None)
    return dispatcher
