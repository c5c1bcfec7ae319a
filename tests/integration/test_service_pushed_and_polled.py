"""A run that is pushed, and logged by our sink to a polled MLflow, is one run to the service."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from mlflow import MlflowClient

from grokwatch.monitor.records import AnyRecord, Observation, RunEnded, RunStarted
from grokwatch.monitor.sinks import connect
from grokwatch.monitor.vocabulary import RunStatus
from tests.mlflow_server import Server
from tests.service_process import TOKEN, ServiceProcess, free_port
from tests.waiting import until

WAIT_SECONDS = 120.0
TIME = 1_800_000_000.0
PAGE = "http://127.0.0.1:5999"

pytestmark = [pytest.mark.network, pytest.mark.slow]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    server = Server(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def service(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ServiceProcess]:
    monkeypatch.setenv("GROKWATCH_TOKEN", TOKEN)
    folder = tmp_path / "service"
    folder.mkdir()
    settings = {"sources": [f"mlflow:{server.uri}"], "mlflow_public_url": PAGE}
    service = ServiceProcess(folder, free_port(), poll_seconds=0.2, hooks=["log:"], **settings)
    service.start()
    yield service
    service.kill()


def course(run_id: str, steps: range) -> list[AnyRecord]:
    """A run's start, and what was observed; numbered, as the journal does."""
    records: list[AnyRecord] = [RunStarted(run_id=run_id, time=TIME, seq=1)]
    records += [
        Observation(run_id=run_id, step=step, time=TIME + step, train_loss=0.5, seq=number)
        for number, step in enumerate(steps, 2)
    ]
    return records


def end(run_id: str, seq: int) -> list[AnyRecord]:
    status = RunStatus.FINISHED
    return [RunEnded(run_id=run_id, step=90, time=TIME + 99, status=status, seq=seq)]


def write(target: str, records: Sequence[AnyRecord]) -> None:
    sink = connect(target)
    sink.write(records)
    sink.close()


def listed(service: ServiceProcess) -> dict[str, dict[str, str]]:
    return {run["run_id"]: run for run in service.get("/v1/runs")["runs"]}


def mlflow_id(server: Server, run_id: str) -> str:
    client = MlflowClient(tracking_uri=server.uri)
    chosen = f"tags.`grokwatch.run_id` = '{run_id}'"
    experiments = [each.experiment_id for each in client.search_experiments()]
    return str(client.search_runs(experiments, chosen)[0].info.run_id)


def test_a_run_that_does_both_is_shown_once_and_leads_to_mlflow(
    server: Server, service: ServiceProcess
) -> None:
    records = course("both", range(0, 100, 10))
    write(f"remote:{service.address}", records)
    write(f"mlflow:{server.uri}/ours", records)
    write(f"mlflow:{server.uri}/ours", course("logged-only", range(0, 100, 10)))
    alone = mlflow_id(server, "logged-only")
    until(lambda: alone in listed(service), WAIT_SECONDS)
    until(lambda: listed(service)["both"]["link"], WAIT_SECONDS)

    service.kill()
    records += end("both", len(records) + 1)
    write(f"mlflow:{server.uri}/ours", records)
    service.start()
    write(f"remote:{service.address}", records)
    until(lambda: listed(service)["both"]["status"] == "finished", WAIT_SECONDS)
    write(f"mlflow:{server.uri}/ours", course("logged-later", range(0, 100, 10)))
    later = mlflow_id(server, "logged-later")
    until(lambda: later in listed(service), WAIT_SECONDS)

    shown = listed(service)
    assert set(shown) == {"both", alone, later}
    assert (shown["both"]["source"], shown["both"]["status"]) == ("push", "finished")
    assert shown["both"]["link"].startswith(f"{PAGE}/#/experiments/")
    assert shown["both"]["link"].endswith(mlflow_id(server, "both"))
    assert shown[alone]["link"].startswith(f"{PAGE}/#/experiments/")
    assert f'href="{shown["both"]["link"]}"' in service.get("/runs/both")


def test_a_run_whose_push_comes_late_ends_where_it_was_polled(
    server: Server, service: ServiceProcess
) -> None:
    records = course("late", range(0, 100, 10))
    write(f"mlflow:{server.uri}/ours", records)
    polled = mlflow_id(server, "late")
    until(lambda: polled in listed(service), WAIT_SECONDS)
    write(f"remote:{service.address}", records)
    until(lambda: listed(service)[polled]["status"] == "interrupted", WAIT_SECONDS)
    assert "it is pushed, and goes on as late" in service.get(f"/runs/{polled}")
    assert listed(service)["late"]["status"] == "running"
