"""GRID.toml: which runs a sweep is made of.

Four sections: `[task]` and `[model]` (a name and options), `[optimizer]` (a name and settings) and
`[run]` (steps, per_decade, seeds, loss, signals, stop_below, dear_every). A list of values means
each of them, with all combinations; one of seeds or signals means all of them. The sizes that a
model needs (its modulus, its bits) come from the task.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from grokwatch.experiments.models import MODELS
from grokwatch.experiments.stacked.losses import LOSSES
from grokwatch.experiments.stacked.optimizers import OPTIMIZERS
from grokwatch.experiments.sweep.building import hidden_options, model_of, optimizer_of, task_of
from grokwatch.experiments.sweep.runs import Cell, Part, Run, Value
from grokwatch.experiments.sweep.sections import combinations, known, parts
from grokwatch.experiments.tasks import TASKS
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.presets import choose

_TABLES = {"task": TASKS, "model": MODELS, "optimizer": OPTIMIZERS}
_RUN: Mapping[str, Value] = {
    "steps": 20_000,
    "per_decade": 100,
    "loss": "cross_entropy",
    "stop_below": 0.0,
    "dear_every": 1,
}
_SIGNALS = "standard"
_NO_CHANGES: Mapping[str, Mapping[str, object]] = {}


@dataclass(frozen=True)
class Grid:
    """The runs of a sweep.

    Attributes:
        name: of the file, without its ending.
        runs: cell by cell, seeds fastest.
        signals: presets and signals that are measured, as `choose` takes them.
    """

    name: str
    runs: tuple[Run, ...]
    signals: str


def read_grid(path: Path, changes: Mapping[str, Mapping[str, object]] = _NO_CHANGES) -> Grid:
    """Read a grid and check every cell of it.

    Args:
        path: a TOML file.
        changes: section -> key -> what to put there instead.

    Returns:
        All its runs.

    Raises:
        ConfigurationError: the file is no TOML, a key is not known, a value is of the wrong kind,
            or a combination of values cannot be.
    """
    sections = _sections(path)
    sections |= {name: {**sections.get(name, {}), **keys} for name, keys in changes.items()}
    found: dict[str, list[Part]] = {}
    for kind, table in _TABLES.items():
        given = sections.get(kind, {})
        if kind == "optimizer":
            given = {"name": "adamw", **given}
        where = f"[{kind}] of {path}"
        found[kind] = parts(where, given, table, hidden=partial(hidden_options, kind))
    settings = dict(sections.get("run", {}))
    seeds = _seeds(path, settings.pop("seeds", 1))
    measured = _signals(path, settings.pop("signals", _SIGNALS))
    rows = combinations(f"[run] of {path}", settings, _RUN)
    for row in rows:
        _check_run(path, row)
    cells = [
        Cell(task=task, model=model, optimizer=optimizer, **row)  # type: ignore[arg-type]
        for task in found["task"]
        for model in found["model"]
        for optimizer in found["optimizer"]
        for row in rows
    ]
    _check_cells(path, found, cells[0])
    runs = tuple(Run(cell, seed) for cell in cells for seed in seeds)
    return Grid(path.stem, runs, measured)


def _sections(path: Path) -> dict[str, dict[str, object]]:
    """The sections of a file.

    Raises:
        ConfigurationError: the file is no TOML, or has other sections.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"Expected a grid as TOML in {path}, got {error}. Try a file that starts with [task]."
        raise ConfigurationError(msg) from error
    for name, section in content.items():
        known(f"a section of {path}", (*_TABLES, "run"), name)
        if not isinstance(section, dict):
            msg = f"Expected a section [{name}] in {path}, got {section!r}. Try [{name}]."
            raise ConfigurationError(msg)
    return content


def _seeds(path: Path, given: object) -> list[int]:
    """A list of seeds, or so many from 0.

    Raises:
        ConfigurationError: neither.
    """
    listed = given if isinstance(given, list) else None
    if type(given) is int and given > 0:
        return list(range(given))
    if not listed or any(type(seed) is not int or seed < 0 for seed in listed):
        listed = None
    if listed is None or len(set(listed)) < len(listed):
        msg = (
            f"Expected seeds in [run] of {path} as a count or a list of different numbers >= 0, "
            f"got {given!r}. Try seeds = 9."
        )
        raise ConfigurationError(msg)
    return listed


def _signals(path: Path, given: object) -> str:
    """What is measured, names of presets and signals with commas in between.

    Raises:
        ConfigurationError: a name is not known.
    """
    names = ", ".join(map(str, given if isinstance(given, list) else [given]))
    try:
        choose(names)
    except ConfigurationError as error:
        raise ConfigurationError(f"signals in [run] of {path}: {error}") from error
    return names


def _check_run(path: Path, row: Mapping[str, Value]) -> None:
    """Refuse what cannot be trained for.

    Raises:
        ConfigurationError: an unknown loss, less than one step, or a bound that is negative.
    """
    known(f"loss in [run] of {path}", LOSSES, str(row["loss"]))
    for key in ("steps", "per_decade", "dear_every"):
        if int(row[key]) < 1:  # type: ignore[arg-type]
            msg = (
                f"Expected {key} in [run] of {path} to be at least 1, got {row[key]}. "
                f"Try {key} = {_RUN[key]}."
            )
            raise ConfigurationError(msg)
    if float(row["stop_below"]) < 0:  # type: ignore[arg-type]
        msg = (
            f"Expected stop_below in [run] of {path} to be a loss >= 0, got {row['stop_below']}. "
            "Try stop_below = 0.001, or 0 for never."
        )
        raise ConfigurationError(msg)


def _check_cells(path: Path, found: Mapping[str, list[Part]], cell: Cell) -> None:
    """Make every task with every model, and every optimizer, once.

    Raises:
        ConfigurationError: one of them cannot be made; the message says in which section.
    """
    for task in found["task"]:
        for model in found["model"]:
            _check_pair(path, task, model, cell)
    for optimizer in found["optimizer"]:
        tried = Cell(**{**vars(cell), "optimizer": optimizer})
        try:
            optimizer_of([tried], [torch.zeros(1, 1)])
        except ConfigurationError as error:
            raise _impossible(path, "optimizer", optimizer, error) from error


def _check_pair(path: Path, task: Part, model: Part, cell: Cell) -> None:
    """Make one task and one model for it."""
    tried = Cell(**{**vars(cell), "task": task, "model": model})
    try:
        made = task_of(tried, seed=0)
        split = made.split()
    except ConfigurationError as error:
        raise _impossible(path, "task", task, error) from error
    try:
        model_of(tried, made, split, seed=0)
    except ConfigurationError as error:
        raise _impossible(path, "model", model, error) from error


def _impossible(path: Path, kind: str, part: Part, error: Exception) -> ConfigurationError:
    """The reason, with the section and what was chosen there."""
    chosen = ", ".join(f"{key}={value!r}" for key, value in part.chosen.items()) or "its defaults"
    return ConfigurationError(f"[{kind}] of {path}, {part.name} with {chosen}: {error}")
