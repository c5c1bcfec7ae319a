"""Data loading processes that are forked from a watched training take nothing of it with them."""

import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.monitor.journal import Journal, inspect, read
from grokwatch.monitor.lock import is_locked
from grokwatch.monitor.records import Evaluation, Observation, RunEnded
from grokwatch.monitor.schedule import every
from grokwatch.monitor.sinks import RecordingSink
from grokwatch.monitor.vocabulary import RunStatus

NUM_EPOCHS = 3
NUM_WORKERS = 2
STEPS_PER_EPOCH = 4
X = torch.randn(8 * STEPS_PER_EPOCH, 4, generator=torch.Generator().manual_seed(0))
DATA = TensorDataset(X, X[:, :3].argmax(1))
LISTENING = "0A"  # in /proc/net/tcp

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:.*is multi-threaded, use of fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
]


class Trained(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out

    def training_step(self, batch: Any, index: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.01)


def handles(folder: Path) -> list[str]:
    """What this process holds open of a run: its journal, its lock, and any listening socket.

    A fork may come while a feeder reads the journal; a handle that can only read does no harm.
    """
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    listening = {f"socket:[{row[9]}]" for row in rows if row[3] == LISTENING}
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    held = [(str(link.readlink()), link.name) for link in links]
    journals = set(map(str, folder.glob("*.journal")))
    ours = {str(folder / "lock")} | journals | listening
    return sorted(
        name for name, fd in held if name in ours and (name not in journals or can_write(fd))
    )


def can_write(descriptor: str) -> bool:
    """Whether a descriptor of this process is open for writing."""
    try:
        info = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    except FileNotFoundError:  # a feeder has closed it meanwhile
        return False
    flags = next(line.split()[1] for line in info.splitlines() if line.startswith("flags:"))
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def intruder(monitor: GrokkingMonitor, reports: Path) -> Callable[[int], None]:
    """Make what each worker runs at its start: it reports what it has, and tries to write."""

    def intrude(worker: int) -> None:
        if monitor._last is None:  # the first epoch's workers are older than the run
            return
        dispatcher = monitor._last.dispatcher
        stray = Evaluation(run_id=dispatcher.run_id, step=10**6, time=0.0, test_accuracy=1.0)
        held = handles(monitor.directory)
        dispatcher.submit([stray])
        is_flushed = dispatcher.flush(0.1)
        dispatcher.close()
        report = {
            "held": held, "is_flushed": is_flushed, "is_locked": is_locked(monitor.directory)
        }  # fmt: skip
        (reports / f"{os.getpid()}.json").write_text(json.dumps(report))

    return intrude


def fit(monitor: GrokkingMonitor, reports: Path, held: list[str]) -> None:
    """Train with workers that are forked in each epoch, and note what the parent itself holds."""

    class Watch(pl.Callback):
        def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            held.extend(handles(monitor.directory))

    trainer = pl.Trainer(
        max_epochs=NUM_EPOCHS,
        callbacks=[Watch(), monitor],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    loader = DataLoader(
        DATA,
        batch_size=8,
        num_workers=NUM_WORKERS,
        multiprocessing_context="fork",
        worker_init_fn=intruder(monitor, reports),
    )
    trainer.fit(Trained(), loader)


def test_workers_inherit_nothing_and_write_nothing(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    sink, held = RecordingSink(), list[str]()
    before = set(threading.enumerate())
    monitor = GrokkingMonitor(
        sinks=[sink, f"prometheus:127.0.0.1:0?targets={tmp_path}"],
        directory=tmp_path,
        budget=None,
        schedule=every(1),
    )
    fit(monitor, reports, held)

    found = [json.loads(file.read_text()) for file in reports.iterdir()]
    assert len(found) == (NUM_EPOCHS - 1) * NUM_WORKERS
    assert len(held) >= 3, "the parent holds journal, lock and exporter, or the test sees nothing"
    assert all(
        report == {"held": [], "is_flushed": False, "is_locked": True} for report in found
    ), found

    records = list(read(monitor.directory))
    observed = [record.step for record in records if isinstance(record, Observation)]
    assert observed == list(range(1, NUM_EPOCHS * STEPS_PER_EPOCH + 1))
    assert [(record.attempt, record.seq) for record in records] == [
        (1, seq) for seq in range(1, len(records) + 1)
    ]
    assert not any(isinstance(record, Evaluation) for record in records)
    assert sink.records == records
    assert inspect(monitor.directory).problems == ()

    ended = records[-1]
    assert isinstance(ended, RunEnded)
    assert ended.status is RunStatus.FINISHED
    health = monitor.health()
    assert health is not None
    assert (health.queue_depth, health.dropped, health.journal_failures) == (0, {}, 0)
    assert monitor.failures == {}
    assert not multiprocessing.active_children()
    left = set(threading.enumerate()) - before
    assert not [thread.name for thread in left if thread.name.startswith("grokwatch")]
    Journal.open(tmp_path, records[0].run_id).close()  # nobody holds it any more
