"""The recipes as ordinary Lightning parts: classifier, data in full batches, trainer, progress.

Nothing here knows of the monitor: it is attached to the trainer like any callback.
"""

import logging
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import repeat
from types import MappingProxyType
from typing import TypeAlias

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from grokwatch.experiments.optim import AdamW
from grokwatch.experiments.tasks import Split
from grokwatch.monitor.records import HyperParameter

Batch: TypeAlias = tuple[Tensor, Tensor]

NO_HYPER_PARAMETERS: Mapping[str, HyperParameter] = MappingProxyType({})


class Classifier(pl.LightningModule):
    """Cross-entropy over classes; logs `test_loss` and `test_accuracy` at each evaluation.

    Nothing is logged per step: that would take as long as the step.

    Args:
        model: maps inputs `(N, ...)` to logits `(N, C)`.
        optimizer: how it is trained.
        hyper_parameters: what a tracker should show beside the run, by name.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: AdamW,
        hyper_parameters: Mapping[str, HyperParameter] = NO_HYPER_PARAMETERS,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(dict(hyper_parameters))
        self.model = model
        self.optimizer = optimizer

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of the model."""
        logits: Tensor = self.model(inputs)
        return logits

    def training_step(self, batch: Batch) -> Tensor:
        """Mean cross-entropy of a batch."""
        inputs, targets = batch
        return cross_entropy(self(inputs), targets)

    def validation_step(self, batch: Batch) -> None:
        """Log loss and accuracy (a fraction) on held-out examples."""
        inputs, targets = batch
        logits = self(inputs)
        accuracy = (logits.argmax(dim=-1) == targets).double().mean()
        metrics = {
            "test_loss": cross_entropy(logits.double(), targets),
            "test_accuracy": accuracy,
        }
        self.log_dict(metrics, batch_size=len(targets))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer over all parameters."""
        return self.optimizer.make(self.parameters())


class FullBatches:
    """All examples as one batch, the same one at each turn of a pass.

    Args:
        batch: what every turn gives.
        turns: asked at the start of each pass how many turns it has.
    """

    def __init__(self, batch: Batch, turns: Callable[[], int]) -> None:
        self._batch = batch
        self._turns = turns

    def __iter__(self) -> Iterator[Batch]:
        return repeat(self._batch, self._turns())


class FullBatchData(pl.LightningDataModule):
    """A split, trained in full batches and evaluated on given steps.

    One epoch of the trainer runs from where training stands to the next evaluation, so that
    evaluations fall where they should, also after a resume.

    Args:
        split: the examples.
        steps: optimizer updates at which to evaluate, ascending; the last ends training.
    """

    def __init__(self, split: Split, steps: Sequence[int]) -> None:
        super().__init__()
        self.split = split
        self.steps = tuple(steps)

    def train_dataloader(self) -> FullBatches:
        """Full batches until the next evaluation."""
        batch = (self.split.train_inputs, self.split.train_targets)
        return FullBatches(batch, self._turns)

    def val_dataloader(self) -> FullBatches:
        """All held-out examples, once."""
        return FullBatches((self.split.test_inputs, self.split.test_targets), lambda: 1)

    def _turns(self) -> int:
        """Updates from now to the next evaluation."""
        assert self.trainer is not None
        now = self.trainer.global_step
        due = bisect_right(self.steps, now)
        return self.steps[due] - now if due < len(self.steps) else 0


class Progress(pl.Callback):
    """Calls `report(step, test_accuracy)` every so many updates and after each evaluation.

    Args:
        report: takes the number of updates made and the newest test accuracy, if there is one.
        every: updates between calls.
    """

    def __init__(self, report: Callable[[int, float | None], None], *, every: int = 50) -> None:
        self._report = report
        self._every = every

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Report every so many updates."""
        if trainer.global_step % self._every == 0:
            self._tell(trainer)

    def on_validation_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Report after an evaluation."""
        self._tell(trainer)

    def _tell(self, trainer: pl.Trainer) -> None:
        accuracy = trainer.callback_metrics.get("test_accuracy")
        self._report(trainer.global_step, None if accuracy is None else float(accuracy))


@contextmanager
def hushed(*others: str) -> Iterator[None]:
    """Keep Lightning from talking about devices and products while a block runs.

    Args:
        others: names of loggers to keep to errors too.
    """
    # both packages talk through the logger of whichever was imported last
    names = ("pytorch_lightning", "lightning", "lightning.pytorch", "lightning.fabric", *others)
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def make_trainer(steps: int, callbacks: Sequence[pl.Callback] = ()) -> pl.Trainer:
    """A quiet trainer on the CPU for `steps` updates: no logger, checkpoints or bar of its own."""
    return pl.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=list(callbacks),
    )
