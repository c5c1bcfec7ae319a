"""A real Prometheus that holds every metric takes every query of the dashboards and answers it."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from dashboards.grafana.boards import BOARDS
from dashboards.grafana.build import FOLDER
from dashboards.grafana.queries import queries
from tests.daemons import prometheus
from tests.dashboard_metrics import example_series

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="no prometheus on this machine"
    ),
]  # fmt: skip

SECONDS = range(0, 600, 15)


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
    fill = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "history.txt", "prometheus"]
    subprocess.run(fill, cwd=folder, check=True, capture_output=True)
    with prometheus(folder, "global: {scrape_interval: 15s}\n") as address:
        yield address


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
