"""GrokkingAwareEarlyStopping in real Trainers of both packages."""

import itertools
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning.pytorch as lightning
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from grokwatch.callbacks.early_stopping import GrokkingAwareEarlyStopping
from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.monitor.alerts import is_spared
from grokwatch.monitor.journal import read
from grokwatch.monitor.records import Alert, RunEnded
from grokwatch.monitor.schedule import every
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus

STEPS = 40
INPUTS = torch.eye(4)
DATA = TensorDataset(INPUTS, torch.arange(4))
NAMES = [f"run-{number}" for number in range(100)]
SPARED = next(name for name in NAMES if is_spared(name, 0.05))
OTHER = next(name for name in NAMES if not is_spared(name, 0.05))

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
]


def memorizer(package: ModuleType) -> Any:
    """A module of one package that knows its four examples after a few steps."""

    class Memorizer(package.LightningModule):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(4, 4)

        def forward(self, inputs: Tensor) -> Tensor:
            out: Tensor = self.net(inputs)
            return out

        def training_step(self, batch: Any, index: int) -> Tensor:
            return nn.functional.cross_entropy(self(batch[0]), batch[1])

        def validation_step(self, batch: Any, index: int) -> None:
            self.log("val_acc", torch.tensor(0.25))

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=0.5)

    torch.manual_seed(0)
    return Memorizer()


def fit(
    tmp_path: Path,
    *,
    package: ModuleType = pl,
    run_id: str = OTHER,
    predictor: str = "baseline:never",
    patience: int = 0,
    is_first: bool = False,
    spare: float = 0.05,
) -> tuple[GrokkingMonitor, GrokkingAwareEarlyStopping, Any]:
    monitor = GrokkingMonitor(
        sinks=[],
        hooks=[],
        budget=None,
        schedule=every(1),
        directory=tmp_path,
        predictor=predictor,
        run_id=run_id,
        spare=spare,
    )
    stopping = GrokkingAwareEarlyStopping(patience=patience)
    host = package.Trainer(
        callbacks=[stopping, monitor] if is_first else [monitor, stopping],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        max_steps=STEPS,
        num_sanity_val_steps=0,
    )
    host.fit(memorizer(package), DataLoader(DATA, 4), DataLoader(DATA, 4))
    assert not stopping.failures
    assert not monitor.failures
    return monitor, stopping, host


def alerts(monitor: GrokkingMonitor) -> list[Alert]:
    return [record for record in read(monitor.directory) if isinstance(record, Alert)]


@pytest.mark.parametrize(
    ("package", "is_first"), list(itertools.product((pl, lightning), (False, True)))
)
def test_a_run_that_is_given_up_ends_early_and_in_order(
    package: ModuleType, is_first: bool, tmp_path: Path
) -> None:
    monitor, stopping, host = fit(tmp_path, package=package, is_first=is_first)
    (alert,) = alerts(monitor)
    assert (alert.code, alert.state, alert.spared) == (
        AlertCode.WILL_NOT_GROK,
        AlertState.FIRING,
        False,
    )
    assert stopping.stopped_step == alert.step < STEPS
    assert host.global_step == alert.step + is_first
    ends = [record for record in read(monitor.directory) if isinstance(record, RunEnded)]
    assert [end.status for end in ends] == [RunStatus.FINISHED]


def test_patience_lets_it_go_on_for_so_long(tmp_path: Path) -> None:
    monitor, stopping, host = fit(tmp_path, patience=10)
    (alert,) = alerts(monitor)
    assert host.global_step == stopping.stopped_step == alert.step + 10


def test_a_spared_run_is_trained_to_its_end_and_checked(tmp_path: Path) -> None:
    monitor, stopping, host = fit(tmp_path, run_id=SPARED)
    assert (host.global_step, stopping.stopped_step) == (STEPS, None)
    assert [(a.state, a.spared) for a in alerts(monitor)] == [
        (AlertState.FIRING, True),
        (AlertState.CONFIRMED, True),
    ]


def test_nobody_is_spared_where_none_should_be(tmp_path: Path) -> None:
    _, stopping, host = fit(tmp_path, run_id=SPARED, spare=0.0)
    assert host.global_step == stopping.stopped_step
    assert host.global_step < STEPS


def test_a_run_that_is_not_given_up_is_trained_to_its_end(tmp_path: Path) -> None:
    monitor, stopping, host = fit(tmp_path, predictor="baseline:always")
    assert (host.global_step, stopping.stopped_step) == (STEPS, None)
    assert AlertCode.WILL_NOT_GROK not in {alert.code for alert in alerts(monitor)}
    assert monitor.watcher is None, "the fit is over"
