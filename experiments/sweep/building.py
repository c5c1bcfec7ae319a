"""From the words of a run to its task, its model and its optimizer."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from grokwatch.experiments.models import MODELS, Network
from grokwatch.experiments.stacked.optimizer import StackedOptimizer
from grokwatch.experiments.stacked.optimizers import OPTIMIZERS
from grokwatch.experiments.sweep.runs import Cell
from grokwatch.experiments.tasks import Split, Task, make_task
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Group, Probe

_TOKENS = frozenset({"modular_mlp", "direct_mlp", "circular_mlp", "transformer"})
_BITS = frozenset({"parity_mlp"})
_OF_TASK = ("modulus", "length", "num_bits", "num_control", "num_features", "num_classes")


def hidden_options(kind: str, name: str) -> Collection[str]:
    """Options that follow from something else, so that nobody sets them.

    Args:
        kind: `task`, `model` or `optimizer`.
        name: of one of them.

    Returns:
        Names of options.

    Example:
        >>> sorted(hidden_options("optimizer", "sgd"))
        ['decoupled', 'weights']
    """
    of_model = ("seed", *_OF_TASK)
    return {"task": ("seed",), "model": of_model, "optimizer": ("weights", "decoupled")}[kind]


def task_of(cell: Cell, seed: int) -> Task:
    """The task of a run.

    Raises:
        ConfigurationError: its options contradict each other.
    """
    return make_task(cell.task.name, {**cell.task.options, "seed": seed})


def model_of(cell: Cell, task: Task, split: Split, seed: int) -> Network:
    """The model of a run, in the sizes that its task asks for.

    Args:
        cell: what was chosen.
        task: what it learns.
        split: its examples.
        seed: of the initial weights.

    Raises:
        ConfigurationError: its options contradict each other, or it cannot read the task.
    """
    sizes = _sizes(cell.model.name, task, split)
    return MODELS[cell.model.name](**cell.model.options, **sizes, seed=seed)


def optimizer_of(cells: Sequence[Cell], weights: Sequence[Tensor]) -> StackedOptimizer:
    """One optimizer for a stack of models, each with its own settings.

    Args:
        cells: one for each model, of the same kind of optimizer.
        weights: `(S, ...)`.

    Raises:
        ConfigurationError: a setting is out of range.
    """
    columns: dict[str, object] = {}
    for key, first in cells[0].optimizer.options.items():
        rows = [cell.optimizer.options[key] for cell in cells]
        column = torch.tensor(rows, dtype=torch.float64)
        columns[key] = tuple(column.T) if isinstance(first, tuple) else column
    make: Callable[..., StackedOptimizer] = OPTIMIZERS[cells[0].optimizer.name]
    return make(weights, **columns)


def probe_for(model: Network, task: Task) -> Probe:
    """What the model says of itself, but tokens are permutations where the task says so."""
    probe = model.probe()
    if probe.roles and task.group is not None and Group.parse(task.group).kind == "symmetric":
        return replace(probe, group=task.group)
    return probe


def _sizes(model: str, task: Task, split: Split) -> dict[str, int]:
    """Options of a model that follow from the task.

    Raises:
        ConfigurationError: the model cannot read what the task gives.
    """
    group = None if task.group is None else Group.parse(task.group)
    kind = "numbers" if group is None else "bits" if group.kind == "bits" else "tokens"
    if (model in _TOKENS) != (kind == "tokens") or (model in _BITS and kind != "bits"):
        fitting = sorted(_TOKENS) if kind == "tokens" else ["plain_mlp"]
        msg = (
            f"Expected a model that reads the {kind} of {task.name}, got {model!r}. "
            f"Try one of {', '.join([*fitting, *(_BITS if kind == 'bits' else ())])}."
        )
        raise ConfigurationError(msg)
    width = split.train_inputs.shape[-1]
    if model in _TOKENS and group is not None:
        length = {"length": width} if model == "transformer" else {}
        return {"modulus": group.order, **length}
    if model in _BITS:
        num_control = int(getattr(task, "num_skills", 0))
        return {"num_bits": width - num_control, "num_control": num_control}
    return {"num_features": width, "num_classes": task.num_classes}
