import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from grokwatch.experiments.evaluation_steps import evaluation_steps
from grokwatch.experiments.models import ModularMLP
from grokwatch.experiments.modules import Classifier, FullBatchData, Progress, hushed, make_trainer
from grokwatch.experiments.optim import AdamW
from grokwatch.experiments.tasks import ModularAddition

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:pytorch_lightning")

TASK = ModularAddition(modulus=11, train_fraction=0.6)


class Recorder(pl.Callback):
    def __init__(self) -> None:
        self.losses: list[float] = []
        self.evaluations: list[tuple[int, float]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, *_: Any
    ) -> None:
        self.losses.append(outputs["loss"].item())

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        metrics = trainer.callback_metrics
        self.evaluations.append((trainer.global_step, metrics["test_accuracy"].item()))


def parts(steps: int) -> tuple[Classifier, FullBatchData]:
    model = ModularMLP(modulus=11, embedding=32, hidden=16, seed=1)
    module = Classifier(model, AdamW(lr=3e-3, decay=1.0), {"seed": 1})
    return module, FullBatchData(TASK.split(), evaluation_steps(steps, per_decade=10))


def run(steps: int) -> tuple[Classifier, Recorder]:
    module, data = parts(steps)
    recorder = Recorder()
    make_trainer(steps, [recorder]).fit(module, datamodule=data)
    return module, recorder


def test_training_lowers_the_loss_and_is_the_same_every_time() -> None:
    module, recorder = run(300)
    assert len(recorder.losses) == 300
    assert recorder.losses[-1] < 0.1 * recorder.losses[0]
    again, _ = run(300)
    for key, weight in module.state_dict().items():
        assert torch.equal(weight, again.state_dict()[key]), key


def test_evaluations_fall_on_the_grid_and_measure_held_out_accuracy() -> None:
    module, recorder = run(60)
    assert tuple(step for step, _ in recorder.evaluations) == evaluation_steps(60, per_decade=10)
    split = TASK.split()
    correct = module(split.test_inputs).argmax(dim=-1) == split.test_targets
    assert recorder.evaluations[-1][1] == pytest.approx(correct.double().mean().item())


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    whole, recorded = run(60)
    module, data = parts(60)
    first = make_trainer(31)
    first.fit(module, datamodule=data)
    first.save_checkpoint(tmp_path / "half.ckpt")
    module, data = parts(60)
    recorder = Recorder()
    second = make_trainer(60, [recorder])
    second.fit(module, datamodule=data, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert recorder.evaluations == [e for e in recorded.evaluations if e[0] > 31]
    for key, weight in whole.state_dict().items():
        assert torch.equal(weight, module.state_dict()[key]), key


def test_hyper_parameters_are_where_lightning_looks_for_them() -> None:
    assert dict(parts(1)[0].hparams) == {"seed": 1}


def test_progress_reports_between_and_at_evaluations() -> None:
    module, data = parts(25)
    seen: list[tuple[int, float | None]] = []
    progress = Progress(lambda *reading: seen.append(reading), every=7)
    make_trainer(25, [progress]).fit(module, datamodule=data)
    steps = [step for step, _ in seen]
    assert set(steps) == {7, 14, 21, *evaluation_steps(25, per_decade=10)}
    assert seen[-1][1] is not None


def test_evaluation_steps_are_dense_enough_to_label_a_run() -> None:
    steps = evaluation_steps(30_000)
    assert sum(step <= 100 for step in steps) >= 20
    assert sum(1_000 < step <= 10_000 for step in steps) >= 50
    assert steps[-1] == 30_000
    assert steps[:-1] == tuple(s for s in evaluation_steps(40_000) if s < 30_000)


def test_hushed_silences_lightning_and_gives_the_level_back() -> None:
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    with hushed():
        assert not logger.isEnabledFor(logging.INFO)
        with warnings.catch_warnings(record=True):
            pass
    assert logger.level == level
