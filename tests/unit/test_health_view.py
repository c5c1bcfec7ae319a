"""What the exporter says of a run's records: how its sinks fare, what was dropped, what room is."""

import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
import torch
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as parse
from torch import nn

from grokwatch.callbacks.loop import LoopMonitor
from grokwatch.callbacks.opening import shown
from grokwatch.monitor.errors import SinkError
from grokwatch.monitor.health import DROP_REASONS, Health
from grokwatch.monitor.records import AnyRecord, Observation, RunEnded, RunStarted
from grokwatch.monitor.sinks.exporter_settings import Settings
from grokwatch.monitor.sinks.health_metrics import HEALTH_METRICS
from grokwatch.monitor.sinks.health_view import HealthView
from grokwatch.monitor.sinks.names import METRICS
from grokwatch.monitor.sinks.prometheus import PrometheusSink
from grokwatch.monitor.sinks.run_table import RunTable
from grokwatch.monitor.vocabulary import RunStatus
from tests.waiting import until

HEALTH = Health(
    queue_depth=0,
    dropped={"quota": 3},
    journal_failures=0,
    sink_failures={"mlflow:http://tracker:5000/x": 2, "prometheus:127.0.0.1:9109": 0},
    sink_lag={"mlflow:http://tracker:5000/x": 40},
    torn_bytes=0,
    journal_bytes=1000,
    journal_quota_bytes=4000,
)


def samples(view: HealthView) -> dict[tuple[str, str], float]:
    return {(s.metric.prometheus, s.detail): s.value for s in view.samples()}


def table_of(health: Health, *records: AnyRecord) -> RunTable:
    table = RunTable(Settings(targets=Path("unused"), grace=0.0), lambda: 0.0)
    for record in records:
        table.take(record, HealthView(lambda: health, 0.01))
    return table


def page(table: RunTable) -> str:
    registry = CollectorRegistry()
    registry.register(table)
    return generate_latest(registry).decode()


def test_every_figure_of_the_health_has_its_metric() -> None:
    found = samples(HealthView(lambda: HEALTH, 0.01))
    assert found["grokwatch_budget_ratio", ""] == 0.01
    assert found["grokwatch_journal_bytes", ""] == 1000
    assert found["grokwatch_journal_quota_bytes", ""] == 4000
    assert found["grokwatch_sink_failures_total", "mlflow:http://tracker:5000/x"] == 2
    assert found["grokwatch_sink_failures_total", "prometheus:127.0.0.1:9109"] == 0
    assert found["grokwatch_sink_lag_records", "mlflow:http://tracker:5000/x"] == 40
    dropped = {reason: found["grokwatch_dropped_records_total", reason] for reason in DROP_REASONS}
    assert dropped == dict.fromkeys(DROP_REASONS, 0) | {"quota": 3}
    assert {name for name, _ in found} == {metric.prometheus for metric in HEALTH_METRICS}
    assert set(HEALTH_METRICS) <= set(METRICS)


def test_without_a_budget_there_is_none_to_show() -> None:
    assert ("grokwatch_budget_ratio", "") not in samples(HealthView(lambda: HEALTH))


def test_targets_that_are_cut_to_one_text_count_together() -> None:
    long = "mlflow:http://tracker/" + "x" * 200
    health = msgspec.structs.replace(
        HEALTH, sink_failures={f"{long}1": 1, f"{long}2": 2, 'odd"\n<b>': 4}, sink_lag={}
    )
    found = samples(HealthView(lambda: health))
    labels = {label: v for (name, label), v in found.items() if name.endswith("failures_total")}
    assert labels == {long[:128]: 3, "odd___b_": 4}


def test_a_scrape_asks_anew_and_says_each_series_once() -> None:
    healths = iter([HEALTH, msgspec.structs.replace(HEALTH, journal_bytes=2000)])
    table = RunTable(Settings(targets=Path("unused")), lambda: 0.0)
    started = RunStarted(run_id="a", time=0.0, name="seed 3", group="cyclic:67")
    table.take(started, HealthView(lambda: next(healths)))
    labels = '{run="seed 3",task="cyclic:67"}'
    assert f"grokwatch_journal_bytes{labels} 1000.0" in page(table)
    text = page(table)
    assert f"grokwatch_journal_bytes{labels} 2000.0" in text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    keys = [line.rpartition(" ")[0] for line in lines]
    assert len(keys) == len(set(keys))


def test_a_signal_that_is_called_as_the_health_is_not_shown() -> None:
    values = {"journal_bytes": 7.0}
    seen = Observation(run_id="a", step=1, time=1.0, train_loss=0.5, values=values)
    (family,) = (f for f in parse(page(table_of(HEALTH, seen))) if f.name.endswith("journal_bytes"))
    assert [sample.value for sample in family.samples] == [1000.0]


def test_the_health_of_a_run_that_ended_goes_with_it() -> None:
    ended = RunEnded(run_id="a", step=1, time=1.0, status=RunStatus.FINISHED)
    table = table_of(HEALTH, RunStarted(run_id="a", time=0.0), ended)
    assert "journal_bytes{" not in page(table)


def test_hooks_are_shown_without_what_may_be_secret() -> None:
    secret = "hook:webhook:https://hooks.example.com/T1/B2/token,secret=env:S"
    health = msgspec.structs.replace(
        HEALTH, sink_failures={secret: 1, "mlflow:http://tracker/x": 2}, sink_lag={secret: 3}
    )
    found = shown(health)
    (name,) = found.sink_lag
    assert name.startswith("hook:webhook:https://hooks.example.com#")
    assert found.sink_failures == {name: 1, "mlflow:http://tracker/x": 2}


class Broken:
    """A sink that fails until it is mended."""

    live = False

    def __init__(self) -> None:
        self.is_mended = threading.Event()

    def write(self, records: Sequence[AnyRecord], /) -> None:
        if not self.is_mended.is_set():
            msg = "broken"
            raise SinkError(msg)

    def close(self) -> None:
        pass


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Callable[..., tuple[LoopMonitor, PrometheusSink]]]:
    """Monitors of a small model with an exporter of their own, closed afterwards."""
    monitors: list[LoopMonitor] = []

    def make(*others: Broken, budget: float | None = 0.01) -> tuple[LoopMonitor, PrometheusSink]:
        sink = PrometheusSink(Settings(port=0, targets=tmp_path / "targets"))
        monitor = LoopMonitor(
            nn.Linear(3, 2), sinks=(sink, *others), directory=tmp_path, name="small", budget=budget
        )
        monitors.append(monitor)
        return monitor, sink

    yield make
    for monitor in monitors:
        monitor.close()


def scraped(sink: PrometheusSink) -> dict[str, float]:
    until(lambda: sink.exporter is not None)
    assert sink.exporter is not None
    with urllib.request.urlopen(f"http://{sink.exporter.address}/metrics", timeout=10) as answer:
        families = parse(answer.read().decode())
    return {
        f"{s.name}{s.labels.get('sink', s.labels.get('reason', ''))}": s.value
        for family in families
        for s in family.samples
    }


@pytest.mark.network
def test_a_watched_run_shows_a_failing_sink_its_lag_and_its_budget(
    watched: Callable[..., tuple[LoopMonitor, PrometheusSink]],
) -> None:
    broken = Broken()
    monitor, sink = watched(broken, budget=0.02)
    monitor.after_update(torch.tensor(0.5))
    until(lambda: scraped(sink).get("grokwatch_sink_failures_totalBroken:1"))
    found = scraped(sink)
    assert found["grokwatch_budget_ratio"] == 0.02
    assert found["grokwatch_sink_lag_recordsBroken:1"] >= 1
    assert found["grokwatch_sink_failures_totalPrometheusSink:0"] == 0
    assert found["grokwatch_journal_quota_bytes"] == 256 * 2**20
    assert 0 < found["grokwatch_journal_bytes"] < 100_000
    assert found["grokwatch_dropped_records_totalquota"] == 0
    broken.is_mended.set()


@pytest.mark.network
def test_a_run_without_a_budget_shows_none(
    watched: Callable[..., tuple[LoopMonitor, PrometheusSink]],
) -> None:
    monitor, sink = watched(budget=None)
    monitor.after_update(torch.tensor(0.5))
    until(lambda: "grokwatch_journal_bytes" in scraped(sink))
    assert "grokwatch_budget_ratio" not in scraped(sink)
