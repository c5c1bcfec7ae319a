"""A real Prometheus finds the exporter by its `file_sd` file and answers queries about a run."""

import json
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from grokwatch.monitor.health import Health
from grokwatch.monitor.records import Alert, Observation, RunEnded, RunStarted
from grokwatch.monitor.sinks.exporter_settings import Settings
from grokwatch.monitor.sinks.prometheus import PrometheusSink
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity
from tests.daemons import prometheus
from tests.prometheus_rules import FOLDER, RULES

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="no prometheus on this machine"
    ),
]  # fmt: skip


def configuration(tmp_path: Path, token: Path) -> dict[str, Any]:
    """What is committed, in a hurry, with the files of this test; its other hosts do not exist."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    content["global"] = dict.fromkeys(content["global"], "200ms")
    content["rule_files"] = [str(RULES / "*.yml")]
    jobs = {job["job_name"]: job for job in content["scrape_configs"]}
    jobs["grokwatch-service"]["authorization"] = {"credentials_file": str(token)}
    runs = jobs["grokwatch-runs"]
    runs["file_sd_configs"] = [
        {"files": [f"{tmp_path}/targets/*.json"], "refresh_interval": "200ms"}
    ]
    runs["authorization"] = {"credentials_file": str(token)}
    return content


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("t" * 32)
    return file


@pytest.fixture
def server(tmp_path: Path, token: Path) -> Iterator[str]:
    """Address of a Prometheus that watches `tmp_path/targets`."""
    with prometheus(tmp_path, yaml.safe_dump(configuration(tmp_path, token))) as address:
        yield address


def query(server: str, text: str) -> list[tuple[dict[str, str], float]]:
    address = f"{server}/api/v1/query?{urllib.parse.urlencode({'query': text})}"
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
    except (urllib.error.URLError, ConnectionError):
        return []
    return [(row["metric"], float(row["value"][1])) for row in result]


def eventually(server: str, text: str, value: float) -> dict[str, str]:
    """Ask until the one answer is `value`; its labels."""
    deadline = time.monotonic() + 30
    rows: list[tuple[dict[str, str], float]] = []
    while time.monotonic() < deadline:
        rows = query(server, text)
        if len(rows) == 1 and rows[0][1] == value:
            return rows[0][0]
        time.sleep(0.1)
    pytest.fail(f"{text} should be {value}, is {rows}")


@pytest.mark.parametrize("with_token", [False, True])
def test_a_real_prometheus_scrapes_a_run_until_it_ended(
    server: str, token: Path, tmp_path: Path, with_token: bool
) -> None:
    settings = Settings(
        port=0, targets=tmp_path / "targets", grace=0.0, token_file=token if with_token else None
    )
    sink = PrometheusSink(settings)
    name = 'seed 3 "<b>"\n{evil="1"} 1'
    sink.write([
        RunStarted(run_id="a", time=0.0, name=name, group="cyclic:67"),
        Observation(run_id="a", step=7, time=1.0, train_loss=0.5, values={"x.y@embedding": 42.5}),
    ])  # fmt: skip
    labels = eventually(server, "grokwatch_x_y_embedding", 42.5)
    assert labels["run"] == "seed 3 __b____evil=_1__ 1"
    assert labels["task"] == "cyclic:67"
    eventually(server, "grokwatch_observations_total", 1.0)
    eventually(server, 'scrape_samples_scraped{job="grokwatch-runs"} > bool 9', 1.0)
    sink.write([RunEnded(run_id="a", step=7, time=2.0, status=RunStatus.FINISHED)])
    eventually(server, "absent(grokwatch_x_y_embedding)", 1.0)
    eventually(server, "grokwatch_active_runs", 0.0)
    sink.close()
    eventually(server, 'absent(up{job="grokwatch-runs"})', 1.0)


def test_a_real_prometheus_takes_the_rules_and_raises_an_alert_of_a_run(
    server: str, tmp_path: Path
) -> None:
    health = Health(
        queue_depth=0, dropped={}, journal_failures=0, sink_failures={}, sink_lag={}, torn_bytes=0,
        journal_bytes=9, journal_quota_bytes=10,
    )  # fmt: skip
    sink = PrometheusSink(Settings(port=0, targets=tmp_path / "targets"))
    sink.watch("a", lambda: health, budget=0.01)
    sink.write([
        RunStarted(run_id="a", time=0.0, name="{{ .Foo }}", group="cyclic:67"),
        Alert(
            run_id="a", id="1", code=AlertCode.COLLAPSE, episode=1, severity=Severity.CRITICAL,
            state=AlertState.FIRING, step=1, time=0.0, message="",
        ),
    ])  # fmt: skip
    eventually(server, 'grokwatch:alert_firing:max{code="GRK003"}', 1.0)
    labels = eventually(server, 'ALERTS{alertname="GrokwatchCollapse"}', 1.0)
    assert labels["run"] == "__ .Foo __"
    assert (labels["task"], labels["code"], labels["severity"]) == (
        "cyclic:67",
        "GRK003",
        "critical",
    )
    eventually(server, 'ALERTS{alertname="GrokwatchJournalNearQuota"}', 1.0)
    eventually(server, 'grokwatch_dropped_records_total{reason="quota"}', 0.0)
    sink.close()
