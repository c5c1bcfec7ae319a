"""A real Prometheus that holds every metric takes every query of the dashboards and answers it."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus

import httpx
import pytest

from dashboards.grafana.boards import BOARDS
from dashboards.grafana.build import FOLDER
from dashboards.grafana.queries import queries
from tests.dashboard_metrics import example_series
from tests.waiting import until

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="no prometheus on this machine"
    ),
]  # fmt: skip

SECONDS = range(0, 600, 15)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/-/ready", timeout=10) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


@pytest.fixture(scope="module")
def newest() -> int:
    """Time of the newest sample."""
    return int(time.time()) - 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, newest: int) -> Iterator[str]:
    """Address of a Prometheus that holds ten minutes of every metric."""
    folder = tmp_path_factory.mktemp("prometheus")
    lines = [
        f"{series} {1 + 0.01 * index * series.partition('{')[0].endswith(('_total', '_bucket'))} "
        f"{newest - SECONDS[-1] + second}"
        for series in example_series()
        for index, second in enumerate(SECONDS)
    ]
    (folder / "history.txt").write_text("\n".join([*lines, "# EOF", ""]))
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 15s}\n")
    fill = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "history.txt", "data"]
    subprocess.run(fill, cwd=folder, check=True, capture_output=True)
    port = _free_port()
    command = [
        "prometheus",
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: _answers(f"http://127.0.0.1:{port}"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_of_a_dashboard_is_answered(name: str, server: str, newest: int) -> None:
    dashboard = json.loads((FOLDER / f"{name}.json").read_text())
    asked = queries(dashboard, {"run": "run", "task": "cyclic:67"})
    assert asked
    with httpx.Client(base_url=server) as client:
        for title, expression in asked:
            parameters: dict[str, str | int] = {"query": expression, "time": newest}
            answer = client.get("/api/v1/query", params=parameters).json()
            assert answer["status"] == "success", (title, expression, answer)
            assert answer["data"]["result"], (title, expression)
