"""A real Alertmanager with the committed configuration: who is told, and what is held back."""

import datetime
import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.daemons import alertmanager
from tests.prometheus_rules import ALERTMANAGER
from tests.receivers import Receiver
from tests.waiting import until

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("prometheus-alertmanager") is None, reason="no alertmanager on this machine"
    ),
]  # fmt: skip

WEBHOOKED = ("critical", "warning")


def configuration(told: str) -> dict[str, Any]:
    """What is committed, in a hurry, and with the example's webhook where people want it."""
    content: dict[str, Any] = yaml.safe_load(ALERTMANAGER.read_text())
    content["route"] |= {"group_wait": "100ms", "group_interval": "200ms"}
    (webhook,) = next(r for r in content["receivers"] if r["name"] == "example")["webhook_configs"]
    for receiver in content["receivers"]:
        if receiver["name"] in WEBHOOKED:
            url = f"http://{told}/{receiver['name']}"
            receiver["webhook_configs"] = [{**webhook, "url": url}]
    return content


@pytest.fixture
def told() -> Iterator[Receiver]:
    """Whom the Alertmanager tells."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def server(tmp_path: Path, told: Receiver) -> Iterator[str]:
    """Address of an Alertmanager."""
    with alertmanager(tmp_path, yaml.safe_dump(configuration(told.authority))) as address:
        yield address


def post(server: str, *alerts: dict[str, str]) -> None:
    """Post alerts that are on for ten minutes, as Prometheus does."""
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10)
    body = json.dumps([{"labels": labels, "endsAt": ends.isoformat()} for labels in alerts])
    request = urllib.request.Request(
        f"{server}/api/v2/alerts", body.encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


def states(server: str) -> dict[tuple[str, str], str]:
    """Each alert's state by its name and run: active or suppressed."""
    with urllib.request.urlopen(f"{server}/api/v2/alerts", timeout=10) as answer:
        entries = json.load(answer)
    return {
        (entry["labels"]["alertname"], entry["labels"].get("run", "")): entry["status"]["state"]
        for entry in entries
    }


def verdict(name: str, code: str, run: str, severity: str = "warning") -> dict[str, str]:
    labels = {"alertname": name, "code": code, "run": run, "severity": severity}
    return labels | ({"task": "t"} if name.startswith("Grokwatch") else {})


LIKELY = ("GrokwatchLikelyGrokking", "GRK001")


def test_severities_go_to_their_receivers_and_runs_of_a_task_are_one_message(
    server: str, told: Receiver
) -> None:
    post(
        server,
        verdict(*LIKELY, "a"),
        verdict(*LIKELY, "b"),
        verdict("GrokwatchCollapse", "GRK003", "c", "critical"),
        {"alertname": "GrokwatchOther", "severity": "info"},
    )
    until(lambda: len(told.requests) >= 2)
    messages = {request.line.split()[1]: request.json for request in told.requests}
    assert set(messages) == {"/critical", "/warning"}
    runs = {alert["labels"]["run"] for alert in messages["/warning"]["alerts"]}
    assert runs == {"a", "b"}
    (collapse,) = messages["/critical"]["alerts"]
    assert collapse["labels"]["alertname"] == "GrokwatchCollapse"


def test_a_run_that_is_stuck_or_collapses_is_not_called_likely_to_grok(server: str) -> None:
    post(
        server,
        verdict("GrokwatchNumericallyStuck", "GRK004", "stuck"),
        verdict("GrokwatchCollapse", "GRK003", "falling", "critical"),
        *(verdict(*LIKELY, run) for run in ("stuck", "falling", "fine")),
    )
    expected = {
        ("GrokwatchNumericallyStuck", "stuck"): "active",
        ("GrokwatchCollapse", "falling"): "active",
        ("GrokwatchLikelyGrokking", "stuck"): "suppressed",
        ("GrokwatchLikelyGrokking", "falling"): "suppressed",
        ("GrokwatchLikelyGrokking", "fine"): "active",
    }
    until(lambda: states(server) == expected)


def test_while_the_service_is_down_runs_are_not_called_stale(server: str) -> None:
    stale = {"alertname": "GrokwatchObservationStale", "severity": "warning", "run": "a"}
    failing = {"alertname": "GrokwatchSinkFailing", "severity": "warning", "run": "a"}
    down = {"alertname": "GrokwatchServiceDown", "severity": "critical"}
    post(server, down, stale, failing)
    expected = {
        ("GrokwatchServiceDown", ""): "active",
        ("GrokwatchObservationStale", "a"): "suppressed",
        ("GrokwatchSinkFailing", "a"): "active",
    }
    until(lambda: states(server) == expected)
    post(server, {"alertname": "GrokwatchNoMonitor", "severity": "critical"})
    until(lambda: states(server)["GrokwatchServiceDown", ""] == "suppressed")
    assert states(server)["GrokwatchNoMonitor", ""] == "active"


def test_a_verdict_that_the_services_hook_posted_is_not_told_again(server: str) -> None:
    post(
        server,
        verdict("LikelyGrokking", "GRK001", "8f3a"),
        *(verdict(*LIKELY, run) for run in ("8f3a", "another")),
        verdict("GrokwatchWillNotGrok", "GRK002", "8f3a"),
    )
    expected = {
        ("LikelyGrokking", "8f3a"): "active",
        ("GrokwatchLikelyGrokking", "8f3a"): "suppressed",
        ("GrokwatchLikelyGrokking", "another"): "active",
        ("GrokwatchWillNotGrok", "8f3a"): "active",
    }
    until(lambda: states(server) == expected)
