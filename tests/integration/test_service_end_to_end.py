"""What the service is for: a run is pushed while it trains, the service dies, nothing is lost."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokwatch.monitor import journal
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, RunEnded, RunStarted
from tests.service_process import SECRET, TOKEN, Receiver, ServiceProcess, free_port
from tests.waiting import until

WAIT_SECONDS = 120.0

pytestmark = [pytest.mark.network, pytest.mark.slow]

PUSHED = (RunStarted, Observation, Evaluation, RunEnded)
STEPS = 6_000


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def service(tmp_path: Path, receiver: Receiver) -> Iterator[ServiceProcess]:
    folder = tmp_path / "service"
    folder.mkdir()
    service = ServiceProcess(folder, free_port(), hooks=[receiver.hook])
    service.start()
    yield service
    service.kill()


@pytest.fixture
def demo(tmp_path: Path, service: ServiceProcess) -> Iterator[subprocess.Popen[bytes]]:
    """The demo, in training, pushing to the service."""
    options = ["--steps", str(STEPS), "--push", service.address, "--directory", "watched"]
    with (tmp_path / "demo.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "grokwatch.monitor.cli", "demo", *options],
            cwd=tmp_path,
            env={**os.environ, "GROKWATCH_TOKEN": TOKEN, "GROKWATCH_MONITOR_SINKS": ""},
            stdout=log,
            stderr=log,
        )
    yield process
    process.kill()
    process.wait()


def written(folder: Path) -> list[AnyRecord]:
    """What the trainer's journal holds of what is pushed."""
    (run,) = (folder / "watched" / "runs").iterdir()
    return [record for record in journal.read(run) if isinstance(record, PUSHED)]


def test_a_demo_is_pushed_shown_and_announced_though_the_service_dies(
    tmp_path: Path,
    service: ServiceProcess,
    receiver: Receiver,
    demo: subprocess.Popen[bytes],
) -> None:
    until(lambda: service.get("/v1/runs")["total"] == 1, WAIT_SECONDS)
    assert demo.poll() is None
    assert "addition-seed-2" in service.get("/")
    until(lambda: receiver.messages, WAIT_SECONDS)
    service.kill()
    time.sleep(0.5)
    assert demo.poll() is None
    service.start()
    assert demo.wait(280) == 0, (tmp_path / "demo.txt").read_text()

    (run,) = service.get("/v1/runs")["runs"]
    sent = written(tmp_path)
    seen = [record for record in sent if isinstance(record, Observation)]
    assert (run["num_observations"], run["num_late"]) == (len(seen), 0)
    assert (run["status"], run["stage"]) == ("finished", "generalized")
    chart = service.get(f"/v1/runs/{run['run_id']}/series?keys=train_loss&limit=5000")
    assert chart["steps"] == [record.step for record in seen]

    until(lambda: len(receiver.ids) == 2, WAIT_SECONDS)
    firing, confirmed = sorted(receiver.ids, key=lambda name: "confirmed" in name)
    assert firing.removesuffix("-firing") == confirmed.removesuffix("-confirmed")
    told = next(told for name, told in receiver.messages if name == firing)
    assert told["data"]["run_id"] == run["run_id"]
    assert told["data"]["links"]["run"] == f"{service.address}/runs/{run['run_id']}"
    assert told["data"]["moved"]
    assert service.stop() == 0
    assert SECRET not in service.log
    assert TOKEN not in service.log
