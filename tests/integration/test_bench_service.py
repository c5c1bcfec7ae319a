"""The parts of `grokwatch bench service`, each once and small."""

import math
from contextlib import nullcontext
from pathlib import Path

import pytest

from grokwatch.experiments.bench import service_latency
from grokwatch.experiments.bench.service_load import Load, resident_bytes, running
from grokwatch.experiments.bench.service_metrics import exposition
from grokwatch.experiments.bench.service_start import start_seconds
from grokwatch.monitor.service.views import RunQuery

pytestmark = [pytest.mark.network, pytest.mark.slow]


def nothing(_: str) -> None:
    pass


def test_what_is_pushed_is_stored_and_judged(tmp_path: Path) -> None:
    with running(tmp_path / "store", "threshold:") as service:
        load = Load(service)
        assert load.push(runs=3, batches=2, size=5) > 0
        assert load.push(runs=3, batches=1, size=1) > 0
        found = service.reader.runs(RunQuery()).runs
    assert [run.num_observations for run in found] == [11, 11, 11]
    assert all(run.stage is not None for run in found)
    assert resident_bytes() > 0


def test_each_alert_s_webhook_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_latency, "ALERTS_PER_ROUND", 3)
    monkeypatch.setattr(service_latency, "_TRIAL_SECONDS", 0.05)
    found = service_latency.latencies(tmp_path / "store", 1, nothing)
    assert len(found) == 3
    assert all(0 < seconds < math.inf for seconds in found)


def test_a_start_is_timed_until_it_is_healthy(tmp_path: Path) -> None:
    (seconds,) = start_seconds(tmp_path / "start", 10_000, 1, nothing)
    assert 0 < seconds < math.inf


def test_both_expositions_write_the_same_series() -> None:
    ours, ratio = exposition(lambda *_: nullcontext(nothing), rounds=1)
    assert ours.note == ratio.note == "9,996 series"
    assert ours.value is not None
    assert ours.value > 0
    assert ratio.value is not None
    assert ratio.value > 0
