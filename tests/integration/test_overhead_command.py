"""`grokwatch overhead` with real trainers, monitors and sinks, on few steps."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from grokwatch.experiments.modules import hushed
from grokwatch.experiments.overhead import holds, measure
from grokwatch.experiments.workloads import (
    ARMS,
    BARE,
    SINKS,
    WATCHED,
    Workload,
    arms,
    demo_workload,
    transformer_workload,
)
from grokwatch.monitor import journal
from grokwatch.monitor.commands import overhead as command
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Observation, RunEnded
from grokwatch.monitor.vocabulary import RunStatus

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:pytorch_lightning")


@pytest.fixture
def small() -> Workload:
    return replace(demo_workload(), block=12, blocks=2, warm_up=1)


@pytest.mark.network
def test_every_arm_is_measured_and_told_without_a_word_of_the_trainers(
    small: Workload,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(command._WORKLOADS, "demo", lambda: small)
    shown: list[str] = []
    report = command.overhead("demo", blocks=3, show=shown.append, progress=False)
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []
    assert not [thread.name for thread in threading.enumerate() if "overhead" in thread.name]
    assert shown[-1] == "demo MLP: 4/4, measuring"

    (found,) = msgspec.convert(report.data, tuple[command.Overhead])
    assert (found.workload, found.blocks) == (small.name, 3)
    assert [row.arm for row in found.against_bare] == list(ARMS)
    assert all(row.low <= row.share <= row.high for row in found.against_bare)
    watched = next(row for row in found.against_empty if row.arm == WATCHED)
    assert report.holds is found.holds is holds(watched)
    assert report.lines[0] == f"{small.name}; 3 blocks per trainer, interleaved, 1 thread"
    assert [line.split("  ")[0] for line in report.lines[2:7]] == list(ARMS)
    assert msgspec.json.decode(msgspec.json.encode(found), type=command.Overhead) == found


@pytest.mark.network
def test_the_watched_arms_are_watched(small: Workload, tmp_path: Path) -> None:
    with hushed("grokwatch"):
        running = arms(small, tmp_path, [BARE, WATCHED, SINKS])
        measure(running, blocks=2, warm_up=0, done=lambda _: None)
    for folder in ("journal", "sinks"):
        (run,) = (tmp_path / folder / journal.RUNS).iterdir()
        records = list(journal.read(run))
        assert any(isinstance(record, Observation) for record in records)
        (ended,) = [record for record in records if isinstance(record, RunEnded)]
        assert ended.status is RunStatus.FINISHED
        assert ended.step in range(23, 25)
    deadline = time.monotonic() + 60  # the first connection may outlast a run this short
    while not (tmp_path / "mlflow.db").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_transformer_has_the_size_that_its_name_says() -> None:
    workload = transformer_workload()
    module = workload.module()
    num_parameters = sum(parameter.numel() for parameter in module.parameters())
    assert f"{num_parameters / 1e6:.1f} M" in workload.name
    inputs, targets = workload.batch
    assert module(inputs[:2]).shape == (2, 512)
    assert targets.shape == (16,)


def test_an_unknown_workload_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"Expected a workload among demo, .* got 'demi'\. Try"
    ):
        command.overhead("demi", blocks=1, show=print, progress=False)
