"""The shapes that sweeps are measured on: addition modulo p by two tables that are summed."""

from dataclasses import dataclass
from functools import partial

from grokwatch.experiments.models import MODELS
from grokwatch.experiments.stacked.optimizers import OPTIMIZERS
from grokwatch.experiments.sweep.building import hidden_options
from grokwatch.experiments.sweep.chunks import plan
from grokwatch.experiments.sweep.runs import Cell, Part, Run
from grokwatch.experiments.sweep.sections import parts
from grokwatch.experiments.tasks import TASKS

RUNS = 64
"""Runs that a chunk is planned for."""

FEW = 16
"""The other number of models in a stack."""

LR, DECAY = 1e-3, 0.1


@dataclass(frozen=True)
class Least:
    """How many times as fast as the others ours should be, at least."""

    loop: float
    lightning: float
    jax: float


OVERHEAD = Least(loop=10.0, lightning=35.0, jax=0.6)
"""Where starting operations takes longer than they do."""

COMPUTE = Least(loop=1.5, lightning=3.0, jax=0.6)
"""Where a single model keeps a core busy."""


@dataclass(frozen=True)
class Shape:
    """Models of one shape.

    Attributes:
        modulus: p.
        hidden: number of neurons.
        num_train: examples, all of them in every batch.
        least: what is hoped for.
        scan: steps of one call of JAX.
    """

    modulus: int
    hidden: int
    num_train: int
    least: Least
    scan: int

    @property
    def num_parameters(self) -> int:
        """Of one model: two tables of tokens and one of answers."""
        return 3 * self.modulus * self.hidden

    @property
    def name(self) -> str:
        """For people."""
        sizes = f"modulus {self.modulus}, {self.hidden} neurons, {self.num_parameters:,} parameters"
        return f"{sizes}, batch {self.num_train:,}"

    def runs(self, count: int) -> tuple[Run, ...]:
        """Runs that differ in their seeds, from 0."""
        # Half an example more, because the number is rounded down.
        fraction = (self.num_train + 0.5) / self.modulus**2
        task = {"modulus": self.modulus, "train_fraction": fraction, "symmetric": True}
        model = {
            "hidden": self.hidden,
            "embeddings": "untied",
            "separate": True,
            "collapsed_input": True,
            "collapsed_output": True,
        }
        cell = Cell(
            task=_part("task", {"name": "modular_arithmetic", **task}),
            model=_part("model", {"name": "modular_mlp", **model}),
            optimizer=_part("optimizer", {"name": "adamw", "lr": LR, "decay": DECAY}),
            loss="cross_entropy",
            steps=20_000,
            per_decade=100,
        )
        return tuple(Run(cell, seed) for seed in range(count))

    def counts(self) -> tuple[int, ...]:
        """Models in a stack: as a sweep of 64 runs would have them, and 16."""
        planned = max(len(chunk.runs) for chunk in plan(self.runs(RUNS)))
        return tuple(dict.fromkeys((planned, FEW)))


SHAPES = (
    Shape(23, 32, 64, OVERHEAD, scan=100),
    Shape(13, 16, 32, OVERHEAD, scan=100),
    Shape(97, 64, 512, COMPUTE, scan=20),
    Shape(97, 128, 2822, COMPUTE, scan=4),
)


def _part(kind: str, given: dict[str, object]) -> Part:
    """A task, model or optimizer, its other options at their defaults."""
    table = {"task": TASKS, "model": MODELS, "optimizer": OPTIMIZERS}[kind]
    [found] = parts(f"[{kind}]", given, table, hidden=partial(hidden_options, kind))
    return found
