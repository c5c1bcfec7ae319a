"""`grokwatch sweep`: train a grid of small models, and say what became of each cell of it."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from grokwatch.experiments.counting import counting
from grokwatch.experiments.sweep import Run, read_grid
from grokwatch.experiments.sweep import sweep as train_all
from grokwatch.experiments.sweep.ends import has_diverged, held_out, outcome_of
from grokwatch.experiments.sweep.engine import cluster, local
from grokwatch.experiments.sweep.jobs import Engine
from grokwatch.monitor.commands import Report, number, table
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import (
    AnyRecord,
    HyperParameter,
    Outcome,
    RunStarted,
)
from grokwatch.monitor.vocabulary import Phase

ENGINES = ("local", "ray")
"""Who can train."""


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one run."""

    run_id: str
    seed: int
    diverged: bool
    outcome: Outcome


class CellRow(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one cell, which differ in their seeds alone; `settings` are what varies."""

    cell: str
    settings: dict[str, HyperParameter]
    phases: dict[str, int]
    diverged: int
    runs: tuple[RunRow, ...]


def sweep(
    path: Path,
    root: Path,
    *,
    workers: int | None = None,
    engine: str = ENGINES[0],
    address: str | None = None,
    device: str = "cpu",
    show: Callable[[str], None],
    progress: bool,
) -> Report:
    """Train what a grid asks for, and count phases.

    Args:
        path: the grid's file.
        root: the folder of all of grokwatch's files.
        workers: processes at a time on this machine; by default one per core, and one on `cuda`.
        engine: one of `ENGINES`.
        address: of a Ray cluster that runs already.
        device: `cpu` or `cuda`.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.

    Returns:
        A row for each cell; `holds` always.

    Raises:
        ConfigurationError: the grid cannot be, or there is no such engine, or nobody in it.
        SweepError: workers died over a chunk, time and again.
    """
    grid = read_grid(path)
    count = counting(show, progress=progress)
    if workers is None and address is None and device != "cpu":
        workers = 1
    chosen = _engine(engine, workers, address)
    records = train_all(grid, root, count, show, engine=chosen, device=device)
    rows = {row.run_id: row for row in map(_judged, records)}
    cells = _cells(grid.runs, rows)
    columns = [*dict.fromkeys(key for cell in cells for key in cell.settings)]
    phases = [phase.value for phase in Phase if any(phase.value in c.phases for c in cells)]
    shown = [
        (
            cell.cell[:8],
            *(str(cell.settings.get(key, "-")) for key in columns),
            number(len(cell.runs)),
            *(number(cell.phases.get(phase, 0)) for phase in phases),
            number(cell.diverged),
        )
        for cell in cells
    ]
    return Report(data=cells, lines=table(("cell", *columns, "runs", *phases, "diverged"), shown))


def _engine(name: str, workers: int | None, address: str | None) -> Engine:
    """Who trains.

    Raises:
        ConfigurationError: there is no such engine, or it does not take what else was asked.
    """
    if name not in ENGINES:
        msg = f"Expected --engine as one of {', '.join(ENGINES)}, got {name!r}. Try {ENGINES[0]}."
        raise ConfigurationError(msg)
    if address is not None and (name != "ray" or workers is not None):
        other = f"--engine {name}" if name != "ray" else f"--workers {workers}"
        msg = (
            f"Expected --address of a Ray cluster, which has its own workers, got it with {other}. "
            f"Try --engine ray --address {address}, and no --workers."
        )
        raise ConfigurationError(msg)
    count = (os.cpu_count() or 1) if workers is None else workers
    chosen = local(count)
    return cluster(address, count) if name == "ray" else chosen


def _judged(records: Sequence[AnyRecord]) -> RunRow:
    """Label one run."""
    started = next(record for record in records if isinstance(record, RunStarted))
    seed = started.hyper_parameters["seed"]
    return RunRow(
        run_id=started.run_id,
        seed=seed if isinstance(seed, int) else 0,
        diverged=has_diverged(records),
        outcome=outcome_of(records, held_out(started)),
    )


def _cells(runs: Iterable[Run], rows: dict[str, RunRow]) -> list[CellRow]:
    """Gather runs by cell, in the order of the grid."""
    members: dict[str, list[Run]] = {}
    for run in runs:
        members.setdefault(run.cell.id, []).append(run)
    settings = {cell: same[0].cell.settings() for cell, same in members.items()}
    varying = _varying(list(settings.values()))
    return [
        _cell(
            cell, same, rows, {key: settings[cell][key] for key in varying if key in settings[cell]}
        )
        for cell, same in members.items()
    ]


def _cell(
    cell: str, runs: Iterable[Run], rows: dict[str, RunRow], settings: dict[str, HyperParameter]
) -> CellRow:
    """Count what became of the runs of a cell."""
    found = tuple(rows[run.id] for run in runs)
    return CellRow(
        cell=cell,
        settings=settings,
        phases=dict(Counter(row.outcome.phase.value for row in found)),
        diverged=sum(row.diverged for row in found),
        runs=found,
    )


def _varying(settings: Sequence[dict[str, HyperParameter]]) -> list[str]:
    """Settings that are not the same in all cells."""
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if len({repr(each.get(key)) for each in settings}) > 1]
