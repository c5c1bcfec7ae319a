"""The runs that a process shows, as metric families: collected anew at each scrape."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

from grokwatch.monitor.records import AnyRecord, Observation, RunStarted
from grokwatch.monitor.sinks.exporter_settings import Settings
from grokwatch.monitor.sinks.health_view import HealthView
from grokwatch.monitor.sinks.names import METRICS, Metric, label_value
from grokwatch.monitor.sinks.run_view import RunView, Sample

Family = CounterMetricFamily | GaugeMetricFamily

_METRICS = {metric.prometheus: metric for metric in METRICS}


class GrokkingCollector:
    """Collects the series of one run from its newest view.

    Args:
        run_id: the run.
        clock: monotonic seconds.

    Attributes:
        label: value of the `run` label.
        view: the newest view; replaced whole, never changed.
        health: how its records fare, None where nobody says.
    """

    def __init__(self, run_id: str, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.view = RunView(run_id=run_id)
        self.label = label_value(run_id)
        self.health: HealthView | None = None

    def collect(self) -> Iterator[Family]:
        """Yield a family a metric, each with this run's samples."""
        task = label_value(self.view.task)
        families: dict[str, Family] = {}
        for metric, value, detail in self._samples():
            family = families.setdefault(metric.prometheus, _family(metric))
            family.add_metric([self.label, task, detail][: len(metric.labels)], value)
        yield from families.values()

    def _samples(self) -> Iterator[Sample]:
        # health wins: a signal may be called as something of the health is
        own = () if self.health is None else tuple(self.health.samples())
        taken = {sample.metric.prometheus for sample in own}
        for sample in self.view.samples(self._clock()):
            if sample.metric.prometheus not in taken:
                yield sample
        yield from own


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

    def take(self, record: AnyRecord, health: HealthView | None = None) -> None:
        """Show a record, unless its run finds no place; then its values are counted as left out.

        Args:
            record: of any run.
            health: how the records of that run fare, where somebody says.
        """
        now = self._clock()
        with self._lock:
            collector = self._place(record.run_id, now)
            if collector is None:
                self._num_truncated += len(record.values) if isinstance(record, Observation) else 1
                return
            collector.view = collector.view.after(record, now)
            collector.health = health or collector.health
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
