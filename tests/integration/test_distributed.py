"""Training on two processes: the same weights, the same values, one journal, and no waiting.

Run as a program, this file is one of the processes.
"""

import datetime
import faulthandler
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.callbacks.loop import LoopMonitor
from grokwatch.callbacks.training import is_sharded, whole
from grokwatch.monitor.journal import inspect, read
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.records import Observation, RunEnded, RunStarted
from grokwatch.monitor.schedule import every
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.snapshot import Need
from grokwatch.monitor.vocabulary import RunStatus

ORDER = 7
PAIRS = torch.cartesian_prod(torch.arange(ORDER), torch.arange(ORDER))[:48]
DATA = TensorDataset(PAIRS, PAIRS.sum(1) % ORDER)
RANKS = 2
ROWS = 12  # of each rank's batch
EPOCHS = 8
STEPS = EPOCHS * len(DATA) // (RANKS * ROWS)
FAILING_STEP = 8
BOUND_SECONDS = 60.0
SHARDED = "unsupported where parameters are sharded over processes"
QUIET: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "max_epochs": EPOCHS,
}

pytestmark = pytest.mark.slow


class Net(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Embedding(ORDER, 8), nn.Flatten(), nn.Linear(16, 12), nn.ReLU(),
            nn.Linear(12, ORDER),
        )  # fmt: skip


class Trained(pl.LightningModule):
    """Adds modulo 7; tells the loss of the first rank's rows, too."""

    def __init__(self, on_step: Callable[[int], object] = int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = Net()
        self.on_step = on_step

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.net(tokens)
        return out

    def training_step(self, batch: Any, index: int) -> dict[str, Tensor]:
        self.on_step(self.global_step)
        losses = nn.functional.cross_entropy(self(batch[0]), batch[1], reduction="none")
        return {"loss": losses.mean(), "first": losses.detach()[::RANKS].mean()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.01, weight_decay=0.1)


class FirstRanksEyes(GrokkingMonitor):
    """Sees of each joined batch what the first of two ranks would."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, _: int) -> None:
        super().on_train_batch_start(trainer, pl_module, [part[::RANKS] for part in batch], _)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        super().on_train_batch_end(trainer, pl_module, {"loss": outputs["first"]})


def known_loss(module: nn.Module, batch: Any) -> Tensor:
    return nn.functional.cross_entropy(module(batch[0]), batch[1])


def watch(folder: Path, kind: type[GrokkingMonitor] = GrokkingMonitor) -> GrokkingMonitor:
    return kind(
        Probe(loss=known_loss, group=f"cyclic:{ORDER}"),
        signals="full",
        sinks=(),
        directory=folder,
        run_id="watched",
        budget=None,
        schedule=every(2),
    )


def weights_of(module: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """Bytes of this rank's part of all weights and of all that the optimizer keeps."""
    states = [value for state in optimizer.state.values() for value in state.values()]
    tensors = [getattr(t, "_local_tensor", t) for t in (*module.parameters(), *states)]
    kept = [tensor.detach().reshape(-1).contiguous().view(torch.uint8) for tensor in tensors]
    return [tensor.numpy().tobytes().hex() for tensor in kept]


class Sharded(Trained):
    """Shards its parameters once Lightning has made the mesh."""

    def configure_model(self) -> None:
        if not is_sharded(self):
            mesh: Any = self.device_mesh
            shard(self.net, mesh["data_parallel"])


# -- what each process does


def fit(rank: int, module: Trained, strategy: Any, callbacks: list[Any]) -> pl.Trainer:
    """Train on two ranks with Lightning."""
    sampler: Any = DistributedSampler(DATA, RANKS, rank, shuffle=False)
    trainer = pl.Trainer(
        callbacks=callbacks,
        strategy=strategy,
        devices=RANKS,
        use_distributed_sampler=False,
        **QUIET,
    )
    trainer.fit(module, DataLoader(DATA, ROWS, sampler=sampler))
    return trainer


def run_lightning(
    rank: int, folder: Path, make: Callable[[], Trained], strategy: Callable[[], Any]
) -> dict[str, Any]:
    """Train with and without a monitor on every rank."""
    report: dict[str, Any] = {}
    for name in ("watched", "alone"):
        monitors = [watch(folder / f"rank{rank}")] if name == "watched" else []
        calls, module = num_collectives(), make()
        trainer = fit(rank, module, strategy(), [*monitors])
        report[f"{name} calls"] = num_collectives() - calls
        report[name] = weights_of(module, trainer.optimizers[0])
        report[f"{name} failures"] = [dict(monitor.failures) for monitor in monitors]
        report["is_sharded"] = is_sharded(module)
    return report


def run_ddp(rank: int, folder: Path) -> dict[str, Any]:
    return run_lightning(rank, folder, Trained, lambda: "ddp")


def run_sharded(rank: int, folder: Path) -> dict[str, Any]:
    def strategy() -> Any:
        return ModelParallelStrategy(data_parallel_size=RANKS, tensor_parallel_size=1)

    in_loop = run_loop(rank, folder / "loop")
    return {"loop": in_loop, "lightning": run_lightning(rank, folder, Sharded, strategy)}


def run_failing(rank: int, folder: Path, fail: Callable[[], None]) -> dict[str, Any]:
    """Train until the second rank fails."""

    def on_step(step: int) -> None:
        if rank == 1 and step == FAILING_STEP:
            fail()

    fit(rank, Trained(on_step), "ddp", [watch(folder / f"rank{rank}")])
    return {}


def raise_error() -> None:
    msg = "this rank has a bad day"
    raise ArithmeticError(msg)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_loop(rank: int, folder: Path) -> dict[str, Any]:
    """Train sharded parameters in a plain loop, with and without a monitor on the first rank."""
    report: dict[str, Any] = {}
    for name in ("watched", "alone"):
        torch.manual_seed(0)
        module = shard(Net(), init_device_mesh("cpu", (RANKS,)))
        optimizer = torch.optim.AdamW(module.parameters(), lr=0.01, weight_decay=0.1)
        monitor = None
        if rank == 0 and name == "watched":
            probe = Probe(loss=known_loss, group=f"cyclic:{ORDER}")
            monitor = LoopMonitor(
                module, probe, optimizer=optimizer, signals="full", sinks=(), budget=None,
                directory=folder / "rank0", run_id="watched", steps=STEPS,
            )  # fmt: skip
        calls = num_collectives()
        report[f"{name} losses"] = list(loop(rank, module, optimizer, monitor))
        report[f"{name} calls"] = num_collectives() - calls
        report[f"{name} failures"] = dict(monitor.failures) if monitor else {}
        report[name] = weights_of(module, optimizer)
        report["is_sharded"] = is_sharded(module)
    report["losses"] = [None if x is None else x.item() for x in map(whole, spread_losses())]
    return report


def spread_losses() -> list[Tensor]:
    """A loss that each process has, one that is a sum over them, and one without a mesh."""
    mesh, one = init_device_mesh("cpu", (RANKS,)), torch.tensor(1.0)
    placements: list[Placement] = [Replicate(), Partial()]
    return [*(DTensor.from_local(one, mesh, [placement]) for placement in placements), one]


def shard(module: nn.Sequential, mesh: Any) -> nn.Sequential:
    for child in module:
        if next(child.parameters(), None) is not None:
            fully_shard(child, mesh=mesh)
    fully_shard(module, mesh=mesh)
    return module


def loop(
    rank: int, module: nn.Module, optimizer: torch.optim.Optimizer, monitor: LoopMonitor | None
) -> Iterator[float]:
    """Train in a loop of one's own, giving each loss."""
    sampler: Any = DistributedSampler(DATA, RANKS, rank, shuffle=False)
    for _ in range(EPOCHS):
        for batch in DataLoader(DATA, ROWS, sampler=sampler):
            if monitor:
                monitor.before_batch(batch)
            optimizer.zero_grad()
            loss = known_loss(module, batch)
            torch.autograd.backward(loss)
            if monitor:
                monitor.before_update()
            optimizer.step()
            if monitor:
                monitor.after_update(loss)
            yield loss.item()
    if monitor:
        monitor.close()


def run_forking(folder: Path) -> None:
    """Let Lightning start the processes."""
    monitor = GrokkingMonitor(sinks=(), directory=folder, run_id="watched", budget=None)
    trainer = pl.Trainer(callbacks=[monitor], strategy="ddp_fork", devices=RANKS, **QUIET)
    trainer.fit(Trained(), DataLoader(DATA, ROWS))


def num_collectives() -> int:
    """How often this process has asked for what all must ask for."""
    group: Any = dist.group.WORLD
    return int(group._get_sequence_number_for_group())


ROLES: dict[str, Callable[[int, Path], dict[str, Any]]] = {
    "ddp": run_ddp,
    "sharded": run_sharded,
    "raising": lambda rank, folder: run_failing(rank, folder, raise_error),
    "killed": lambda rank, folder: run_failing(rank, folder, kill),
}


def main(role: str, folder: Path, rank: int) -> None:
    faulthandler.enable()
    torch.set_num_threads(1)
    if role == "forking":
        run_forking(folder)
        return
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=RANKS,
        timeout=datetime.timedelta(seconds=BOUND_SECONDS / 3),
    )
    report = ROLES[role](rank, folder)
    (folder / f"report{rank}.json").write_text(json.dumps(report))
    dist.barrier()
    os._exit(0)  # gloo's threads now and then abort the interpreter's own end (torch 2.13)


# -- what the tests do


@contextmanager
def processes(role: str, folder: Path, count: int = RANKS) -> Iterator[list[Any]]:
    """Start this file once for each rank; whoever is left at the end is stopped."""
    started = []
    for rank in range(count):
        environment = os.environ | {"LOCAL_RANK": str(rank), "GLOO_SOCKET_IFNAME": "lo"}
        if role == "forking":
            del environment["LOCAL_RANK"]
        with (folder / f"log{rank}.txt").open("w") as log:
            command = [sys.executable, __file__, role, str(folder), str(rank)]
            started.append(
                subprocess.Popen(
                    command, env=environment, stdout=log, stderr=log, start_new_session=True
                )
            )
    try:
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run(role: str, folder: Path, count: int = RANKS) -> tuple[list[int], list[Any]]:
    """Run all ranks to their end; give their exit codes and reports."""
    with processes(role, folder, count) as started:
        codes = [process.wait(timeout=2 * BOUND_SECONDS) for process in started]
    found = [folder / f"report{rank}.json" for rank in range(count)]
    return codes, [json.loads(file.read_text()) for file in found if file.exists()]


def log(folder: Path, rank: int = 0) -> str:
    return (folder / f"log{rank}.txt").read_text()


def observations(directory: Path) -> list[Observation]:
    return [record for record in read(directory) if isinstance(record, Observation)]


def test_ddp_trains_the_same_and_shows_what_one_process_would_show(tmp_path: Path) -> None:
    codes, reports = run("ddp", tmp_path)
    assert codes == [0, 0], log(tmp_path)
    for report in reports:
        assert report["watched"] == report["alone"]
        assert report["watched failures"] == [{}]
        assert report["watched calls"] == report["alone calls"] > STEPS
    assert not (tmp_path / "rank1").exists()
    assert [path.name for path in (tmp_path / "rank0/runs").iterdir()] == ["watched"]

    monitor = watch(tmp_path / "single", FirstRanksEyes)
    trainer = pl.Trainer(callbacks=[monitor], **QUIET)
    trainer.fit(Trained(), DataLoader(DATA, RANKS * ROWS))
    ours = observations(tmp_path / "rank0/runs/watched")
    theirs = observations(tmp_path / "single/runs/watched")
    assert [seen.step for seen in ours] == [seen.step for seen in theirs] == [*range(2, 17, 2)]
    for our, their in zip(ours, theirs, strict=True):
        assert our.errors == their.errors == {}
        assert our.train_loss == pytest.approx(their.train_loss, rel=1e-5)
        assert our.train_accuracy == their.train_accuracy
        values, others = ({**seen.values} for seen in (our, their))
        for each in (values, others):
            del each["overhead_ratio"]
        assert values == pytest.approx(others, rel=1e-3, abs=1e-5, nan_ok=True)
        exact = [key for key in values if key.startswith(("weight_", "gradient_norm", "update_r"))]
        assert len(exact) > 5
        for key in exact:
            assert values[key] == pytest.approx(others[key], rel=1e-5)
    assert {"sharpness", "hessian_trace"} <= set(ours[-1].values)


def test_sharded_parameters_train_the_same_and_only_losses_are_seen(tmp_path: Path) -> None:
    codes, reports = run("sharded", tmp_path)
    assert codes == [0, 0], log(tmp_path)
    for kind in ("loop", "lightning"):
        first, other = (report[kind] for report in reports)
        for each in (first, other):
            assert each["is_sharded"]
            assert each["watched"] == each["alone"]
            assert not any(each["watched failures"])
            assert each["watched calls"] == each["alone calls"]
        assert first["watched calls"] == other["watched calls"] > STEPS
    assert reports[0]["loop"]["losses"] == reports[1]["loop"]["losses"] == [1.0, None, 1.0]
    assert not (tmp_path / "rank1").exists()
    assert log(tmp_path).count(SHARDED) <= 4  # once for signals, once for accuracy, in two runs

    for each, steps in (("loop/rank0", [*range(1, STEPS + 1)]), ("rank0", [*range(2, 17, 2)])):
        seen = only_losses_are_seen(tmp_path / each / "runs/watched")
        assert [observation.step for observation in seen] == steps
        losses = reports[0]["loop"]["watched losses"]
        shown = [observation.train_loss for observation in seen]
        assert shown == pytest.approx([losses[step - 1] for step in steps], rel=1e-6)


def only_losses_are_seen(directory: Path) -> list[Observation]:
    """Check what the run of sharded parameters shows and skips."""
    (started,) = (record for record in read(directory) if isinstance(record, RunStarted))
    listed = {info.name for info in started.signals} - {"overhead_ratio"}
    skipped = [skip.name for skip in started.skipped]
    assert len(set(skipped)) == len(skipped)
    assert set(skipped) == {signal.name for signal in ALL} - listed | {"train_accuracy"}
    assert listed == {signal.name for signal in ALL if signal.needs == {Need.LOSSES}}
    assert {skip.reason for skip in started.skipped} == {SHARDED}
    assert all("DDP" in skip.remedy or "Probe" in skip.remedy for skip in started.skipped)
    seen = observations(directory)
    assert all(each.errors == {} for each in seen)
    shown = {key.split(".")[0] for key in seen[-1].values} - {"overhead_ratio"}
    assert "loss_activity" in shown
    assert shown <= listed
    return seen


@pytest.mark.parametrize("role", ["raising", "killed"])
def test_a_rank_that_fails_leaves_nobody_waiting_and_a_whole_journal(
    role: str, tmp_path: Path
) -> None:
    with processes(role, tmp_path) as (first, second):
        assert second.wait(timeout=BOUND_SECONDS) != 0, log(tmp_path, 1)
        assert first.wait(timeout=BOUND_SECONDS) != 0, log(tmp_path)
    assert (second.returncode == -signal.SIGKILL) == (role == "killed")
    directory = tmp_path / "rank0/runs/watched"
    report = inspect(directory)
    assert not report.problems
    records = list(read(directory))
    assert [each.step for each in observations(directory)] == [*range(2, FAILING_STEP + 1, 2)]
    (ended,) = (record for record in records if isinstance(record, RunEnded))
    assert ended is records[-1]
    assert ended.status is RunStatus.FAILED
    assert ended.step == FAILING_STEP
    assert not (tmp_path / "rank1").exists()


def test_a_monitor_goes_along_into_processes_that_lightning_starts(tmp_path: Path) -> None:
    codes, _ = run("forking", tmp_path, count=1)
    assert codes == [0], log(tmp_path)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["watched"]
    assert observations(tmp_path / "runs/watched")[-1].step == STEPS


def test_a_monitor_can_be_pickled_before_it_watches() -> None:
    monitor = GrokkingMonitor(sinks=(), signals="full")
    assert pickle.loads(pickle.dumps(monitor)).state_key == monitor.state_key


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
