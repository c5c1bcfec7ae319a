"""The stack as people start it, from its own files: a run is trained, and told of by both ways.

`make stack-test` runs this file and shows what it prints.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.grafana.queries import queries
from grokwatch.monitor import journal
from grokwatch.monitor.records import Alert, RunEnded, RunStarted
from grokwatch.monitor.vocabulary import AlertCode, AlertState
from tests.daemons import fetch
from tests.service_process import TOKEN, Receiver
from tests.stack import DASHBOARDS, ROOT, Stack, started
from tests.stack_trainer import RUN, STEPS
from tests.waiting import until

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(900)]

BOARDS = ("fleet", "run", "sweep", "service")
ALERT = "GrokwatchLikelyGrokking"
WAIT_SECONDS = 240.0

GIVEN = {"run": RUN, "task": "cyclic:67"}

SILENT = {
    "grokwatch_(coordinate_": "this task has tokens; inputs of bits have coordinates",
    "grokwatch_(walsh_": "as coordinates",
    'code="GRK002"': "the run is not hopeless; it may seem so for a while",
    'code="GRK003"': "nor does it collapse",
    'code="GRK004"': "nor does it stall",
    'status=~"3..': "nobody was sent elsewhere",
    'status=~"4..': "nobody asked wrongly",
    'status=~"5..': "the service did not fail",
}
"""Part of a query -> why it finds nothing of a healthy run on modular addition."""


class Watched:
    """A stack, and a run that was trained under it."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        (directory,) = (folder / "watched" / "runs").iterdir()
        self.stack = stack
        self.run_id = directory.name
        self.records = tuple(journal.read(directory))
        self.warnings = [
            record
            for record in self.records
            if isinstance(record, Alert) and record.code is AlertCode.LIKELY_GROKKING
        ]
        self.started = next(r.time for r in self.records if isinstance(r, RunStarted))


@pytest.fixture(scope="module")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Prints a line at once, past pytest's capture."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    return say


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, say: Callable[[str], None]
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("stack")
    say("\nstarting")
    with started(folder, lambda part: say(f"  {part}")) as stack:
        say(f"training {STEPS:,} steps")
        _train(folder, stack)
        yield Watched(stack, folder)
        say("stopping all of it")


def _train(folder: Path, stack: Stack) -> None:
    """A run that is pushed to the service, scraped by Prometheus, and logged to MLflow."""
    sinks = (
        f"remote:{stack.service.address}",
        f"prometheus:127.0.0.1:0?targets={stack.targets}",
        f"mlflow:{stack.mlflow}/grokking",
    )
    with (folder / "trainer.txt").open("wb") as log:
        code = subprocess.call(
            [sys.executable, "-m", "tests.stack_trainer", str(folder / "watched"), *sinks],
            cwd=ROOT,
            env={**os.environ, "GROKWATCH_TOKEN": TOKEN},
            stdout=log,
            stderr=log,
        )
    assert code == 0, (folder / "trainer.txt").read_text()


def test_the_alert_comes_by_the_services_own_hook_and_through_prometheus(
    watched: Watched, say: Callable[[str], None]
) -> None:
    stack = watched.stack
    raised = next(alert for alert in watched.warnings if alert.state is AlertState.FIRING)
    until(lambda: any(_warnings(stack.told)), WAIT_SECONDS)
    until(lambda: stack.pager.named(ALERT), WAIT_SECONDS)
    when_told, told = next(_warnings(stack.told))
    when_paged, paged = stack.pager.named(ALERT)[0]
    assert told["data"]["run_id"] == watched.run_id
    assert (paged["labels"]["run"], paged["status"]) == (RUN, "firing")
    assert {"severity", "task", "code"} <= set(paged["labels"])
    say(f"from the observation to the service's webhook: {when_told - raised.time:.2f} s")
    say(f"from it through Prometheus and Alertmanager:   {when_paged - raised.time:.2f} s")


def _warnings(told: Receiver) -> Iterator[tuple[float, dict[str, Any]]]:
    """Messages that say that the run is likely to grok, and when each came."""
    for when, (_, message) in zip(told.times, told.messages, strict=False):
        alert = message["data"]
        if (alert["code"], alert["state"]) == ("GRK001", "firing"):
            yield when, message


def test_prometheus_reads_every_target_and_every_rule_is_in_order(watched: Watched) -> None:
    address = watched.stack.prometheus
    (groups,) = fetch(f"{address}/api/v1/rules")["data"].values()
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule.get("lastError")] == []
    targets = fetch(f"{address}/api/v1/targets", state="active")["data"]["activeTargets"]
    jobs = {target["labels"]["job"]: target["health"] for target in targets}
    assert jobs["grokwatch-service"] == "up"
    (manager,) = fetch(f"{address}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    assert manager["url"].startswith(watched.stack.alertmanager)


def test_mlflow_has_the_run_and_how_it_ended(watched: Watched) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=watched.stack.mlflow)
    experiment = client.get_experiment_by_name("grokking")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.tags["grokwatch.run_id"] == watched.run_id
    assert run.info.status == "FINISHED"
    assert isinstance(watched.records[-1], RunEnded)
    name = f"grokwatch.alert.{AlertCode.LIKELY_GROKKING.value}"
    assert run.data.tags[name] == watched.warnings[-1].state.value
    (report,) = client.list_artifacts(run.info.run_id, "grokwatch")
    assert report.path == "grokwatch/report.html"


@pytest.mark.parametrize("board", BOARDS)
def test_the_query_of_every_panel_returns_data(
    watched: Watched, board: str, say: Callable[[str], None]
) -> None:
    dashboard = json.loads((DASHBOARDS / "grafana" / f"{board}.json").read_text())
    asked = queries(dashboard, GIVEN)
    answers = [(panel, query, _answer(watched, query)) for panel, query in asked]
    assert [answer for answer in answers if answer[2]["status"] != "success"] == []
    empty = [query for _, query, answer in answers if not answer["data"]["result"]]
    say(f"{board}: {len(asked)} queries, {len(asked) - len(empty)} with data")
    assert [query for query in empty if not any(part in query for part in SILENT)] == []


def test_every_reason_for_silence_is_of_a_query_that_is_there() -> None:
    boards = [
        json.loads((DASHBOARDS / "grafana" / f"{board}.json").read_text()) for board in BOARDS
    ]
    asked = [query for board in boards for _, query in queries(board, GIVEN)]
    assert [part for part in SILENT if not any(part in query for query in asked)] == []


def _answer(watched: Watched, query: str) -> dict[str, Any]:
    """What Prometheus says of a query over the whole training."""
    began, now = watched.started, time.time()
    address = f"{watched.stack.prometheus}/api/v1/query_range"
    answer: dict[str, Any] = fetch(address, query=query, start=began, end=now, step=5)
    return answer
