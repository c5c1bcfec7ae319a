"""What a session makes of trainers that are not the usual one."""

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from grokwatch.callbacks.judge import Judge
from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.callbacks.loop import LoopMonitor
from grokwatch.callbacks.opening import open_dispatcher
from grokwatch.callbacks.settings import Settings
from grokwatch.callbacks.training import is_sharded
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.journal import Journal, read
from grokwatch.monitor.lock import is_locked
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.records import Alert, Assessment, Observation, RunStarted
from grokwatch.monitor.snapshot import Access, Signal
from grokwatch.monitor.vocabulary import Stage
from grokwatch.monitor.watcher import replay

BATCH = (torch.eye(4).repeat(8, 1), torch.arange(4).repeat(8))


class Repeating(pl.LightningModule):
    """Makes several updates on each batch, by hand."""

    def __init__(self, num_updates: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net = nn.Linear(4, 4)
        self.num_updates = num_updates

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.net(inputs)
        return out

    def training_step(self, batch: Any) -> Tensor:
        optimizer: Any = self.optimizers()
        for _ in range(self.num_updates):
            loss = cross_entropy(self(batch[0]), batch[1])
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("num_updates", [1, 2, 3])
def test_several_updates_on_a_batch_are_observed_after_it(tmp_path: Path, num_updates: int) -> None:
    monitor = GrokkingMonitor(
        sinks=(), directory=tmp_path, budget=None, schedule=lambda step: step % 6 == 5
    )
    trainer = pl.Trainer(
        max_steps=24, max_epochs=-1, accelerator="cpu", callbacks=[monitor], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Repeating(num_updates), DataLoader(TensorDataset(*BATCH), batch_size=32))
    steps = [record.step for record in read(monitor.directory) if isinstance(record, Observation)]
    after = [-(-due // num_updates) * num_updates for due in (5, 11, 17, 23)]
    assert steps == list(dict.fromkeys([*after, 24]))
    assert not monitor.failures


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_loop_that_gives_one_loss_per_example_is_watched_without(
    tmp_path: Path, reduction: str
) -> None:
    model = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with LoopMonitor(model, sinks=(), directory=tmp_path, budget=None) as monitor:
        for _ in range(20):
            optimizer.zero_grad()
            monitor.before_batch(BATCH)
            loss = cross_entropy(model(BATCH[0]), BATCH[1], reduction=reduction)
            torch.autograd.backward(loss.mean())
            monitor.before_update()
            optimizer.step()
            monitor.after_update(loss)
    records = list(read(monitor.directory))
    started = next(record for record in records if isinstance(record, RunStarted))
    assert ("train_loss" in {skip.name for skip in started.skipped}) == (reduction == "none")
    reasons = {record.reason for record in records if isinstance(record, Assessment)}
    assert not any(reason and reason.startswith("diverged") for reason in reasons)
    assert not monitor.failures


def test_alerts_are_not_announced_again_where_the_judge_has_lost_its_state(tmp_path: Path) -> None:
    def judged(attempt: int, state: bytes) -> list[Alert]:
        started = RunStarted(run_id="a", time=0.0, attempt=attempt)
        judge = Judge(started, "baseline:always", failures)
        judge.catch_up(tmp_path / "runs" / "a", state)
        records = (
            record
            for step in (100, 110, 120)
            for record in judge.consume(
                Observation(run_id="a", step=step, time=0.0, train_loss=0.1, train_accuracy=1.0)
            )
        )
        return [record for record in records if isinstance(record, Alert)]

    failures: Counter[str] = Counter()
    (alert,) = judged(1, b"")
    with Journal.open(tmp_path, "a") as journal:
        journal.append([msgspec.structs.replace(alert, seq=1)])
    assert judged(2, b"a state of another version") == []
    assert failures == {"watcher.restore": 1}


def plant(access: Access) -> Signal:
    name = f"planted_{access.name.lower()}"
    return Signal(
        name=name,
        read=lambda snapshot: {f"{name}.part@input": torch.tensor(1.0)},
        access=access,
        bounds=(0.0, 1.0),
        summary="Planted.",
        source="test",
    )


def test_the_predictor_of_a_live_run_and_of_its_replay_is_shown_the_train_side_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Attentive:
        def update(self, observation: Observation, /) -> Assessment:
            shown.append(set(observation.values))
            step = observation.step
            return Assessment(run_id="a", step=step, time=0.0, predictor="p@1", stage=Stage.FITTING)

        def state(self) -> bytes:
            return b""

        def restore(self, state: bytes, /) -> None:
            pass

    shown: list[set[str]] = []
    monkeypatch.setattr("grokwatch.monitor.watcher.load", lambda *_: Attentive())
    model = nn.Linear(4, 4)
    planted = [plant(access) for access in Access]
    with LoopMonitor(model, sinks=(), directory=tmp_path, budget=None, signals=planted) as monitor:
        for _ in range(3):
            monitor.before_batch(BATCH)
            loss = cross_entropy(model(BATCH[0]), BATCH[1])
            torch.autograd.backward(loss)
            monitor.before_update()
            monitor.after_update(loss)
    records = list(read(monitor.directory))
    started = next(record for record in records if isinstance(record, RunStarted))
    named = {info.name: info.access for info in started.signals}
    assert named == {s.name: s.access.value for s in planted} | {"overhead_ratio": "train"}
    kept = {key for r in records if isinstance(r, Observation) for key in r.values}
    assert kept >= {f"{signal.name}.part@input" for signal in planted}
    live, shown = shown, []
    assert list(replay(records, predictor="p"))
    assert live == shown == [{"planted_train.part@input", "overhead_ratio"}] * 3
    assert not monitor.failures


def test_run_stays_free_where_a_sink_cannot_be_connected(tmp_path: Path) -> None:
    settings = Settings(directory=tmp_path, hooks=())
    with pytest.raises(ConfigurationError, match="Expected a sink among"):
        open_dispatcher(settings, "a", "no-such-sink:")
    assert not (tmp_path / "runs" / "a").exists() or not is_locked(tmp_path / "runs" / "a")


def test_monitor_goes_to_processes_that_a_trainer_spawns() -> None:
    assert pickle.loads(pickle.dumps(GrokkingMonitor())).run_id is None


@pytest.mark.filterwarnings("ignore:FSDP is switching to use `NO_SHARD`")
@pytest.mark.parametrize("keeps_originals", [True, False])
def test_fully_sharded_parameters_are_told_from_whole_ones(
    tmp_path: Path, keeps_originals: bool
) -> None:
    plain = nn.Sequential(nn.Linear(3, 4))
    assert not is_sharded(plain)
    meeting = (tmp_path / "meeting").as_uri()
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    try:
        from torch.distributed.fsdp import FullyShardedDataParallel

        cpu = torch.device("cpu")
        FullyShardedDataParallel(plain, use_orig_params=keeps_originals, device_id=cpu)
        assert is_sharded(plain)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(("is_asked", "most"), [(False, "MOST_UNASKED"), (True, "MOST_PARAMETERS")])
def test_a_landscape_of_too_many_weights_is_skipped_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_asked: bool, most: str
) -> None:
    def loss_of(module: nn.Module, batch: Any) -> Tensor:
        return cross_entropy(module(batch[0]), batch[1])

    def reasons() -> dict[str, str]:
        model = nn.Linear(4, 4)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        probe = Probe(loss=loss_of if is_asked else None)
        with LoopMonitor(model, probe, sinks=(), directory=tmp_path) as monitor:
            monitor.before_batch(BATCH)
            loss = loss_of(model, BATCH)
            torch.autograd.backward(loss)
            monitor.before_update()
            optimizer.step()
            monitor.after_update(loss)
        started = next(r for r in read(monitor.directory) if isinstance(r, RunStarted))
        return {skip.name: skip.reason for skip in started.skipped}

    assert "sharpness" not in reasons()
    monkeypatch.setattr(f"grokwatch.callbacks.first_batch.{most}", 10)
    assert reasons()["sharpness"].endswith("(20 weights: vectors of more than 10 weigh)")
