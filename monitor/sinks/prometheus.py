"""Prometheus: the present of the runs in this process, at `http://127.0.0.1:9109/metrics`.

Target: `prometheus:<host>:<port>[?option=value&...]`; both may be left out. Options:

- `targets`: folder for the `file_sd` file `targets-<pid>-<port>.json`, by default
  `.grokwatch/prometheus`; the file goes when the exporter closes.
- `grace`: seconds for which the series of an ended run stay, by default 60.
- `runs`, `series`: the most runs (100) and series (10,000) exported; the rest is counted in
  `grokwatch_series_truncated_total`. Runs keep their place until they end.
- `token_file`: a file with a token of at least 32 characters that scrapes must bear. Needed for any
  address but loopback: whoever can read the page sees the names and losses of your runs.

Runs in one process share an exporter; it closes with the last sink that uses it, at once, so a
scrape may miss the very end of the last run (MLflow and the journal do not). Labels are `run`, the
run's name or its id, and `task`; alerts have `code` too, which has four values.
"""

import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from grokwatch.monitor.records import AnyRecord, Observation, RunStarted
from grokwatch.monitor.sinks.exporter import Exporter
from grokwatch.monitor.sinks.exporter_settings import Settings
from grokwatch.monitor.sinks.names import METRICS, Metric, label_value
from grokwatch.monitor.sinks.run_view import RunView

Family = CounterMetricFamily | GaugeMetricFamily

_METRICS = {metric.prometheus: metric for metric in METRICS}


def connect(argument: str) -> "PrometheusSink":
    """Make the sink for an address, without binding it.

    Args:
        argument: what follows `prometheus:` in a target.

    Returns:
        The sink.

    Example:
        >>> connect("127.0.0.1:9109").live
        True
    """
    return PrometheusSink(Settings.parse(argument))


class PrometheusSink:
    """Shows the present of runs; binds its port at the first `write`.

    Args:
        settings: where and what.
        clock: monotonic seconds.

    Attributes:
        live: True: it shows the present and is not caught up later.
    """

    live = True

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._service: Service | None = None
        self._run_ids: set[str] = set()

    @property
    def exporter(self) -> Exporter | None:
        """The server that shows what was written, None before the first `write`."""
        return self._service.exporter if self._service else None

    def write(self, records: Sequence[AnyRecord], /) -> None:
        """Show records.

        Raises:
            SinkError: no port could be bound.
        """
        if self._service is None:
            self._service = services(os.getpid()).acquire(self._settings, self._clock)
        for record in records:
            self._service.table.take(record)
            self._run_ids.add(record.run_id)

    def close(self) -> None:
        """Let go of the exporter; the last sink that does closes it."""
        if self._service is not None:
            self._service.table.end(self._run_ids)
            self._service = None
            services(os.getpid()).release(self._settings)


class GrokkingCollector:
    """Collects the series of one run from its newest view.

    Args:
        run_id: the run.
        clock: monotonic seconds.

    Attributes:
        label: value of the `run` label.
        view: the newest view; replaced whole, never changed.
    """

    def __init__(self, run_id: str, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.view = RunView(run_id=run_id)
        self.label = label_value(run_id)

    def collect(self) -> Iterator[Family]:
        """Yield a family a metric, each with this run's samples."""
        view, task = self.view, label_value(self.view.task)
        families: dict[str, Family] = {}
        for metric, value, code in view.samples(self._clock()):
            family = families.setdefault(metric.prometheus, _family(metric))
            family.add_metric([self.label, task, code][: len(metric.labels)], value)
        yield from families.values()


def _family(metric: Metric) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.prometheus, metric.summary, labels=metric.labels)


class RunTable:
    """Collects the series of all runs, merged: a metric is announced once, whoever has it.

    Args:
        settings: caps and grace.
        clock: monotonic seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._collectors: dict[str, GrokkingCollector] = {}
        self._num_truncated = 0

    def take(self, record: AnyRecord) -> None:
        """Show a record, unless its run finds no place; then its values are counted as left out."""
        now = self._clock()
        with self._lock:
            collector = self._place(record.run_id, now)
            if collector is None:
                self._num_truncated += len(record.values) if isinstance(record, Observation) else 1
                return
            collector.view = collector.view.after(record, now)
            if isinstance(record, RunStarted):
                collector.label = self._label(record)

    def end(self, run_ids: Iterable[str]) -> None:
        """Begin the grace of runs that nobody writes any more, whether they said so or not."""
        with self._lock:
            for run_id in self._collectors.keys() & set(run_ids):
                collector = self._collectors[run_id]
                if collector.view.ended_at is None:
                    collector.view = replace(collector.view, ended_at=self._clock())

    def _place(self, run_id: str, now: float) -> GrokkingCollector | None:
        found = self._collectors.get(run_id)
        if found is None and len(self._collectors) >= self._settings.runs:
            self._forget_ended(now)
        if found is None and len(self._collectors) < self._settings.runs:
            found = self._collectors[run_id] = GrokkingCollector(run_id, self._clock)
        return found

    def _forget_ended(self, now: float) -> None:
        for run_id, collector in list(self._collectors.items()):
            ended_at = collector.view.ended_at
            if ended_at is not None and now - ended_at >= self._settings.grace:
                del self._collectors[run_id]

    def _label(self, record: RunStarted) -> str:
        others = {c.label for run_id, c in self._collectors.items() if run_id != record.run_id}
        names = (record.name or record.run_id, f"{record.run_id[:8]} {record.name}")
        free = (label for label in map(label_value, names) if label not in others)
        return next(free, label_value(record.run_id))

    def collect(self) -> Iterator[Family]:
        """Yield each metric once, with the samples of all runs that there is room for."""
        with self._lock:
            self._forget_ended(self._clock())
            collectors = list(self._collectors.values())
        merged: dict[str, Family] = {}
        num_series = 0
        for collector in collectors:
            families = list(collector.collect())
            size = sum(len(family.samples) for family in families)
            if num_series + size > self._settings.series:
                self._num_truncated += size
                continue
            num_series += size
            for family in families:
                merged.setdefault(family.name, _empty(family)).samples.extend(family.samples)
        yield from merged.values()
        yield from self._own_families(len(collectors))

    def _own_families(self, num_runs: int) -> Iterator[Family]:
        values = {
            "grokwatch_active_runs": num_runs,
            "grokwatch_series_truncated_total": self._num_truncated,
        }
        for name, value in values.items():
            family = _family(_METRICS[name])
            family.add_metric([], value)
            yield family


def _empty(family: Family) -> Family:
    kind = type(family)
    return kind(family.name, family.documentation)


@dataclass(frozen=True)
class Service:
    """A table of runs and the server that shows it."""

    table: RunTable
    exporter: Exporter


class Services:
    """The services of one process, one for each settings, each closed by the last that lets go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._services: dict[Settings, Service] = {}
        self._users: dict[Settings, int] = {}

    def acquire(self, settings: Settings, clock: Callable[[], float]) -> Service:
        """Share the service of these settings; the first to ask starts it.

        Returns:
            The service.
        """
        with self._lock:
            if settings not in self._services:
                self._services[settings] = _start(settings, clock)
            self._users[settings] = self._users.get(settings, 0) + 1
            return self._services[settings]

    def release(self, settings: Settings) -> None:
        """Let go of a service."""
        with self._lock:
            self._users[settings] -= 1
            if self._users[settings] > 0:
                return
            del self._users[settings]
            service = self._services.pop(settings)
        service.exporter.close()


@functools.cache
def services(process: int) -> Services:
    """The services of a process: the one thing here that is shared without being handed over.

    Runs of one process must find one exporter though nothing else connects them. A forked child
    asks with its own number and so never uses its parent's.

    Args:
        process: its number.

    Returns:
        The same object each time.
    """
    return Services()


def _start(settings: Settings, clock: Callable[[], float]) -> Service:
    table = RunTable(settings, clock)
    registry = CollectorRegistry()
    registry.register(table)

    def render(accept: str) -> tuple[str, bytes]:
        encode, content_type = choose_encoder(accept)
        return content_type, encode(registry)

    exporter = Exporter(
        settings.host, settings.port, render, token=settings.token(), targets=settings.targets
    )
    return Service(table, exporter)
