"""Reading the corpus: as columns, or run by run as the records that the watcher is fed with."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from grokwatch.experiments.corpus.columns import Looks, records_of
from grokwatch.experiments.corpus.manifest import Manifest, read_manifest
from grokwatch.experiments.corpus.parquet import read_looks, read_texts
from grokwatch.experiments.corpus.rows import RunRow
from grokwatch.experiments.corpus.table import row_from
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Evaluation, Observation, RunStarted

LOOKS = ".parquet"
RUNS = ".runs.parquet"


@dataclass(frozen=True)
class StoredRun:
    """One run of the corpus.

    Attributes:
        row: what it was and what became of it.
        start: what was measured and who may see it, for the watcher; without hyper-parameters, name
            and budget, which tell what became of the run: they are in the row.
        observations: train-side floats, with values of every access; the watcher strips them.
        evaluations: test-side floats.
    """

    row: RunRow
    start: RunStarted
    observations: tuple[Observation, ...]
    evaluations: tuple[Evaluation, ...]


@dataclass(frozen=True)
class Slice:
    """A slice of the corpus, as columns.

    Attributes:
        name: of its grid.
        rows: its runs.
        looks: what was seen at each look; `looks.run` is a place in `rows`.
    """

    name: str
    rows: tuple[RunRow, ...]
    looks: Looks

    @cached_property
    def bounds(self) -> npt.NDArray[np.int64]:
        """`(S + 1,)`: the looks at run i are those from `bounds[i]` up to `bounds[i + 1]`."""
        return np.searchsorted(self.looks.run, np.arange(len(self.rows) + 1))

    @cached_property
    def train_accuracy(self) -> npt.NDArray[np.float64]:
        """`(T,)`, NaN where there is none."""
        return self._shares(self.looks.train_right, [row.num_train for row in self.rows])

    @cached_property
    def test_accuracy(self) -> npt.NDArray[np.float64]:
        """`(T,)`, NaN where there is none; no predictor may see it."""
        return self._shares(self.looks.test_right, [row.num_test for row in self.rows])

    def run(self, place: int, *, without_values: bool = False) -> StoredRun:
        """One run as records.

        Args:
            place: in `rows`.
            without_values: of signals, for whoever reads accuracies alone.
        """
        row = self.rows[place]
        first, last = (int(bound) for bound in self.bounds[place : place + 2])
        records = tuple(records_of(row, self.looks, first, last, without_values=without_values))
        return StoredRun(
            row=row,
            start=msgspec.structs.replace(
                row.start, name="", hyper_parameters={}, budget_steps=None
            ),
            observations=tuple(r for r in records if isinstance(r, Observation)),
            evaluations=tuple(r for r in records if isinstance(r, Evaluation)),
        )

    def runs(self) -> Iterator[StoredRun]:
        """All runs as records, one at a time."""
        return map(self.run, range(len(self.rows)))

    def _shares(self, right: npt.NDArray[np.int32], totals: list[int]) -> npt.NDArray[np.float64]:
        shares = right / np.array(totals, dtype=np.float64)[self.looks.run]
        return np.where(right < 0, np.nan, shares)


def read_rows(folder: Path, name: str) -> tuple[RunRow, ...]:
    """The runs of a slice, without what was measured.

    Args:
        folder: of the corpus.
        name: of the slice.

    Returns:
        A row for each.

    Raises:
        WireError: the file is broken.
    """
    path = folder / f"{name}{RUNS}"
    return tuple(row_from(found, str(path)) for found in read_texts(path))


def read_slice(folder: Path, name: str) -> Slice:
    """A slice as columns.

    Args:
        folder: of the corpus.
        name: of the slice.

    Returns:
        All of it.

    Raises:
        WireError: a file is broken.
    """
    return Slice(name, read_rows(folder, name), read_looks(folder / f"{name}{LOOKS}"))


def read_corpus(folder: Path) -> Iterator[Slice]:
    """All slices, one at a time, in the order of their names.

    Args:
        folder: of the corpus.

    Yields:
        Each slice.

    Raises:
        ConfigurationError: there is no corpus.
        WireError: a file is broken.
    """
    for name in sorted(known_manifest(folder).slices):
        yield read_slice(folder, name)


def known_manifest(folder: Path) -> Manifest:
    """The manifest of a corpus that has to be there.

    Args:
        folder: of the corpus.

    Returns:
        The manifest.

    Raises:
        ConfigurationError: there is none.
        WireError: it is broken.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ConfigurationError(
            f"Expected a corpus in {folder}, got no manifest.json. Try `grokwatch corpus build`, "
            "or --to with the folder where it is."
        )
    return manifest
