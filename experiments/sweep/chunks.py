"""Which runs are trained together: those of equal shapes, as many as fit the processor's cache.

More models at once are faster until weights, gradients and moments no longer fit the cache; then
they are slower again (by two fifths at twice the size of a cache, measured).
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

MEMORY_BYTES = 64 * 2**20
"""What a whole chunk may take, with examples and activations: beyond it more models at once are no
faster, and a kill costs more."""

_COPIES = 4
_FORMAT = 1


@dataclass(frozen=True)
class Chunk:
    """Runs that are trained as one stack.

    Attributes:
        runs: one for each model, of equal shapes.
        num_train: examples that each trains on.
        num_test: examples held out.
    """

    runs: tuple[Run, ...]
    num_train: int
    num_test: int

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
    num_train: int
    num_test: int
    shape: Hashable


def plan(
    runs: Sequence[Run],
    *,
    chunk_bytes: int = CHUNK_BYTES,
    memory_bytes: int = MEMORY_BYTES,
    machine_bytes: int | None = None,
) -> list[Chunk]:
    """Cut runs into chunks.

    Args:
        runs: in any order, which is kept among runs of equal shapes.
        chunk_bytes: bound on four times the parameters of a chunk in float32.
        memory_bytes: bound on all that training a chunk takes; a single model may take more.
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
        most = max(1, min(of_cache, memory_bytes // group.size.num_bytes))
        count = math.ceil(len(group.runs) / most)
        bounds = [number * len(group.runs) // count for number in range(count + 1)]
        chunks += [
            Chunk(tuple(group.runs[low:high]), group.size.num_train, group.size.num_test)
            for low, high in pairwise(bounds)
        ]
    return chunks


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
    )


def _size(cell: Cell) -> _Size:
    """Measure a task and a model without training it."""
    task = task_of(cell, seed=0)
    split = task.split()
    model = model_of(cell, task, split, seed=0)
    shapes = tuple((tuple(part.shape), part.dtype) for part in split)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    return _Size(
        num_parameters=num_parameters,
        num_bytes=_COPIES * 4 * num_parameters + _activation_bytes(model, split),
        num_train=len(split.train_targets),
        num_test=len(split.test_targets),
        shape=(shapes, task.group, task.num_classes),
    )


def _activation_bytes(model: torch.nn.Module, split: Split) -> int:
    """What examples, one backward pass and one evaluation take, from their shapes alone."""
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[id(tensor)] = tensor.nbytes
        return tensor

    model = model.to("meta")
    with saved_tensors_hooks(note, lambda tensor: tensor):
        logits: Tensor = model(split.train_inputs.to("meta"))
    examples = sum(part.nbytes for part in split)
    num_test = len(split.test_targets) / len(split.train_targets)
    # Logits once more in float64 for the evaluation, and their gradients.
    evaluated = 4 * logits.nbytes * (1 + num_test)
    return int(examples + 2 * sum(saved.values()) + evaluated)


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
