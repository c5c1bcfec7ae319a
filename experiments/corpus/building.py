"""Building the corpus slice by slice: train what is missing, gather, label, write down."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grokwatch.experiments.corpus.coding import LOSS_BITS, VALUE_BITS
from grokwatch.experiments.corpus.columns import Looks, joined, looks_of
from grokwatch.experiments.corpus.folds import fold_of
from grokwatch.experiments.corpus.grids import slice_grid
from grokwatch.experiments.corpus.machine import Machine, machines_of, note
from grokwatch.experiments.corpus.manifest import (
    FileEntry,
    Manifest,
    SliceEntry,
    counted,
    read_manifest,
    write_manifest,
)
from grokwatch.experiments.corpus.parquet import write_looks, write_texts
from grokwatch.experiments.corpus.reading import LOOKS, RUNS, read_rows, read_slice
from grokwatch.experiments.corpus.rebuilding import TOLERANCE
from grokwatch.experiments.corpus.relabeling import changed_labels
from grokwatch.experiments.corpus.rows import RunRow, row_of
from grokwatch.experiments.corpus.splits import FILE as SPLITS_FILE
from grokwatch.experiments.corpus.splits import freeze, read_splits, split_of, wrong_entries
from grokwatch.experiments.corpus.table import flat
from grokwatch.experiments.corpus.writing import sha256
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.sweep import Grid, Run, plan, sweep
from grokwatch.experiments.sweep.engine import SWEEPS, is_finished
from grokwatch.experiments.sweep.store import SUFFIX
from grokwatch.monitor.errors import ConfigurationError, WireError
from grokwatch.monitor.lock import Lock
from grokwatch.monitor.records import AnyRecord


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where the corpus is built.

    Attributes:
        grids: folder of the slices' grids.
        folder: of the corpus.
        root: the folder of all of grokwatch's files; finished chunks lie in `sweeps` below it.
        count: shows progress.
        show: takes a line now and then.
        bits: of the fraction that the value of a signal keeps, where this is the first slice; a
            corpus keeps to the bits that it began with.
    """

    grids: Path
    folder: Path
    root: Path
    count: Counting
    show: Callable[[str], None]
    bits: int = VALUE_BITS


def slice_names(grids: Path, asked: Sequence[str]) -> list[str]:
    """Which slices are meant.

    Args:
        grids: folder of the slices' grids.
        asked: names; none for all.

    Returns:
        Names, in order.

    Raises:
        ConfigurationError: one of them has no grid, or there is none at all.
    """
    known = sorted(path.stem for path in grids.glob("*.toml"))
    for name in asked or [""]:
        if name not in known and (name or not known):
            raise ConfigurationError(
                f"Expected a slice with a grid in {grids}, got {name or 'none'!r}. "
                f"Try one of {', '.join(known) or 'none: write one'}."
            )
    return list(asked) or known


def build_slice(site: Site, name: str, *, workers: int = 1) -> SliceEntry:
    """Build a slice, unless it is there as its grid asks for it.

    Args:
        site: where.
        name: of the slice.
        workers: processes that train.

    Returns:
        What the manifest says of it now.

    Raises:
        ConfigurationError: the grid cannot be, or a run is in another slice too.
        WireError: a file that must not change was edited: the manifest, or the splits.
        JournalError: a folder cannot be written.
    """
    path = site.grids / f"{name}.toml"
    grid = slice_grid(path)
    manifest = _checked(site.folder, read_manifest(site.folder))
    if manifest and name in manifest.slices:
        entry = manifest.slices[name]
        if entry.grid_sha256 == sha256(path) and _is_whole(site, name, entry):
            site.show(f"slice {name}: {entry.num_runs} runs, there already")
            return entry
    _check_runs(site.folder, name, grid, manifest)
    rows, looks, machines = _gather(site, grid, workers)
    bits = manifest.value_bits if manifest else site.bits
    entry = SliceEntry(
        grid_sha256=sha256(path),
        signals=grid.signals,
        files=_write(site.folder, name, rows, looks, bits),
        num_looks=len(looks.step),
        machines=machines,
        **msgspec.structs.asdict(counted(rows)),
    )
    _enter(site.folder, name, entry, bits, [row.fold for row in rows])
    return entry


def _enter(folder: Path, name: str, entry: SliceEntry, bits: int, folds: Sequence[str]) -> None:
    """Write down the splits and the manifest, both as they are by now, one build at a time."""
    with closing(Lock.acquire(folder)):
        freeze(folder, dict.fromkeys(folds))
        now = read_manifest(folder)
        others = now.slices if now else {}
        write_manifest(
            folder,
            Manifest(
                value_bits=bits,
                loss_bits=LOSS_BITS,
                splits_sha256=sha256(folder / SPLITS_FILE),
                tolerance=TOLERANCE,
                slices=dict(sorted({**others, name: entry}.items())),
            ),
        )


def _checked(folder: Path, manifest: Manifest | None) -> Manifest | None:
    """Refuse to go on where the splits are not those of the manifest.

    More folds than the manifest knows may stand there, each as it is drawn: a build was killed
    between the two files.

    Raises:
        WireError: they are not.
    """
    path = folder / SPLITS_FILE
    if manifest is not None:
        found = sha256(path) if path.exists() else "no file"
        if found != manifest.splits_sha256 and not _is_extended(folder, manifest):
            raise WireError(
                f"Expected splits_sha256 {manifest.splits_sha256[:16]}... of {path}, got "
                f"{found[:16]}...: splits are frozen. Try the file as it was committed."
            )
    return manifest


def _is_extended(folder: Path, manifest: Manifest) -> bool:
    """Whether the splits hold all folds of the manifest's slices, and nothing that was edited."""
    splits = read_splits(folder)
    known = {row.fold for name in manifest.slices for row in read_rows(folder, name)}
    return bool(splits) and not wrong_entries(splits) and known < splits.keys()


def _is_whole(site: Site, name: str, entry: SliceEntry) -> bool:
    """Whether the files of a slice are as they were written; a line on one that is not."""
    for file in entry.files:
        path = site.folder / file.name
        found = sha256(path) if path.exists() else "no file"
        if found != file.sha256:
            site.show(
                f"Expected sha256 {file.sha256[:16]}... of {path}, got {found[:16]}... It is "
                f"built again; finished chunks of {name} are kept."
            )
            return False
    return True


def _check_runs(folder: Path, name: str, grid: Grid, manifest: Manifest | None) -> None:
    """Refuse a run that another slice has.

    Raises:
        ConfigurationError: there is one.
    """
    asked = {run.id: run for run in grid.runs}
    for other in manifest.slices if manifest else ():
        if other == name:
            continue
        for row in read_rows(folder, other):
            if row.run_id in asked:
                raise ConfigurationError(
                    f"Expected runs of slice {name} that no other has, got run {row.run_id} (cell "
                    f"{row.cell}, seed {row.seed}), which is in {other} too. "
                    "Try other values or seeds in its grid."
                )


def _gather(
    site: Site, grid: Grid, workers: int
) -> tuple[list[RunRow], Looks, tuple[Machine, ...]]:
    """Train what is missing, and label each run, in the order of the grid."""
    chunks = plan(grid.runs)
    directory = site.root / SWEEPS / grid.name
    names = [chunk.id(grid.signals) for chunk in chunks]
    paths = {name: directory / f"{name}{SUFFIX}" for name in names}
    note(directory, [name for name, path in paths.items() if not is_finished(path, site.show)])
    run_chunks = {
        run.id: name for chunk, name in zip(chunks, names, strict=True) for run in chunk.runs
    }
    trained = sweep(grid, site.root, site.count, site.show, workers=workers)
    machines = machines_of(directory, names)
    listed = list({msgspec.json.encode(found): found for found in machines.values()}.values())
    places = {run.id: place for place, run in enumerate(grid.runs)}
    rows: dict[int, RunRow] = {}
    looks: dict[int, Looks] = {}
    for records in trained:
        place = places[records[0].run_id]
        rows[place], looks[place] = _judged(
            grid.runs[place], place, records, run_chunks, machines, listed
        )
    order = range(len(grid.runs))
    return [rows[at] for at in order], joined([looks[at] for at in order]), tuple(listed)


def _judged(
    run: Run,
    place: int,
    records: Sequence[AnyRecord],
    chunks: Mapping[str, str],
    machines: Mapping[str, Machine],
    listed: Sequence[Machine],
) -> tuple[RunRow, Looks]:
    """The row of a run, and the looks at it."""
    chunk = chunks[run.id]
    row = row_of(
        run,
        records,
        split=split_of(fold_of(run.cell)),
        chunk=chunk,
        machine=listed.index(machines[chunk]),
    )
    return row, looks_of(place, row, records)


def _write(
    folder: Path, name: str, rows: Sequence[RunRow], looks: Looks, bits: int
) -> tuple[FileEntry, ...]:
    """Write the files of a slice, and read them back.

    Raises:
        WireError: a label is another one after rounding.
    """
    write_looks(folder / f"{name}{LOOKS}", looks, bits)
    write_texts(folder / f"{name}{RUNS}", [flat(row) for row in rows])
    changed = changed_labels(read_slice(folder, name))
    if changed:
        raise WireError(
            f"Expected no label of slice {name} to change by rounding, got {len(changed)}: "
            f"{changed[0]} Try more bits for what labels read."
        )
    return tuple(
        FileEntry(name=path.name, size=path.stat().st_size, sha256=sha256(path))
        for path in (folder / f"{name}{LOOKS}", folder / f"{name}{RUNS}")
    )
