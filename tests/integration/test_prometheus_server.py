"""A real Prometheus finds the exporter by its `file_sd` file and answers queries about a run."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokwatch.monitor.records import Observation, RunEnded, RunStarted
from grokwatch.monitor.sinks.exporter_settings import Settings
from grokwatch.monitor.sinks.prometheus import PrometheusSink
from grokwatch.monitor.vocabulary import RunStatus

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="no prometheus on this machine"
    ),
]  # fmt: skip

CONFIGURATION = """
global: {scrape_interval: 200ms, scrape_timeout: 200ms}
scrape_configs:
  - job_name: grokwatch
    sample_limit: 10000
    label_value_length_limit: 128
    body_size_limit: 10MB
    authorization: {credentials_file: TOKEN}
    file_sd_configs: [{files: ["TARGETS/*.json"], refresh_interval: 200ms}]
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("t" * 32)
    return file


@pytest.fixture
def server(tmp_path: Path, token: Path) -> Iterator[str]:
    """Address of a Prometheus that watches `tmp_path/targets`."""
    port = free_port()
    text = CONFIGURATION.replace("TARGETS", str(tmp_path / "targets"))
    (tmp_path / "prometheus.yml").write_text(text.replace("TOKEN", str(token)))
    command = [
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


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
    eventually(server, 'scrape_samples_scraped{job="grokwatch"} > bool 9', 1.0)
    sink.write([RunEnded(run_id="a", step=7, time=2.0, status=RunStatus.FINISHED)])
    eventually(server, "absent(grokwatch_x_y_embedding)", 1.0)
    eventually(server, "grokwatch_active_runs", 0.0)
    sink.close()
    eventually(server, 'absent(up{job="grokwatch"})', 1.0)
