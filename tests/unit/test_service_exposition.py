import math
import shutil
import subprocess
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as parse

from grokwatch.monitor.records import SignalInfo
from grokwatch.monitor.service.exposition.families import Families
from grokwatch.monitor.service.exposition.runs import RunSeries
from grokwatch.monitor.service.exposition.service import totals_text
from grokwatch.monitor.service.metric_names import SERVICE_METRICS
from grokwatch.monitor.service.views import RunRow, Totals
from grokwatch.monitor.sinks.names import METRICS, label_value
from tests.service_rows import HOOK
from tests.service_stand_in import StandIn
from tests.service_web import BEARER, app_of, ask, observed, put, started, stocked

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


def page(store: StandIn, **settings: Any) -> str:
    answer = ask(app_of(store, **settings), "GET", "/metrics", headers=BEARER)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


def families_of(text: str) -> dict[str, Metric]:
    families = list(parse(text))
    assert len({family.name for family in families}) == len(families), "announced twice"
    return {family.name: family for family in families}


def value_of(text: str, name: str, **labels: str) -> float:
    samples = [sample for family in parse(text) for sample in family.samples]
    found = [s.value for s in samples if s.name == name and s.labels == labels]
    assert len(found) == 1, (name, labels)
    return float(found[0])


def stock(names: list[str]) -> StandIn:
    store = StandIn()
    for number, name in enumerate(names):
        put(store, started(f"id-{number}", name, group=name), observed(f"id-{number}"))
    return store


def test_a_run_has_the_names_that_the_training_side_gives_it() -> None:
    text = page(stock(["my run"]))
    labels = {"run": "my run", "task": "my run"}
    assert value_of(text, "grokwatch_entropy_input_nats", **labels) == 2.0
    assert value_of(text, "grokwatch_train_loss", **labels) == 0.5
    assert value_of(text, "grokwatch_step", **labels) == 2.0
    assert value_of(text, "grokwatch_stage", **labels) == 1.0
    assert value_of(text, "grokwatch_alert_firing", **labels, code="GRK003") == 0.0
    assert "# HELP grokwatch_entropy_input_nats Flat or <not>.\n" in text
    named = {metric.prometheus for metric in METRICS}
    known = [name for name in named if f"\n# TYPE {name} " in text]
    assert "grokwatch_probability" in known


def test_the_service_says_everything_that_its_page_of_metrics_lists() -> None:
    store = stocked()
    text = page(store)
    announced = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    own = {name for name in announced if name.startswith("grokwatch_service_")}
    # Before the first answer there is none to count.
    missing = {metric.prometheus for metric in SERVICE_METRICS} - own
    assert missing == {"grokwatch_service_requests_total"}
    assert value_of(text, "grokwatch_service_stored_records_total") == 4.0
    assert value_of(text, "grokwatch_service_hook_gone", hook=HOOK) == 0.0
    assert value_of(text, "grokwatch_alert_firing", run="a", task="", code="GRK003") == 1.0


def test_the_histogram_of_commits_is_whole() -> None:
    text = page(stocked())
    name = "grokwatch_service_commit_seconds"
    assert [value_of(text, f"{name}_bucket", le=le) for le in ("0.01", "0.1", "+Inf")] == [1, 2, 3]
    assert value_of(text, f"{name}_count") == 3.0
    assert value_of(text, f"{name}_sum") == 0.25


def test_requests_are_counted_by_route_and_never_by_path() -> None:
    app = app_of(stocked())
    for path in ("/v1/runs/a", "/v1/runs/b", "/nowhere-1", "/nowhere-2", "/x//y"):
        ask(app, "GET", path, headers=BEARER)
    ask(app, "GET", "/v1/runs/a")
    text = ask(app, "GET", "/metrics", headers=BEARER).text
    name = "grokwatch_service_requests_total"
    assert value_of(text, name, route="/v1/runs/:run_id", status="200") == 1.0
    assert value_of(text, name, route="/v1/runs/:run_id", status="404") == 1.0
    assert value_of(text, name, route="-", status="401") == 1.0
    assert value_of(text, name, route="-", status="404") == 2.0
    assert value_of(text, name, route="-", status="400") == 1.0
    assert "nowhere" not in text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 5e-324, -0.0])
def test_values_of_every_kind_read_back(value: float) -> None:
    store = StandIn()
    put(store, observed("a", seq=1, values={"x": value}))
    read = value_of(page(store), "grokwatch_x", run="a", task="")
    assert math.copysign(1, read) == math.copysign(1, value) or math.isnan(value)
    assert read == value or (math.isnan(read) and math.isnan(value))


@given(st.lists(st.text(st.characters()), min_size=1, max_size=5, unique=True))
def test_any_name_makes_one_sample_a_line_and_no_other_series(names: list[str]) -> None:
    text = RunSeries(stock(names), top=10).text(200.0)
    families = families_of(text)
    shown = [sample.labels["run"] for sample in families["grokwatch_weight_norm"].samples]
    assert len(shown) == len(set(shown)) == len(names)
    assert shown[0] == label_value(names[0] or "id-0")
    samples = [line for line in text.split("\n") if line and not line.startswith("#")]
    assert len(samples) == sum(len(family.samples) for family in families.values())
    assert all(line.startswith("grokwatch_") for line in samples)


@given(
    st.dictionaries(
        st.text(st.characters(), max_size=12)
        | st.sampled_from(["alert_firing", "service_runs", "stage", "x_total", "x", "x_bucket"]),
        st.floats(),
        max_size=6,
    )
)
def test_any_key_makes_a_page_that_can_be_read(values: dict[str, float]) -> None:
    store = StandIn()
    put(store, started(), observed(values=values))
    text = RunSeries(store, top=10).text(200.0)
    families = families_of(text)
    for family in families.values():
        labels = [tuple(sample.labels.items()) for sample in family.samples]
        assert len(labels) == len(set(labels))
    assert not [name for name in families if name.startswith("grokwatch_service_")]
    assert {sample.value for sample in families["grokwatch_stage"].samples} == {1.0}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool on this machine")
def test_promtool_finds_nothing_wrong_with_the_page() -> None:
    store = stock(ODD_NAMES)
    odd = {"alert_firing": 1.0, "service_runs": math.inf, "x_total": math.nan, "é": 1.0, "": 2.0}
    put(store, observed("id-0", seq=3, values=odd))
    app = app_of(store)
    ask(app, "GET", "/v1/runs", headers=BEARER)
    text = ask(app, "GET", "/metrics", headers=BEARER).text
    command = ["promtool", "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class ManyRuns:
    """A reader of runs that are made as they are asked for."""

    def __init__(self, number: int) -> None:
        self.store = stock(["x"])
        self.number = number
        self.first = 0
        self.asked = 0

    def top(self, limit: int) -> tuple[RunRow, ...]:
        row = self.store.top(1)[0]
        numbers = range(self.first, self.first + min(limit, self.number))
        return tuple(
            msgspec.structs.replace(row, run_id=f"run-{n:07}", name=f"name {n}") for n in numbers
        )

    def newest(self, run_ids: list[str]) -> dict[str, dict[str, float]]:
        return {run_id: {f"s{n}": float(n) for n in range(50)} for run_id in run_ids}

    def run(self, run_id: str) -> object:
        self.asked += 1
        return self.store.run("id-0")


def test_many_names_stay_within_the_cap_and_are_counted() -> None:
    series = RunSeries(ManyRuns(20_000), top=20_000)  # type: ignore[arg-type]
    lines = [line for line in series.text(200.0).splitlines() if not line.startswith("#")]
    assert 9_900 < len(lines) <= 10_000
    first = series.num_truncated
    assert first > 1_000_000
    series.text(200.0)
    assert series.num_truncated == 2 * first


def test_what_left_the_top_is_forgotten_and_what_stayed_is_not_asked_again() -> None:
    runs = ManyRuns(50)
    series = RunSeries(runs, top=50)  # type: ignore[arg-type]
    series.text(200.0)
    series.text(200.0)
    assert runs.asked == 50
    runs.first = 25
    text = series.text(200.0)
    assert runs.asked == 75
    assert 'run="name 24"' not in text
    assert 'run="name 74"' in text


def test_a_label_stays_while_another_run_of_its_name_comes_and_goes() -> None:
    store = stock(["same", "same"])
    series = RunSeries(store, top=10)
    for _ in range(2):
        text = series.text(200.0)
        assert 'grokwatch_step{run="same",task="same"} ' in text
        assert 'grokwatch_step{run="id-1 same",task="same"} ' in text
        store.records = dict(reversed(store.records.items()))
    del store.records["id-0"]
    assert 'grokwatch_step{run="id-1 same",task="same"} ' in series.text(200.0)


def test_a_run_whose_name_and_id_are_taken_has_a_label_of_its_own() -> None:
    store = StandIn()
    for run_id, name in (("id-1", "id-9"), ("id-2", "id-9 id-9"), ("id-9", "id-9")):
        put(store, started(run_id, name), observed(run_id))
    text = RunSeries(store, top=10).text(200.0)
    families = families_of(text)
    shown = {sample.labels["run"] for sample in families["grokwatch_step"].samples}
    assert shown == {"id-9", "id-9 id-9", "id-9 2"}


def test_a_new_attempt_may_name_its_signals_anew() -> None:
    store = stock(["a"])
    series = RunSeries(store, top=10)
    assert "grokwatch_entropy_input_nats{" in series.text(200.0)
    signals = (SignalInfo(name="entropy", unit="bits", summary="In bits."),)
    put(store, msgspec.structs.replace(started("id-0", "a"), attempt=2, signals=signals, seq=3))
    text = series.text(200.0)
    assert "grokwatch_entropy_input_bits{" in text
    assert "grokwatch_entropy_input_nats" not in text


def test_too_many_metrics_are_forgotten_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = stock(["a"])
    series = RunSeries(store, top=10)
    before = series.text(200.0)
    monkeypatch.setattr(Families, "is_full", True)
    assert sorted(series.text(200.0).splitlines()) == sorted(before.splitlines())


def test_no_run_has_series_where_none_is_asked_for() -> None:
    text = page(stocked(), top_runs=0)
    assert "grokwatch_train_loss" not in text
    assert value_of(text, "grokwatch_service_runs", status="running") == 1.0


def test_what_never_happened_is_shown_as_none() -> None:
    totals = Totals(
        runs={"failed": 2},
        stages={},
        firing={},
        deliveries={},
        num_observations=0,
        num_late=0,
        last_seen=None,
    )
    lines = totals_text(totals).splitlines()
    assert 'grokwatch_service_runs{status="failed"} 2' in lines
    assert 'grokwatch_service_runs{status="running"} 0' in lines
    assert 'grokwatch_service_firing_alerts{code="GRK004"} 0' in lines
    assert 'grokwatch_service_deliveries{status="dead"} 0' in lines
    assert 'grokwatch_service_running_runs{stage="cleanup"} 0' in lines
