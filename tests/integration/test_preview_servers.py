import shutil
import urllib.request
from pathlib import Path

import pytest

from dashboards.preview.servers import prometheus, scraping

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="no prometheus on this machine"
    ),
]  # fmt: skip


def test_a_real_prometheus_takes_what_the_rehearsal_tells_it_to_scrape(tmp_path: Path) -> None:
    (tmp_path / "targets").mkdir()
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: []")
    configuration = scraping(tmp_path, "127.0.0.1:9", [rules])
    with (
        prometheus(tmp_path, configuration=configuration) as address,
        urllib.request.urlopen(f"{address}/api/v1/status/config", timeout=10) as answer,
    ):
        shown = answer.read().decode()
    for job in ("grokwatch-runs", "grokwatch-service", "prometheus"):
        assert f"job_name: {job}" in shown


def test_a_server_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"Expected an answer from http.*Try what it said last"),
        prometheus(tmp_path, configuration="nonsense"),
    ):
        pytest.fail("it started")
