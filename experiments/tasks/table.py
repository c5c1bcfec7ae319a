"""All tasks by name, and a task made of what a user wrote; a new task is a row here."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from grokwatch.experiments.tasks.arithmetic import ModularAddition, ModularArithmetic
from grokwatch.experiments.tasks.composition import PermutationComposition
from grokwatch.experiments.tasks.measured import BreastCancer, Digits
from grokwatch.experiments.tasks.multitask import MultitaskParity
from grokwatch.experiments.tasks.parity import SparseParity
from grokwatch.experiments.tasks.task import Task
from grokwatch.monitor.errors import ConfigurationError

TASKS: Mapping[str, Callable[..., Task]] = {
    ModularAddition.name: ModularAddition,
    ModularArithmetic.name: ModularArithmetic,
    PermutationComposition.name: PermutationComposition,
    SparseParity.name: SparseParity,
    MultitaskParity.name: MultitaskParity,
    Digits.name: Digits,
    BreastCancer.name: BreastCancer,
}


def make_task(name: str, options: Mapping[str, object]) -> Task:
    """A task from its name and its attributes, as a file of settings gives them.

    Args:
        name: in `TASKS`.
        options: attributes of the task by name; those that are left out keep their defaults.

    Returns:
        The task.

    Raises:
        ConfigurationError: there is no such task or attribute, or a value is of the wrong kind.

    Example:
        >>> make_task("sparse_parity", {"num_bits": 20, "num_relevant": 2}).group
        'bits:20'
    """
    if name not in TASKS:
        _refuse("a task", TASKS, name)
    make: Any = TASKS[name]
    defaults = {field.name: field.default for field in fields(make)}
    for key in options:
        if key not in defaults:
            _refuse(f"an attribute of {name}", defaults, key)
    values = {key: _fit(key, value, defaults[key]) for key, value in options.items()}
    task: Task = make(**values)
    return task


def _refuse(what: str, known: Mapping[str, object], given: str) -> None:
    """Say what could have been given.

    Raises:
        ConfigurationError: always.
    """
    nearest = difflib.get_close_matches(given, known, n=1, cutoff=0.0)[0]
    msg = f"Expected {what} among {', '.join(known)}, got {given!r}. Try the nearest, {nearest!r}."
    raise ConfigurationError(msg)


def _fit(key: str, value: object, default: Any) -> object:
    """The value, of the same kind as the default; a whole number will do for a real one.

    Raises:
        ConfigurationError: it is of another kind.
    """
    kinds = (int, float) if isinstance(default, float) else type(default)
    if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool):
        msg = (
            f"Expected {key} as {type(default).__name__}, got {value!r}. "
            f"Try the default, {key}={default!r}."
        )
        raise ConfigurationError(msg)
    return type(default)(value)
