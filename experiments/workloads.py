"""What overhead is measured on: the demo's model, and a transformer of 11 million parameters."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.modules import Classifier, hushed
from grokwatch.experiments.optim import AdamW
from grokwatch.experiments.overhead import Arm, Empty, measure
from grokwatch.experiments.recipes import ADDITION, Recipe, build
from grokwatch.experiments.threads import one_thread
from grokwatch.monitor.probe import Probe

BARE, CONTROL, EMPTY, WATCHED, SINKS = (
    "bare",
    "bare again (control)",
    "empty callback",
    "watched, journal",
    "watched, journal + MLflow + Prometheus",
)
ARMS = (BARE, CONTROL, EMPTY, WATCHED, SINKS)

_TOTAL_STEPS = 30_000


@dataclass(frozen=True)
class Workload:
    """A model to train and the batch it sees at every step.

    Attributes:
        name: what it is called in the result.
        module: makes a fresh Lightning module.
        batch: of every step.
        probe: what the monitor is told, None to let it look.
        block: steps of one block.
        blocks: blocks that count.
        warm_up: blocks that do not.
    """

    name: str
    module: Callable[[], pl.LightningModule]
    batch: tuple[Tensor, Tensor]
    probe: Probe | None
    block: int
    blocks: int
    warm_up: int


class Transformer(nn.Module):
    """A transformer encoder: 6 layers, width 384, 6 heads, 11.0 M parameters."""

    def __init__(self, *, vocabulary: int = 512, width: int = 384, layers: int = 6) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        layer = nn.TransformerEncoderLayer(width, 6, 4 * width, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens `(N, length)` to logits of the last position, `(N, vocabulary)`."""
        logits: Tensor = self.head(self.layers(self.embed(tokens))[:, -1])
        return logits


def demo_workload() -> Workload:
    """The model, the batch and the probe of `make demo`."""
    return recipe_workload(ADDITION, "demo MLP, 57,500 parameters, batch 911")


def recipe_workload(recipe: Recipe, name: str) -> Workload:
    """The model, the full batch and the probe of a recipe whose steps take about a millisecond."""
    parts = build(recipe, 0)
    split = parts.data.split
    return Workload(
        name=name,
        module=lambda: build(recipe, 0).module,
        batch=(split.train_inputs, split.train_targets),
        probe=parts.probe,
        block=480,
        blocks=58,
        warm_up=4,
    )


def transformer_workload() -> Workload:
    """Sixteen sequences of 64 tokens through 11 million parameters; the monitor is told nothing."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(512, (16, 64), generator=generator)
    optimizer = AdamW(lr=1e-3, decay=0.1)
    return Workload(
        name="transformer, 11.0 M parameters, batch 16 x 64",
        module=lambda: Classifier(Transformer(), optimizer),
        batch=(tokens, tokens[:, 0]),
        probe=None,
        block=4,
        blocks=14,
        warm_up=2,
    )


def measured(
    workload: Workload, counting: Counting, names: Sequence[str] = ARMS
) -> Mapping[str, Arm]:
    """Measure a workload on one thread, without a word of the trainers or the monitors.

    Args:
        workload: what to train.
        counting: told of the rounds.
        names: of the arms.

    Returns:
        The arms by name, with the step times of their blocks.
    """
    blocks, warm_up = workload.blocks, workload.warm_up
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # a slow sink may still write
    with one_thread(), hushed("grokwatch"), folder as directory:
        running = arms(workload, Path(directory), names)
        with counting(workload.name.split(",")[0], warm_up + blocks) as done:
            measure(running, blocks=blocks, warm_up=warm_up, done=done)
    return {arm.name: arm for arm in running}


def arms(workload: Workload, directory: Path, names: Sequence[str] = ARMS) -> list[Arm]:
    """Start one trainer per arm, each waiting for the baton."""
    return [
        Arm(
            name,
            lambda arm: fit(workload, arm, _callbacks(workload, arm, directory)),
            workload.batch,
            workload.block,
        )
        for name in names
    ]


def _callbacks(workload: Workload, arm: Arm, directory: Path) -> list[pl.Callback]:
    name = arm.name
    if name in {BARE, CONTROL}:
        return []
    if name == EMPTY:
        return [Empty()]
    stores = (
        f"mlflow:sqlite:///{directory / 'mlflow.db'}",
        f"prometheus:127.0.0.1:0?targets={quote(str(directory))}",
    )
    monitor = GrokkingMonitor(
        workload.probe,
        sinks=stores if name == SINKS else (),
        hooks=(),
        directory=directory / ("sinks" if name == SINKS else "journal"),
        clock=arm.clock,
    )
    return [monitor]


def fit(workload: Workload, loader: Iterable[object], callbacks: list[pl.Callback]) -> None:
    """Train a workload on the CPU until its loader is exhausted.

    Args:
        workload: what to train.
        loader: gives the batches; the budget of steps does not depend on how many.
        callbacks: of the trainer.
    """
    needed = workload.block * (workload.warm_up + workload.blocks)
    trainer = pl.Trainer(
        max_steps=max(_TOTAL_STEPS, needed + 1),
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callbacks,
    )
    with contextlib.suppress(KeyboardInterrupt):
        trainer.fit(workload.module(), train_dataloaders=loader)
