"""The service killed at random instants: nothing is lost, nothing told under two names.

Alerts are known beforehand: `watcher.replay` says what an unbroken service would announce.
"""

import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokwatch.monitor import watcher
from grokwatch.monitor.errors import SinkError
from grokwatch.monitor.records import Alert, AnyRecord, Evaluation, Observation, RunStarted
from grokwatch.monitor.sinks.remote import RemoteSink
from tests.chaos import trials
from tests.service_process import TOKEN, Receiver, ServiceProcess, free_port

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(300 if os.environ.get("GROKWATCH_CHAOS") != "full" else 20_000),
]

KILLS = trials(6)
STOPS = trials(1)
SEED = int(os.environ.get("GROKWATCH_CRASH_SEED", random.SystemRandom().randrange(2**32)))
PREDICTOR = "baseline:always"
LENGTH = 120
BATCH = 7


def run_records(run_id: str) -> list[AnyRecord]:
    """A run that is warned of, and generalises near its end."""
    records: list[AnyRecord] = [RunStarted(run_id=run_id, seq=1, time=0.0, name=run_id)]
    for place in range(1, LENGTH):
        records.append(
            Observation(
                run_id=run_id,
                seq=2 * place,
                step=10 * place,
                time=float(place),
                train_loss=1.0 / place,
                train_accuracy=1.0,
                values={"weight_norm": 30.0 - 0.1 * place},
            )
        )
        accuracy = 1.0 if place > 15 else 0.1
        records.append(
            Evaluation(
                run_id=run_id,
                seq=2 * place + 1,
                step=10 * place,
                time=float(place),
                test_accuracy=accuracy,
            )
        )
    return records


def messages_of(records: list[AnyRecord]) -> set[str]:
    """Names of what an unbroken service would tell hooks."""
    said = watcher.replay(records, predictor=PREDICTOR)
    return {f"{alert.id}-{alert.state.value}" for alert in said if isinstance(alert, Alert)}


class Pusher(threading.Thread):
    """Pushes run after run, each batch until it was taken; `pushed` holds what was acknowledged."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.pushed: dict[str, list[AnyRecord]] = {}
        self.refusals = 0
        self.recoveries: list[float] = []
        self.stop = threading.Event()
        self._sink = RemoteSink(address, {"GROKWATCH_TOKEN": TOKEN})

    def run(self) -> None:
        while not self.stop.is_set():
            run_id = f"run-{len(self.pushed)}"
            records = run_records(run_id)
            self.pushed[run_id] = []
            for start in range(0, len(records), BATCH):
                part = records[start : start + BATCH]
                self._push(part)
                self.pushed[run_id] += part
        self._sink.close()

    def _push(self, part: list[AnyRecord]) -> None:
        while True:
            try:
                self._sink.write(part)
            except SinkError:
                self.refusals += 1
                time.sleep(0.02)
            else:
                return


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def service(tmp_path: Path, receiver: Receiver) -> Iterator[ServiceProcess]:
    service = ServiceProcess(tmp_path, free_port(), hooks=[receiver.hook], predictor=PREDICTOR)
    yield service
    service.kill()


def wait_until_told(receiver: Receiver, expected: set[str]) -> None:
    end = time.monotonic() + 120
    while not expected <= receiver.ids and time.monotonic() < end:
        time.sleep(0.1)


def test_killed_at_random_instants(
    service: ServiceProcess, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    service.start()
    pusher = Pusher(service.address)
    pusher.start()
    recoveries = []
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 1.0))
            service.kill()
            recoveries.append(service.start())
    finally:
        pusher.stop.set()
        pusher.join()

    pushed = pusher.pushed
    expected = set().union(*map(messages_of, pushed.values()))
    wait_until_told(receiver, expected)
    counts = Counter(name for name, _ in receiver.messages)
    runs = {run["run_id"]: run for run in service.get("/v1/runs?limit=500")["runs"]}
    acknowledged = sum(len(records) for records in pushed.values())
    stored = {run_id: run["num_observations"] for run_id, run in runs.items()}
    wanted = {
        run_id: sum(isinstance(record, Observation) for record in records)
        for run_id, records in pushed.items()
    }
    with capsys.disabled():
        sys.stdout.write(
            f"\nservice killed {KILLS} times: {acknowledged:,} records acknowledged, "
            f"{sum(wanted.values()) - sum(stored.values())} observations lost, "
            f"{len(expected)} messages due, {len(expected - receiver.ids)} missed, "
            f"{len(receiver.ids - expected)} under another name, "
            f"{sum(counts.values()) - len(counts)} sent again by the same name; healthy again "
            f"after {max(recoveries):.2f} s at most; at 95 % fewer than {3 / KILLS:.1%} of kills "
            f"lose anything; seed {SEED}\n"
        )
    assert stored == wanted
    assert receiver.ids == expected
    assert all(run["num_late"] == 0 for run in runs.values())
    assert len(pushed) > 1


def test_told_to_stop_it_stops_with_everything_stored(
    service: ServiceProcess, receiver: Receiver
) -> None:
    for number in range(STOPS):
        service.start()
        records = run_records(f"stopped-{number}")
        sink = RemoteSink(service.address, {"GROKWATCH_TOKEN": TOKEN})
        sink.write(records)
        sink.close()
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 10
        service.start()
        run = service.get(f"/v1/runs/stopped-{number}")["run"]
        assert run["num_observations"] == LENGTH - 1
        wait_until_told(receiver, messages_of(records))
        service.stop()
    assert receiver.ids
