"""The article's parity sweep as a table: 125 cells of nine runs, published and ours."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TypeAlias

import msgspec

from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, RunStarted

GENERALIZED = 0.05
"""A run generalises where its smallest test loss is below, nats."""

SEEDS = 9

OURS = "parity_sweep.csv"
_PUBLISHED = "pair_sparse_parity_sweep.csv"


@dataclass(frozen=True, order=True)
class Place:
    """A cell of the sweep: all that its runs share."""

    decay: float
    hidden: int
    num_train: int


class SweptRun(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one run; its fields are the columns of our table.

    Attributes:
        train_size: examples trained on.
        hidden: number of neurons.
        decay: weight decay.
        seed: from 0.
        min_train_loss: smallest train loss.
        min_test_loss: smallest test loss.
        steps: at which it ended.
    """

    train_size: int
    hidden: int
    decay: float
    seed: int
    min_train_loss: float
    min_test_loss: float
    steps: int

    @property
    def place(self) -> Place:
        """Its cell."""
        return Place(self.decay, self.hidden, self.train_size)


Counts: TypeAlias = Mapping[Place, int]
"""How many of a cell's nine runs generalise."""


def published() -> Counts:
    """The article's table."""
    rows = csv.DictReader(_data(_PUBLISHED).splitlines())
    return _counted(
        (
            Place(float(r["weight_decay"]), int(r["hidden_size"]), int(r["train_size"])),
            float(r["minEvalLoss"]),
        )
        for r in rows
    )


def ours() -> tuple[SweptRun, ...] | None:
    """Our table, None where this copy of the package has none."""
    file = resources.files("grokwatch.experiments").joinpath("data", OURS)
    return read(file.read_text(encoding="utf-8")) if file.is_file() else None


def counts(runs: Iterable[SweptRun]) -> Counts:
    """Which cells were trained, and how many of their runs generalise."""
    return _counted((run.place, run.min_test_loss) for run in runs)


def swept(records: Sequence[AnyRecord]) -> SweptRun:
    """What is kept of the records of one run."""
    settings = next(r.hyper_parameters for r in records if isinstance(r, RunStarted))
    number = {key: float(x) for key, x in settings.items() if isinstance(x, int | float)}
    trained = [r for r in records if isinstance(r, Observation)]
    tested = [r for r in records if isinstance(r, Evaluation)]
    return SweptRun(
        train_size=int(number["num_train"]),
        hidden=int(number["model.hidden"]),
        decay=number["optimizer.decay"],
        seed=int(number["seed"]),
        min_train_loss=_least(r.train_loss for r in trained),
        min_test_loss=_least(r.test_loss for r in tested),
        steps=max(r.step for r in tested),
    )


def read(text: str) -> tuple[SweptRun, ...]:
    """Our table from CSV."""
    rows = csv.DictReader(text.splitlines())
    return tuple(msgspec.convert(row, SweptRun, strict=False) for row in rows)


def write(runs: Iterable[SweptRun], path: Path) -> None:
    """Our table as CSV, by cell and seed; losses in full, as .04996 must not become .05."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(SweptRun.__struct_fields__)
        for run in sorted(runs, key=lambda run: (run.place, run.seed)):
            writer.writerow(map(repr, msgspec.structs.astuple(run)))


def _counted(rows: Iterable[tuple[Place, float]]) -> Counts:
    """Count runs whose smallest test loss is low."""
    found: dict[Place, int] = {}
    for place, loss in rows:
        found[place] = found.get(place, 0) + (loss < GENERALIZED)
    return found


def _least(losses: Iterable[float | None]) -> float:
    """The smallest of those that are there."""
    return min((loss for loss in losses if loss is not None), default=float("inf"))


def _data(name: str) -> str:
    """A table that comes with the package."""
    file = resources.files("grokwatch.experiments").joinpath("data", name)
    return file.read_text(encoding="utf-8")
