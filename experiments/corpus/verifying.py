"""Checking the corpus: files against the manifest, labels against accuracies, splits, grids."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from grokwatch.experiments.corpus.folds import fold_of
from grokwatch.experiments.corpus.grids import slice_grid
from grokwatch.experiments.corpus.manifest import FILE, Manifest, SliceEntry, counted
from grokwatch.experiments.corpus.reading import read_slice
from grokwatch.experiments.corpus.relabeling import changed_labels
from grokwatch.experiments.corpus.rows import RunRow
from grokwatch.experiments.corpus.splits import FILE as SPLITS_FILE
from grokwatch.experiments.corpus.splits import read_splits, split_of, wrong_entries
from grokwatch.experiments.corpus.writing import sha256
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.sweep import Run
from grokwatch.monitor.errors import GrokwatchError

_COMMITTED = "Try the file as it was committed."
_SHORT = 16


def problems(folder: Path, grids: Path, manifest: Manifest, count: Counting) -> list[str]:
    """All that is not as it should be.

    Args:
        folder: of the corpus.
        grids: folder of the slices' grids.
        manifest: of the corpus.
        count: shows progress.

    Returns:
        A sentence each: the file, the key, and what to do.
    """
    found = list(_of_splits(folder, manifest))
    runs: dict[str, str] = {}
    with count("verify", len(manifest.slices)) as done:
        for name, entry in manifest.slices.items():
            found += _of_slice(folder, grids, name, entry, runs)
            done(f"slice {name}")
    return found


def _of_splits(folder: Path, manifest: Manifest) -> Iterator[str]:
    """The file of splits."""
    path = folder / SPLITS_FILE
    given = sha256(path) if path.exists() else "no file"
    if given != manifest.splits_sha256:
        yield _differs("splits_sha256", path, manifest.splits_sha256, given, _COMMITTED)
    try:
        splits = read_splits(folder)
    except GrokwatchError as error:
        yield str(error)
        return
    for fold in wrong_entries(splits):
        yield f"Expected {fold} in {path} as {split_of(fold)!r}, got {splits[fold]!r}. {_COMMITTED}"


def _of_slice(
    folder: Path, grids: Path, name: str, entry: SliceEntry, runs: dict[str, str]
) -> Iterator[str]:
    """One slice; `runs` gathers which slice has which run."""
    broken = list(_of_files(folder, name, entry))
    yield from broken
    yield from _of_grid(grids, name, entry)
    if broken:
        return
    try:
        found = read_slice(folder, name)
        splits = read_splits(folder)
    except GrokwatchError as error:
        yield str(error)
        return
    yield from _of_counts(folder, entry, found.rows, len(found.looks.step), name)
    yield from changed_labels(found)
    for row in found.rows:
        if row.split != splits.get(row.fold):
            yield (
                f"Expected split of run {row.run_id} in slice {name} as "
                f"{splits.get(row.fold)!r}, which {SPLITS_FILE} says, got {row.split!r}. "
                f"{_again(name)}"
            )
        if row.run_id in runs:
            yield (
                f"Expected run {row.run_id} in one slice, got it in {runs[row.run_id]} and {name}. "
                "Try other values or seeds in the grid of one."
            )
        runs[row.run_id] = name
    yield from _of_runs(grids, name, entry, found.rows)


def _of_files(folder: Path, name: str, entry: SliceEntry) -> Iterator[str]:
    """The bytes of its files."""
    for file in entry.files:
        path = folder / file.name
        given = sha256(path) if path.exists() else "no file"
        if given != file.sha256:
            yield _differs("sha256", path, file.sha256, given, _again(name))


def _of_grid(grids: Path, name: str, entry: SliceEntry) -> Iterator[str]:
    """The grid that asked for it."""
    path = grids / f"{name}.toml"
    given = sha256(path) if path.exists() else "no file"
    if given != entry.grid_sha256:
        yield _differs("grid_sha256", path, entry.grid_sha256, given, _again(name))


def _of_counts(
    folder: Path, entry: SliceEntry, rows: tuple[RunRow, ...], num_looks: int, name: str
) -> Iterator[str]:
    """What the manifest repeats of it."""
    counts = {**msgspec.structs.asdict(counted(rows)), "num_looks": num_looks}
    for key, given in counts.items():
        if getattr(entry, key) != given:
            yield (
                f"Expected {key} {getattr(entry, key)} of slice {name} in {folder / FILE}, got "
                f"{given}. {_again(name)}"
            )


def _of_runs(grids: Path, name: str, entry: SliceEntry, rows: tuple[RunRow, ...]) -> Iterator[str]:
    """Whether its runs are those that the grid asks for."""
    path = grids / f"{name}.toml"
    if not path.exists() or sha256(path) != entry.grid_sha256:
        return
    asked = {(run.id, _kept(run)) for run in slice_grid(path).runs}
    given = {(row.run_id, row.fold) for row in rows}
    if asked != given:
        yield (
            f"Expected the {len(asked)} runs of {path} in slice {name}, got {len(given)}, "
            f"{len(asked & given)} of them the same. {_again(name)}"
        )


def _kept(run: Run) -> str:
    return fold_of(run.cell)


def _differs(key: str, path: Path, expected: str, given: str, remedy: str) -> str:
    return f"Expected {key} {expected[:_SHORT]}... of {path}, got {given[:_SHORT]}... {remedy}"


def _again(name: str) -> str:
    return f"Try `grokwatch corpus build {name}`; finished chunks are kept."
