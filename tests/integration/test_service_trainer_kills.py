"""Trainer and service killed in either order: the journal is sent again, and nothing is lost."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokwatch.monitor import journal
from grokwatch.monitor.dispatch import drain
from grokwatch.monitor.records import Observation
from grokwatch.monitor.sinks import connect
from tests.chaos import trials
from tests.service_process import TOKEN, ServiceProcess, free_port

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(300 if os.environ.get("GROKWATCH_CHAOS") != "full" else 20_000),
]

ROOT = Path(__file__).parents[2]
TRIALS = trials(3)
SEED = int(os.environ.get("GROKWATCH_CRASH_SEED", random.SystemRandom().randrange(2**32)))


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceProcess]:
    monkeypatch.setenv("GROKWATCH_TOKEN", TOKEN)
    folder = tmp_path / "service"
    folder.mkdir()
    service = ServiceProcess(folder, free_port(), hooks=[])
    service.start()
    yield service
    service.kill()


def test_both_killed_in_either_order(tmp_path: Path, service: ServiceProcess) -> None:
    chance = random.Random(SEED)
    target = f"remote:{service.address}"
    for number in range(TRIALS):
        run_id = f"run-{number}"
        trainer = subprocess.Popen(
            [sys.executable, "-m", "tests.service_trainer", str(tmp_path), run_id, target], cwd=ROOT
        )
        while not (tmp_path / "runs" / run_id).exists():
            assert trainer.poll() is None
            time.sleep(0.02)
        time.sleep(chance.uniform(0.2, 1.0))
        ends = [trainer.kill, service.kill]
        for end in chance.sample(ends, 2):
            end()
            time.sleep(chance.uniform(0.0, 0.3))
        trainer.wait()
        service.start()
        assert all(sent.error is None for sent in drain(tmp_path, connect, run_id=run_id))

        written = journal.read(tmp_path / "runs" / run_id)
        steps = [record.step for record in written if isinstance(record, Observation)]
        shown = service.get(f"/v1/runs/{run_id}/series?keys=train_loss&limit=10000")
        assert shown["steps"] == steps, f"seed {SEED}"
        run = service.get(f"/v1/runs/{run_id}")["run"]
        assert (run["num_observations"], run["num_late"]) == (len(steps), 0), f"seed {SEED}"
