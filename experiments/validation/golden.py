"""A dozen runs of the train split, thinly looked at: the corpus that quick validations run on.

It is a corpus like any other, in one slice; its labels are those of the whole runs.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from grokwatch.experiments.corpus import RunRow, Slice, known_manifest, read_slice
from grokwatch.experiments.corpus.coding import LOSS_BITS
from grokwatch.experiments.corpus.columns import Column, Looks, joined
from grokwatch.experiments.corpus.manifest import (
    FileEntry,
    Manifest,
    SliceEntry,
    counted,
    write_manifest,
)
from grokwatch.experiments.corpus.parquet import write_looks, write_texts
from grokwatch.experiments.corpus.reading import LOOKS, RUNS
from grokwatch.experiments.corpus.splits import FILE, freeze
from grokwatch.experiments.corpus.table import flat
from grokwatch.experiments.corpus.writing import sha256
from grokwatch.experiments.validation.splits import TRAIN
from grokwatch.experiments.validation.trace import Whole

NAME = "golden"
SLICES = {"add-23": 4, "add-23-random": 2, "parity-20": 4, "s4": 2}
EVERY = 3


def make_golden(
    corpus: Path, to: Path, *, slices: Iterable[tuple[str, int]] = SLICES.items()
) -> None:
    """Cut a small corpus out of a large one.

    Args:
        corpus: folder of the large one.
        to: folder of the small one.
        slices: name and how many runs.

    Raises:
        ConfigurationError: there is no large one.
        WireError: a file of it is broken.
        JournalError: the folder cannot be written.
    """
    manifest = known_manifest(corpus)
    rows: list[RunRow] = []
    parts: list[Looks] = []
    names = []
    for name, count in slices:
        names.append(name)
        found = read_slice(corpus, name)
        for place in _picked(found.rows, count):
            parts.append(_thinned(found, place, len(rows)))
            rows.append(msgspec.structs.replace(found.rows[place], machine=0))
    looks = joined(parts)
    to.mkdir(parents=True, exist_ok=True)
    write_looks(to / f"{NAME}{LOOKS}", looks, manifest.value_bits)
    write_texts(to / f"{NAME}{RUNS}", [flat(row) for row in rows])
    freeze(to, dict.fromkeys(row.fold for row in rows))
    first = manifest.slices[names[0]]
    entry = SliceEntry(
        grid_sha256=first.grid_sha256,
        signals=first.signals,
        files=tuple(_entry(to / f"{NAME}{ending}") for ending in (LOOKS, RUNS)),
        num_looks=len(looks.step),
        machines=first.machines[:1],
        **msgspec.structs.asdict(counted(rows)),
    )
    write_manifest(
        to,
        Manifest(
            value_bits=manifest.value_bits,
            loss_bits=LOSS_BITS,
            splits_sha256=sha256(to / FILE),
            tolerance=manifest.tolerance,
            slices={NAME: entry},
        ),
    )


def _picked(rows: Sequence[RunRow], count: int) -> list[int]:
    """Runs of the train split, of one phase after another, by name."""
    phases: dict[str, list[int]] = {}
    for place in sorted(range(len(rows)), key=lambda place: rows[place].run_id):
        if rows[place].split == TRAIN:
            phases.setdefault(rows[place].outcome.phase.value, []).append(place)
    found: list[int] = []
    while len(found) < count and any(phases.values()):
        for _, places in sorted(phases.items()):
            found += places[:1]
            del places[:1]
    return sorted(found[:count])


def _thinned(found: Slice, place: int, number: int) -> Looks:
    """Every third look at one run, without signals that it never had."""
    first, last = (int(bound) for bound in found.bounds[place : place + 2])
    kept: Whole = np.arange(first, last, EVERY)
    looks = found.looks
    return Looks(
        run=np.full(len(kept), number, dtype=np.int32),
        step=looks.step[kept],
        train_right=looks.train_right[kept],
        test_right=looks.test_right[kept],
        train_loss=_cut(looks.train_loss, kept),
        test_loss=_cut(looks.test_loss, kept),
        values={
            key: _cut(column, kept)
            for key, column in looks.values.items()
            if not column.is_missing[kept].all()
        },
        errors=[looks.errors[at] for at in kept],
        cadence=[looks.cadence[at] for at in kept],
    )


def _cut(column: Column, kept: Whole) -> Column:
    return Column(column.values[kept], column.is_missing[kept])


def _entry(path: Path) -> FileEntry:
    return FileEntry(name=path.name, size=path.stat().st_size, sha256=sha256(path))
