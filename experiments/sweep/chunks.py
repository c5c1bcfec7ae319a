"""Which runs are trained together: those of equal shapes, as many as fit the processor's cache.

More models at once are faster until what a step touches no longer fits the cache; then they are
slower again. Measured on a core with 1 MiB of its own and 32 MiB for all, in milliseconds for a
step of a model of the parity task with 1,250 examples:

```
hidden        1 at once   2      4      9      27
    16        0.85        -      0.34   0.25   0.32
    64        1.06        0.78   0.60   0.73   -
   256        2.6         2.3    3.1    4.7    -
```
"""

import math
import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from grokwatch.experiments.sweep.building import model_of, task_of
from grokwatch.experiments.sweep.runs import Cell, Run, digest
from grokwatch.experiments.tasks import Split
from grokwatch.monitor.errors import ConfigurationError

CHUNK_BYTES = 16 * 2**20
"""What weights, gradients and two moments of a chunk may take: half of a common last cache."""

STEP_BYTES = 13 * 2**19
"""What a step of a chunk may touch, examples and activations among it: chosen so that each row of
the table above gets about its best number, and checked on nothing else."""

_COPIES = 4
_FORMAT = 1


@dataclass(frozen=True)
class Chunk:
    """Runs that are trained as one stack.

    Attributes:
        runs: one for each model, of equal shapes.
        num_train: examples that each trains on.
        num_test: examples held out.
        num_parameters: of one model.
    """

    runs: tuple[Run, ...]
    num_train: int
    num_test: int
    num_parameters: int = 1

    @property
    def work(self) -> int:
        """Models times parameters times examples times steps: longer than another, or shorter."""
        steps = self.runs[0].cell.steps
        return len(self.runs) * self.num_parameters * self.num_train * steps

    @property
    def name(self) -> str:
        """What it trains, for people."""
        return f"{len(self.runs)} x {self.runs[0].cell.model.name}"

    def id(self, signals: str) -> str:
        """Names the file of what comes of it: a hash of all options of all runs."""
        runs = [run.settings() for run in self.runs]
        return digest([_FORMAT, signals, runs, [run.id for run in self.runs]])


@dataclass
class _Group:
    """Runs of equal shapes, and what one of them takes."""

    size: "_Size"
    runs: list[Run] = field(default_factory=list)


@dataclass(frozen=True)
class _Size:
    """One model in numbers."""

    num_parameters: int
    num_bytes: int
    step_bytes: int
    num_train: int
    num_test: int
    shape: Hashable


def plan(
    runs: Sequence[Run],
    *,
    chunk_bytes: int = CHUNK_BYTES,
    step_bytes: int = STEP_BYTES,
    machine_bytes: int | None = None,
) -> list[Chunk]:
    """Cut runs into chunks.

    Args:
        runs: in any order, which is kept among runs of equal shapes.
        chunk_bytes: bound on four times the parameters of a chunk in float32.
        step_bytes: bound on all that one step touches; a single model may touch more.
        machine_bytes: what there is at all; this machine's memory where it is None.

    Returns:
        The chunks, of nearly equal sizes within a shape.

    Raises:
        ConfigurationError: not even one model fits the machine.
    """
    groups: dict[Hashable, _Group] = {}
    sizes: dict[Hashable, _Size] = {}
    for run in runs:
        architecture = _architecture(run.cell)
        size = sizes.get(architecture) or _size(run.cell)
        sizes[architecture] = size
        groups.setdefault((size.shape, _kind(run.cell)), _Group(size)).runs.append(run)
    limit = machine_bytes or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    chunks = []
    for group in groups.values():
        _check_memory(group, limit)
        of_cache = chunk_bytes // (_COPIES * 4 * group.size.num_parameters)
        most = max(1, min(of_cache, step_bytes // group.size.step_bytes))
        count = math.ceil(len(group.runs) / most)
        bounds = [number * len(group.runs) // count for number in range(count + 1)]
        chunks += [_chunk(group, low, high) for low, high in pairwise(bounds)]
    return chunks


def _chunk(group: _Group, low: int, high: int) -> Chunk:
    """Some runs of a group."""
    return Chunk(
        tuple(group.runs[low:high]),
        num_train=group.size.num_train,
        num_test=group.size.num_test,
        num_parameters=group.size.num_parameters,
    )


def _architecture(cell: Cell) -> Hashable:
    """What decides the shapes of a task and a model."""
    options = [tuple(part.options.items()) for part in (cell.task, cell.model)]
    return (cell.task.name, cell.model.name, *options)


def _kind(cell: Cell) -> Hashable:
    """What models of one stack have in common beside their shapes."""
    options = ((key, value) for key, value in cell.model.options.items() if key != "alpha")
    return (
        cell.model.name,
        tuple(options),
        cell.optimizer.name,
        cell.loss,
        cell.steps,
        cell.per_decade,
        cell.dear_every,
    )


def _size(cell: Cell) -> _Size:
    """Measure a task and a model without training it."""
    task = task_of(cell, seed=0)
    split = task.split()
    model = model_of(cell, task, split, seed=0)
    shapes = tuple((tuple(part.shape), part.dtype) for part in split)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    weights = _COPIES * 4 * num_parameters
    step, evaluated = _activation_bytes(model, split)
    return _Size(
        num_parameters=num_parameters,
        num_bytes=weights + step + evaluated,
        step_bytes=weights + step,
        num_train=len(split.train_targets),
        num_test=len(split.test_targets),
        shape=(shapes, task.group, task.num_classes),
    )


def _activation_bytes(model: torch.nn.Module, split: Split) -> tuple[int, int]:
    """What a step touches beside weights, and an evaluation beside that, from shapes alone."""
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[id(tensor)] = tensor.nbytes
        return tensor

    model = model.to("meta")
    with saved_tensors_hooks(note, lambda tensor: tensor):
        logits: Tensor = model(split.train_inputs.to("meta"))
    seen, held_out = (sum(part.nbytes for part in parts) for parts in (split[:2], split[2:]))
    num_test = len(split.test_targets) / len(split.train_targets)
    # Logits and their gradients in a step, once more in float64 in an evaluation.
    step = seen + 2 * sum(saved.values()) + 2 * logits.nbytes
    return step, int(held_out + logits.nbytes * (2 + 4 * num_test))


def _check_memory(group: _Group, limit: int) -> None:
    """Refuse a model that does not fit the machine even alone.

    Raises:
        ConfigurationError: it does not.
    """
    if group.size.num_bytes > limit:
        cell = group.runs[0].cell
        msg = (
            f"Expected one {cell.model.name} on {cell.task.name} within {limit:,} bytes of memory, "
            f"got {group.size.num_bytes:,}. Try smaller sizes in [model], or fewer examples in "
            "[task]."
        )
        raise ConfigurationError(msg)
