"""A trainer's journal feeds a service that stops and starts; training notices nothing."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grokwatch.monitor.backoff import Backoff
from grokwatch.monitor.dispatch import Dispatcher, drain
from grokwatch.monitor.journal import Journal
from grokwatch.monitor.records import Observation, RunStarted
from grokwatch.monitor.sinks import connect
from tests.service_process import TOKEN, ServiceProcess, free_port

pytestmark = [pytest.mark.network, pytest.mark.slow]

RUN = "fed"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceProcess]:
    monkeypatch.setenv("GROKWATCH_TOKEN", TOKEN)
    folder = tmp_path / "service"
    folder.mkdir()
    service = ServiceProcess(folder, free_port(), hooks=[])
    yield service
    service.kill()


def quick(**_: float) -> Backoff:
    return Backoff(first_seconds=0.05, cap_seconds=0.1)


def seen(step: int) -> Observation:
    return Observation(run_id=RUN, step=step, time=float(step), train_loss=1.0 / step)


def submitted(dispatcher: Dispatcher, first: int, last: int) -> float:
    """Submit some steps; the median seconds that one took."""
    spent = []
    for step in range(first, last):
        began = time.perf_counter()
        dispatcher.submit([seen(step)])
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def steps_of(service: ServiceProcess) -> list[int]:
    series = service.get(f"/v1/runs/{RUN}/series?keys=train_loss&limit=5000")
    return [int(step) for step in series["steps"]]


def test_a_service_that_stops_and_starts_gets_everything_once(
    tmp_path: Path, service: ServiceProcess
) -> None:
    target = f"remote:{service.address}"
    sinks = {target: connect(target)}
    dispatcher = Dispatcher(Journal.open(tmp_path, RUN), sinks, backoff=quick)
    dispatcher.submit([RunStarted(run_id=RUN, time=0.0, name=RUN)])
    assert submitted(dispatcher, 1, 300) < 0.001
    assert not dispatcher.flush(0.3)
    assert dispatcher.health().sink_failures[target] > 0

    service.start()
    assert dispatcher.flush(20)
    assert steps_of(service) == list(range(1, 300))
    service.stop()
    assert submitted(dispatcher, 300, 600) < 0.001
    assert not dispatcher.flush(0.3)
    dispatcher.close(0.2)
    (failed,) = drain(tmp_path, connect)
    assert failed.error is not None
    assert "Try `grokwatch serve` there; the journal keeps the records" in failed.error
    service.start()
    (sent,) = drain(tmp_path, connect)
    assert (sent.error, sent.num_records) == (None, 300)
    assert drain(tmp_path, connect)[0].num_records == 0
    assert steps_of(service) == list(range(1, 600))
    (run,) = service.get("/v1/runs")["runs"]
    assert (run["num_observations"], run["num_late"]) == (599, 0)
