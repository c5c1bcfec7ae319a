"""A slice's grid, in which each cell draws seeds of its own.

A grid gives all its cells the same seeds, and with them the same data and the same initial weights
at every decay and learning rate. Cells of the test split would then begin as cells of the train
split did, seed by seed, and a predictor could know them again.
"""

from dataclasses import replace
from pathlib import Path

from grokwatch.experiments.corpus.folds import fold_of
from grokwatch.experiments.sweep import Grid, Run, read_grid
from grokwatch.experiments.sweep.runs import Cell, digest

_DIGITS = 8


def slice_grid(path: Path) -> Grid:
    """Read the grid of a slice.

    Args:
        path: a TOML file, as `grokwatch sweep` takes it.

    Returns:
        The same cells; where the grid says seed k, each has one that is drawn from its fold and k,
        so that a random-label twin has the data and the initial weights of its sibling, and no
        other cell has.

    Raises:
        ConfigurationError: as for `read_grid`.
    """
    grid = read_grid(path)
    runs = tuple(Run(run.cell, seed_of(run.cell, run.seed)) for run in grid.runs)
    return replace(grid, runs=runs)


def seed_of(cell: Cell, number: int) -> int:
    """A seed of 32 bits.

    Args:
        cell: of the run.
        number: k, which tells the runs of a cell apart.
    """
    return int(digest([fold_of(cell), number])[:_DIGITS], 16)
