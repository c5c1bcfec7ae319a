"""What makes a run, and its name for ever.

Names are hashes of what was chosen: an option left at its default is left out, so that a new option
changes no name. Whether what lies on a disk is still what would be trained today is another
question, which chunk files answer by a hash of all options.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from grokwatch.monitor.records import HyperParameter

Value: TypeAlias = bool | int | float | str | tuple[float, ...]

_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class Part:
    """A task, model or optimizer by name, and how it is set.

    Attributes:
        name: in the table of its kind.
        options: all of them.
        chosen: those that differ from their defaults.
    """

    name: str
    options: Mapping[str, Value]
    chosen: Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Everything that makes a run but its seed.

    Attributes:
        task: what is learned.
        model: who learns it.
        optimizer: how.
        loss: name in `LOSSES`.
        steps: optimizer updates.
        per_decade: evaluations per factor of ten in steps.
        stop_below: a run is over at the first evaluation whose test loss is below; 0 for never.
            What such a run would have done later is not known, so that no label that looks at what
            comes after (a collapse, a second rise) may be read from it.
        dear_every: dear signals are read at the first of so many evaluations.
    """

    task: Part
    model: Part
    optimizer: Part
    loss: str
    steps: int
    per_decade: int
    stop_below: float = 0.0
    dear_every: int = 1

    @property
    def id(self) -> str:
        """16 hexadecimal digits, the same for all seeds."""
        return digest(self._names())

    def settings(self) -> dict[str, HyperParameter]:
        """What a table should show beside a run: every option, its part in front."""
        parts = {"task": self.task, "model": self.model, "optimizer": self.optimizer}
        flat: dict[str, HyperParameter] = {kind: part.name for kind, part in parts.items()}
        for kind, part in parts.items():
            flat |= {f"{kind}.{key}": _plain(value) for key, value in part.options.items()}
        of_run = ("loss", "steps", "per_decade", "stop_below", "dear_every")
        return {**flat, **{key: getattr(self, key) for key in of_run}}

    def _names(self) -> dict[str, object]:
        """What is hashed."""
        later = {"stop_below": (self.stop_below, 0.0), "dear_every": (self.dear_every, 1)}
        return {
            "task": (self.task.name, dict(self.task.chosen)),
            "model": (self.model.name, dict(self.model.chosen)),
            "optimizer": (self.optimizer.name, dict(self.optimizer.chosen)),
            "loss": self.loss,
            "steps": self.steps,
            "per_decade": self.per_decade,
            **{key: value for key, (value, default) in later.items() if value != default},
        }


@dataclass(frozen=True)
class Run:
    """A cell with a seed, which draws the split, labels, initial weights and dropout."""

    cell: Cell
    seed: int

    @property
    def id(self) -> str:
        """16 hexadecimal digits, the run's id in its records."""
        return digest([self.cell._names(), self.seed])

    def settings(self) -> dict[str, HyperParameter]:
        """What a tracker should show beside the run."""
        return {"cell": self.cell.id, "seed": self.seed, **self.cell.settings()}


def digest(content: object) -> str:
    """First digits of the SHA-256 of some content as JSON with ordered keys.

    Example:
        >>> digest({"b": 1, "a": 0.5}) == digest({"a": 0.5, "b": 1})
        True
    """
    text = msgspec.json.encode(content, order="deterministic")
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


def _plain(value: Value) -> HyperParameter:
    """Numbers, texts and truth values as they are, anything else as text."""
    return str(value) if isinstance(value, tuple) else value
