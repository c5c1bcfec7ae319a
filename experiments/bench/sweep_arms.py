"""The arms of the sweep benchmark: one model after the other, under Lightning, and our stacks.

All train the same models on the same examples, from the same weights, with the same AdamW.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from grokwatch.experiments.bench.sweep_shapes import Shape
from grokwatch.experiments.modules import Classifier, make_trainer
from grokwatch.experiments.optim import AdamW
from grokwatch.experiments.overhead import Arm
from grokwatch.experiments.sweep import stepping, stepping_cuda
from grokwatch.experiments.sweep.building import model_of, task_of
from grokwatch.experiments.sweep.runs import Run
from grokwatch.experiments.sweep.stack import Stack
from grokwatch.experiments.tasks import Split

LOOP, CONTROL, LIGHTNING = "plain PyTorch loop", "the same loop again (control)", "Lightning"
EAGER, COMPILED, JAX = "our stack, eager", "our stack, compiled", "JAX, vmap and scan"

Advance = Callable[[], Tensor]
"""Makes some updates, and gives the losses that each began with: `(updates, S)`."""


@dataclass(frozen=True)
class Trainee:
    """Models in training.

    Attributes:
        kind: who trains them.
        count: how many at once, S.
        advance: makes updates.
        updates: how many of them in a call.
        first_seconds: what came before the first update and is paid once: tracing, compiling.
    """

    kind: str
    count: int
    advance: Advance
    updates: int = 1
    first_seconds: float | None = None

    @property
    def name(self) -> str:
        """Who trains how many."""
        if self.kind in {LOOP, CONTROL, LIGHTNING}:
            return self.kind
        return f"{self.kind}, {self.count} at once"


@dataclass(frozen=True)
class Parts:
    """One run, ready to be trained: its model, its examples and how it is optimized."""

    model: nn.Module
    split: Split
    optimizer: AdamW


def parts_of(run: Run) -> Parts:
    """What a run is made of, anew."""
    task = task_of(run.cell, run.seed)
    split = task.split()
    options = run.cell.optimizer.options
    names = ("lr", "decay", "betas", "eps")
    optimizer = AdamW(**{name: options[name] for name in names})  # type: ignore[arg-type]
    return Parts(model_of(run.cell, task, split, run.seed), split, optimizer)


def loop(run: Run, *, kind: str = LOOP, device: str = "cpu") -> Trainee:
    """A loop as everybody writes it, around one model.

    Args:
        run: what is trained.
        kind: its name in the result.
        device: where.
    """
    parts = parts_of(run)
    model = parts.model.to(device)
    inputs, targets = (part.to(device) for part in parts.split[:2])
    options = parts.optimizer
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=options.lr,
        betas=options.betas,
        eps=options.eps,
        weight_decay=options.decay,
    )

    def advance() -> Tensor:
        optimizer.zero_grad()
        loss = cross_entropy(model(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach().view(1, 1)

    return Trainee(kind, 1, advance)


def stacked(shape: Shape, count: int, *, compiled: bool, device: str = "cpu") -> Trainee:
    """Our stack of the first runs of a shape.

    Args:
        shape: of the models.
        count: how many.
        compiled: whether gradients are compiled.
        device: where.

    Raises:
        RuntimeError: this machine cannot compile, or not record a graph.
    """
    begin = time.perf_counter()
    with _heard(stepping.__name__) as one, _heard(stepping_cuda.__name__) as other:
        stack = Stack(shape.runs(count), compiled=compiled, device=device)
    first_seconds = time.perf_counter() - begin
    if one + other:
        told = (one + other)[0]
        msg = f"Expected a stack that is compiled or recorded, got: {told}. Try a machine that can."
        raise RuntimeError(msg)

    def advance() -> Tensor:
        stack.step()
        return stack.losses[-1][None]

    kind = COMPILED if compiled else EAGER
    return Trainee(kind, count, advance, first_seconds=first_seconds if compiled else None)


def taking_turns(trainee: Trainee, calls: int) -> Arm:
    """An arm that calls a trainee so many times whenever its turn comes.

    Args:
        trainee: what is timed.
        calls: of a turn.
    """

    def start(arm: Arm) -> None:
        for _ in arm:
            trainee.advance()

    return Arm(trainee.name, start, (), calls)


def lightning(run: Run, turns: int, calls: int) -> Arm:
    """An arm of one model under a Lightning trainer with nothing attached.

    Args:
        run: what is trained.
        turns: how many there will be.
        calls: updates of a turn.
    """
    parts = parts_of(run)
    module = Classifier(parts.model, parts.optimizer)

    def start(arm: Arm) -> None:
        trainer = make_trainer(turns * calls + 1)
        trainer.fit_loop.max_epochs = 1  # The arm gives batches until it is closed.
        trainer.fit(module, train_dataloaders=arm)

    return Arm(LIGHTNING, start, parts.split[:2], calls)


@contextmanager
def _heard(name: str) -> Iterator[list[str]]:
    """The warnings of a logger while a block runs, kept from everybody else.

    Args:
        name: of the logger.

    Yields:
        The messages, as they come.
    """
    messages: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        messages.append(record.getMessage())
        return False

    logger = logging.getLogger(name)
    level = logger.level
    logger.addFilter(keep)
    logger.setLevel(logging.WARNING)  # Heard even where those above it are hushed.
    try:
        yield messages
    finally:
        logger.setLevel(level)
        logger.removeFilter(keep)
