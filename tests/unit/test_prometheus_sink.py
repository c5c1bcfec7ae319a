import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from grokwatch.monitor.records import Alert, Observation, RunEnded, RunStarted, SignalInfo
from grokwatch.monitor.sinks.exporter_settings import Settings
from grokwatch.monitor.sinks.names import label_value
from grokwatch.monitor.sinks.prometheus import PrometheusSink, services
from grokwatch.monitor.sinks.run_table import RunTable
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity

TARGETS = Path("unused")


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def started(run_id: str, name: str = "", group: str | None = None) -> RunStarted:
    signals = (SignalInfo(name="entropy", unit="nats", summary="Flat\nor <not>."),)
    return RunStarted(run_id=run_id, time=0.0, name=name, signals=signals, group=group)


def observed(run_id: str, step: int = 1) -> Observation:
    values = {"entropy@input": 2.0, "weight_norm": 3.0}
    return Observation(run_id=run_id, step=step, time=1.0, train_loss=0.5, values=values)


def ended(run_id: str) -> RunEnded:
    return RunEnded(run_id=run_id, step=9, time=2.0, status=RunStatus.FINISHED)


def registry_of(table: RunTable) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(table)
    return registry


def page(table: RunTable) -> str:
    return generate_latest(registry_of(table)).decode()


def runs_shown(table: RunTable) -> set[str]:
    families: Iterable[Metric] = parse(page(table))
    return {s.labels["run"] for family in families for s in family.samples if "run" in s.labels}


def truncated(table: RunTable) -> float | None:
    return registry_of(table).get_sample_value("grokwatch_series_truncated_total")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(clock: Clock) -> RunTable:
    return RunTable(Settings(targets=TARGETS, grace=60.0, runs=3, series=1000), clock)


def test_a_value_is_found_under_its_name_and_labels(table: RunTable) -> None:
    table.take(started("a", "my run", group="cyclic:67"))
    table.take(observed("a"))
    labels = {"run": "my run", "task": "cyclic:67"}
    registry = registry_of(table)
    assert registry.get_sample_value("grokwatch_entropy_input_nats", labels) == 2.0
    assert registry.get_sample_value("grokwatch_observations_total", labels) == 1.0
    assert registry.get_sample_value("grokwatch_active_runs") == 1.0


def test_an_alert_is_counted_under_its_code(table: RunTable) -> None:
    alert = Alert(
        run_id="a",
        id="1",
        code=AlertCode.COLLAPSE,
        episode=2,
        severity=Severity.WARNING,
        state=AlertState.FIRING,
        step=1,
        time=0.0,
        message="",
    )
    table.take(alert)
    labels = {"run": "a", "task": "", "code": "GRK003"}
    registry = registry_of(table)
    assert registry.get_sample_value("grokwatch_alerts_total", labels) == 2.0
    assert registry.get_sample_value("grokwatch_alert_firing", labels) == 1.0


def test_a_metric_of_several_runs_is_announced_once(table: RunTable) -> None:
    for run_id in ("a", "b", "c"):
        table.take(started(run_id))
        table.take(observed(run_id))
    text = page(table)
    announced = [line for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(announced) == len(set(announced))
    assert text.count("\ngrokwatch_weight_norm{") == 3


def test_openmetrics_takes_the_page_too(table: RunTable) -> None:
    table.take(started("a", "x"))
    table.take(observed("a"))
    text = generate_openmetrics(registry_of(table)).decode()  # type: ignore[no-untyped-call]
    families = parse_openmetrics(text)  # type: ignore[no-untyped-call]
    names = {family.name for family in families}
    assert {"grokwatch_weight_norm", "grokwatch_observations"} <= names


def test_series_vanish_a_fixed_time_after_the_end(table: RunTable, clock: Clock) -> None:
    table.take(observed("a"))
    table.take(ended("a"))
    clock.now = 59.0
    assert runs_shown(table) == {"a"}
    clock.now = 60.0
    assert runs_shown(table) == set()


def test_a_resumed_run_stays(table: RunTable, clock: Clock) -> None:
    for record in (observed("a"), ended("a"), started("a"), observed("a")):
        table.take(record)
    clock.now = 1000.0
    assert runs_shown(table) == {"a"}


def test_a_run_that_nobody_writes_any_more_vanishes_too(table: RunTable, clock: Clock) -> None:
    for run_id in ("a", "b", "c"):
        table.take(observed(run_id))
    table.take(ended("c"))
    clock.now = 50.0
    table.end(["a", "c", "unknown"])
    clock.now = 60.0
    assert runs_shown(table) == {"a", "b"}
    clock.now = 110.0
    assert runs_shown(table) == {"b"}


def test_runs_over_the_cap_are_counted_and_take_the_place_of_ended_ones(
    table: RunTable, clock: Clock
) -> None:
    for run_id in ("a", "b", "c", "d"):
        table.take(started(run_id))
        table.take(observed(run_id))
    assert runs_shown(table) == {"a", "b", "c"}
    assert truncated(table) == 3.0
    table.take(ended("b"))
    clock.now = 60.0
    table.take(observed("d"))
    assert runs_shown(table) == {"a", "c", "d"}


def test_series_over_the_cap_are_counted_at_each_scrape(clock: Clock) -> None:
    table = RunTable(Settings(targets=TARGETS, series=15), clock)
    for run_id in ("a", "b"):
        table.take(observed(run_id))
    assert runs_shown(table) == {"a"}
    first = truncated(table)
    assert first is not None
    assert (truncated(table) or 0.0) > first > 0.0


def test_a_hundred_thousand_run_names_stay_within_the_cap(clock: Clock) -> None:
    table = RunTable(Settings(targets=TARGETS), clock)
    for number in range(100_000):
        table.take(observed(f"run-{number}"))
    assert len(runs_shown(table)) == 100
    assert truncated(table) == 2 * 99_900


def test_runs_of_one_name_stay_apart(table: RunTable) -> None:
    for run_id in ("12345678a", "12345678b", "12345678c"):
        table.take(started(run_id, "same <name>" + "x" * 200))
        table.take(observed(run_id))
    assert len(runs_shown(table)) == 3
    assert "12345678c" in runs_shown(table)


@given(st.lists(st.text(st.characters()), min_size=1, max_size=5, unique=True))
def test_any_name_makes_one_sample_a_line_and_no_other_series(names: list[str]) -> None:
    table = RunTable(Settings(targets=TARGETS), Clock())
    for number, name in enumerate(names):
        table.take(started(f"id-{number}", name, group=name))
        table.take(observed(f"id-{number}"))
    text = page(table)
    families = {family.name: family for family in parse(text)}
    shown = [sample.labels["run"] for sample in families["grokwatch_weight_norm"].samples]
    assert len(shown) == len(set(shown)) == len(names)
    assert shown[0] == label_value(names[0] or "id-0")
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == sum(len(family.samples) for family in families.values())
    assert all(line.startswith("grokwatch_") for line in samples)


ODD_NAMES = [
    "a\nb 1\n# TYPE x counter",
    'quo"te',
    "back\\slash",
    "<img src=x onerror=alert(1)>",
    "{__name__='x'}",
    "\u202egnp.exe",
    "\ud800",
    "\0",
    "größe 日本 🙂",
    "x" * 500,
]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool on this machine")
def test_promtool_finds_nothing_wrong_with_the_page() -> None:
    table = RunTable(Settings(targets=TARGETS), Clock())
    for number, name in enumerate(ODD_NAMES):
        table.take(started(f"id-{number}", name, group=name))
        table.take(observed(f"id-{number}"))
    command = ["promtool", "check", "metrics"]
    done = subprocess.run(command, input=page(table), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def open_sink(tmp_path: Path) -> Iterator[Callable[[], PrometheusSink]]:
    """Sinks that share settings, and so an exporter; port 0 is a free one."""
    sinks: list[PrometheusSink] = []

    def make() -> PrometheusSink:
        sinks.append(PrometheusSink(Settings(port=0, targets=tmp_path)))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


def scrape(sink: PrometheusSink) -> str:
    assert sink.exporter is not None
    with urllib.request.urlopen(f"http://{sink.exporter.address}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


@pytest.mark.network
def test_sinks_of_one_process_share_an_exporter_until_the_last_closes(
    open_sink: Callable[[], PrometheusSink], tmp_path: Path
) -> None:
    first, second = open_sink(), open_sink()
    assert first.exporter is None
    first.write([observed("a")])
    second.write([observed("b")])
    assert first.exporter is second.exporter
    assert scrape(first).count("\ngrokwatch_step{") == 2
    first.close()
    assert scrape(second).count("\ngrokwatch_step{") == 2
    second.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.network
def test_a_closed_sink_that_is_written_again_opens_again(
    open_sink: Callable[[], PrometheusSink],
) -> None:
    sink = open_sink()
    sink.write([observed("a")])
    sink.close()
    sink.write([observed("b")])
    assert "grokwatch_step{" in scrape(sink)


def test_a_forked_child_would_not_share() -> None:
    assert services(os.getpid()) is services(os.getpid())
    assert services(os.getpid()) is not services(-1)
