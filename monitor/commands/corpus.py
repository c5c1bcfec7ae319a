"""`grokwatch corpus`: build the labelled corpus, check it, and count what is in it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from grokwatch import experiments
from grokwatch.experiments.corpus import (
    RunRow,
    Site,
    build_slice,
    known_manifest,
    problems,
    read_rows,
    read_slice,
    slice_names,
)
from grokwatch.experiments.corpus import rebuild as train_again
from grokwatch.experiments.corpus.coding import VALUE_BITS
from grokwatch.experiments.corpus.counts import MIXED, Bar, bars, mixed_cells, negatives
from grokwatch.experiments.corpus.grids import slice_grid
from grokwatch.experiments.corpus.picture import Map, draw_maps, map_of
from grokwatch.experiments.counting import Counting, counting
from grokwatch.monitor.commands import Report, number, table
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.vocabulary import Phase

_EXPERIMENTS = Path(experiments.__path__[0]).resolve()
GRIDS = _EXPERIMENTS / "grids" / "corpus"
FOLDER = _EXPERIMENTS / "data" / "corpus"


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one task and one kind of labels."""

    task: str
    labels: str
    cells: int
    mixed: int
    runs: int
    phases: dict[str, int]
    collapse: int
    diverged: int


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the corpus."""

    tasks: tuple[TaskRow, ...]
    splits: dict[str, dict[str, int]]
    negatives: dict[str, int]
    bars: tuple[dict[str, object], ...]
    num_bytes: int


def build(
    asked: Sequence[str],
    root: Path,
    *,
    grids: Path = GRIDS,
    folder: Path = FOLDER,
    workers: int = 1,
    bits: int = VALUE_BITS,
    show: Callable[[str], None],
    progress: bool,
) -> Report:
    """Build slices; what is there already is left.

    Args:
        asked: names of slices; none for all.
        root: the folder of all of grokwatch's files.
        grids: folder of the slices' grids.
        folder: of the corpus.
        workers: processes that train.
        bits: of the fraction that a value keeps, for the first slice of a corpus.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.

    Returns:
        A row for each slice; `holds` always.

    Raises:
        ConfigurationError: a slice is not known, or its grid cannot be.
    """
    count = counting(show, progress=progress)
    site = Site(grids=grids, folder=folder, root=root, count=count, show=show, bits=bits)
    names = slice_names(grids, asked)
    entries = {name: build_slice(site, name, workers=workers) for name in names}
    shown = [
        (
            name,
            number(entry.num_runs),
            number(entry.num_cells),
            number(entry.mixed_cells),
            number(sum(file.size for file in entry.files) // 1000),
            ", ".join(f"{count} {phase}" for phase, count in entry.phases.items()),
        )
        for name, entry in entries.items()
    ]
    columns = ("slice", "runs", "cells", "mixed", "kB", "phases")
    return Report(data=entries, lines=table(columns, shown))


def verify(
    *,
    grids: Path = GRIDS,
    folder: Path = FOLDER,
    rebuild: str | None = None,
    cells: int = 1,
    show: Callable[[str], None],
    progress: bool,
) -> Report:
    """Check all files, labels and splits; and train a part again, where asked for.

    Args:
        grids: folder of the slices' grids.
        folder: of the corpus.
        rebuild: slice to train a part of again.
        cells: how many of its cells at least.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.

    Returns:
        A line for each problem; `holds` where there is none.

    Raises:
        ConfigurationError: there is no corpus, or no such slice.
        WireError: the manifest is broken, or was edited.
    """
    manifest = known_manifest(folder)
    if rebuild is not None and rebuild not in manifest.slices:
        raise ConfigurationError(
            f"Expected a slice of the corpus to train again, got {rebuild!r}. "
            f"Try one of {', '.join(manifest.slices)}."
        )
    count = counting(show, progress=progress)
    found = problems(folder, grids, manifest, count)
    runs = sum(entry.num_runs for entry in manifest.slices.values())
    lines = [*found] or [f"{len(manifest.slices)} slices, {number(runs)} runs: all as written down"]
    data: dict[str, object] = {"problems": found, "runs": runs}
    if rebuild is not None and not found:
        again, said = _again(rebuild, folder, grids, cells, count)
        data["rebuilt"] = again
        found += again["problems"]
        lines += said
    return Report(data=data, lines=tuple(lines), holds=not found)


def show(*, folder: Path = FOLDER, pictures: Path | None = None) -> Report:
    """Count what is in the corpus, beside what should be.

    Args:
        folder: of the corpus.
        pictures: folder to draw into; None draws nothing.

    Returns:
        Tables; `holds` where every bar is met.

    Raises:
        ConfigurationError: there is no corpus.
        WireError: a file is broken.
    """
    manifest = known_manifest(folder)
    of_slices = {name: read_rows(folder, name) for name in manifest.slices}
    rows = [row for found in of_slices.values() for row in found]
    num_bytes = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    measured = bars(rows, num_bytes)
    found = Shown(
        tasks=tuple(_tasks(rows)),
        splits=_splits(rows),
        negatives=negatives(rows),
        bars=tuple({**msgspec.structs.asdict(bar), "met": bar.is_met} for bar in measured),
        num_bytes=num_bytes,
    )
    drawn = [] if pictures is None else [f"Drawn: {file}" for file in _draw(of_slices, pictures)]
    lines = (*_task_table(found), "", *_split_table(found), "", *_negative_table(found), "")
    return Report(
        data=found,
        lines=(*lines, *_bar_table(measured), "", f"Mixed: {MIXED}.", *drawn),
        holds=all(bar.is_met for bar in measured),
    )


def _draw(slices: Mapping[str, Sequence[RunRow]], folder: Path) -> list[Path]:
    """Draw arithmetic, all other tasks, and random labels."""
    maps: dict[str, list[Map]] = {}
    for name, rows in slices.items():
        kind = "arithmetic" if rows[0].family == "cyclic" else "others"
        kind = "random-labels" if rows[0].random_labels else kind
        maps.setdefault(f"corpus-{kind}", []).append(map_of(name, rows))
    files = [file for name, found in maps.items() for file in draw_maps(folder, name, found)]
    return [folder / file for file in files]


def _again(
    name: str, folder: Path, grids: Path, cells: int, count: Counting
) -> tuple[dict[str, list[str]], list[str]]:
    """Train a part again, and say how it was compared."""
    manifest = known_manifest(folder)
    entry = manifest.slices[name]
    grid = slice_grid(grids / f"{name}.toml")
    found = train_again(read_slice(folder, name), entry, grid, manifest.value_bits, cells, count)
    how = "to the bit"
    if found.because and not found.figures:
        how = f"and equal to the bit in spite of {'; '.join(found.because)}"
    if found.figures:
        figures = ", ".join(f"{key} {figure:.3g}" for key, figure in found.figures.items())
        how = f"within the tolerance ({figures}), because of {'; '.join(found.because)}"
    end = [f"{len(found.problems)} differ"] if found.problems else []
    lines = [f"slice {name}: {found.runs} runs trained again, compared {how}", *end]
    data = {"because": [*found.because], "problems": [*found.problems]}
    return data, [*lines, *found.problems]


def _tasks(rows: Sequence[RunRow]) -> list[TaskRow]:
    """A row for each task and kind of labels."""
    groups: dict[tuple[str, str], list[RunRow]] = {}
    for row in rows:
        labels = "random" if row.random_labels else "real"
        groups.setdefault((_task(row), labels), []).append(row)
    return [
        TaskRow(
            task=task,
            labels=labels,
            cells=len({row.cell for row in same}),
            mixed=len(mixed_cells(same)),
            runs=len(same),
            phases=dict(Counter(row.outcome.phase.value for row in same)),
            collapse=sum(row.outcome.collapse for row in same),
            diverged=sum(row.diverged for row in same),
        )
        for (task, labels), same in sorted(groups.items())
    ]


def _task(row: RunRow) -> str:
    """Name of a task, with its operation or its group, and the kind of model."""
    parts = row.hyper_parameters
    detail = parts.get("task.operation") or (
        f"S{parts['task.degree']}" if "task.degree" in parts else ""
    )
    return " ".join(filter(None, (str(parts["task"]), str(detail), row.architecture)))


def _splits(rows: Sequence[RunRow]) -> dict[str, dict[str, int]]:
    """Split -> kind -> runs."""
    found: dict[str, dict[str, int]] = {}
    for split in ("train", "calibration", "test"):
        same = [row for row in rows if row.split == split]
        found[split] = {
            "runs": len(same),
            "folds": len({row.fold for row in same}),
            "generalized": sum(row.generalized for row in same),
            "random labels": sum(row.random_labels for row in same),
            "transformers": sum(row.architecture == "transformer" for row in same),
        }
    return found


def _task_table(found: Shown) -> tuple[str, ...]:
    phases = [phase.value for phase in Phase]
    columns = ("task", "labels", "runs", "cells", "mixed", *phases, "collapse", "diverged")
    return table(
        columns,
        [
            (
                row.task,
                row.labels,
                *map(number, (row.runs, row.cells, row.mixed)),
                *(number(row.phases.get(phase, 0)) for phase in phases),
                *map(number, (row.collapse, row.diverged)),
            )
            for row in found.tasks
        ],
    )


def _split_table(found: Shown) -> tuple[str, ...]:
    kinds = list(found.splits["test"])
    rows = [(name, *map(number, counts.values())) for name, counts in found.splits.items()]
    return table(("split", *kinds), rows)


def _negative_table(found: Shown) -> tuple[str, ...]:
    rows = [(name, number(count)) for name, count in found.negatives.items()]
    return table(("negatives", "runs"), rows)


def _bar_table(measured: Sequence[Bar]) -> tuple[str, ...]:
    rows = [
        (
            bar.what,
            f"{bar.found:,.4g} {bar.unit}".strip(),
            f"{'at most' if bar.at_most else 'at least'} {bar.bar:,.4g} {bar.unit}".strip(),
            "met" if bar.is_met else "missed",
        )
        for bar in measured
    ]
    return table(("bar", "found", "should be", ""), rows)
