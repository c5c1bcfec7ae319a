"""A plain MLflow run, logged by code that never heard of us, is watched and judged."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.mlflow_server import Server
from tests.service_process import Receiver, ServiceProcess, free_port
from tests.waiting import until

WAIT_SECONDS = 120.0

pytestmark = [pytest.mark.network, pytest.mark.slow]

MEMORIZED, JUMP, LAST = 200, 3_000, 4_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    server = Server(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def service(tmp_path: Path, server: Server, receiver: Receiver) -> Iterator[ServiceProcess]:
    folder = tmp_path / "service"
    folder.mkdir()
    service = ServiceProcess(
        folder,
        free_port(),
        hooks=[receiver.hook],
        sources=[f"mlflow:{server.uri}/theirs"],
        metric_names={"heldout": "test_accuracy"},
        poll_seconds=0.2,
        predictor="baseline:after_memorization",
    )
    service.start()
    yield service
    service.kill()


def log(client: MlflowClient, run_id: str, steps: range) -> None:
    for step in steps:
        client.log_metric(run_id, "loss", 3.0 if step < MEMORIZED else 0.001, step=step)
        client.log_metric(run_id, "train_acc", 100.0 if step >= MEMORIZED else 20.0, step=step)
        client.log_metric(run_id, "heldout", 99.0 if step >= JUMP else 3.0, step=step)


def test_a_foreign_run_is_watched_judged_and_announced_across_a_restart(
    server: Server, service: ServiceProcess, receiver: Receiver
) -> None:
    client = MlflowClient(tracking_uri=server.uri)
    experiment = client.create_experiment("theirs")
    run_id = client.create_run(experiment, run_name="somebody's").info.run_id
    client.log_param(run_id, "max_steps", 10_000)
    log(client, run_id, range(0, 2_000, 50))
    until(lambda: receiver.messages, WAIT_SECONDS)
    service.kill()
    log(client, run_id, range(2_000, LAST, 50))
    service.start()
    client.set_terminated(run_id)
    until(lambda: service.get(f"/v1/runs/{run_id}")["run"]["status"] == "finished", WAIT_SECONDS)

    shown = service.get(f"/v1/runs/{run_id}")
    run = shown["run"]
    assert run["name"] == "somebody's"
    assert run["source"] == f"mlflow:{server.uri}/theirs"
    assert run["link"].startswith(server.uri)
    assert (run["num_observations"], run["num_late"]) == (LAST // 50, 0)
    assert (run["budget_steps"], run["stage"]) == (10_000, "generalized")
    assert any("loss" in guess for guess in shown["guesses"])
    until(lambda: any(name.endswith("-confirmed") for name in receiver.ids), WAIT_SECONDS)
    told = receiver.messages[0][1]["data"]
    assert told["links"]["mlflow"] == run["link"]
    assert len(receiver.ids) == len(receiver.messages)
    assert "somebody" in service.get("/")
