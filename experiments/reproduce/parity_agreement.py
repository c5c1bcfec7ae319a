"""How well two tables of counts agree, and how well simple guesses do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from grokwatch.experiments.reproduce.parity_sweep import SEEDS, Counts, Place

WITHIN = 2
"""Cells agree where so many of nine seeds differ at most."""

PILOT = frozenset({
    Place(0.01, 16, 750), Place(0.01, 16, 1000), Place(0.01, 32, 1250), Place(0.03, 64, 750),
    Place(0.1, 16, 750), Place(0.3, 16, 750), Place(0.3, 32, 750), Place(1.0, 16, 1250),
    Place(1.0, 32, 1250), Place(1.0, 64, 1250),
})  # fmt: skip
"""Cells that were trained to find out what the source leaves open: how bits are written, and one
logit or two. They are judged like all others, and named."""

_DRAWS = 1_000


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Shares of cells that agree.

    Attributes:
        all: of all cells.
        mixed: of those where some and not all published runs generalise; NaN where there are none.
        unseen: of those that no pilot looked at; NaN where there are none.
        differing: cells that do not agree, in order.
    """

    all: float
    mixed: float
    unseen: float
    differing: tuple[Place, ...]


def agreement(ours: Counts, published: Counts) -> Agreement:
    """Compare cell by cell, where we have one.

    Args:
        ours: some cells of the published table.
        published: all cells.
    """
    agrees = {place: abs(count - published[place]) <= WITHIN for place, count in ours.items()}
    mixed = [ok for place, ok in agrees.items() if 0 < published[place] < SEEDS]
    unseen = [ok for place, ok in agrees.items() if place not in PILOT]
    return Agreement(
        all=_share(list(agrees.values())),
        mixed=_share(mixed),
        unseen=_share(unseen),
        differing=tuple(sorted(place for place, ok in agrees.items() if not ok)),
    )


def guessed(published: Counts) -> Counts:
    """The best guess that knows decay and width alone, chosen with the table in hand.

    A constant for each of the 25 pairs, so that most of its cells agree.
    """
    columns: dict[tuple[float, int], list[int]] = {}
    for place, count in published.items():
        columns.setdefault((place.decay, place.hidden), []).append(count)
    best = {pair: _constant(column) for pair, column in columns.items()}
    return {place: best[place.decay, place.hidden] for place in published}


def shuffled(ours: Counts, published: Counts) -> float:
    """Share of cells that agree where our counts are dealt to cells at random; the mean of many."""
    theirs = np.array([published[place] for place in ours])
    mine = np.array(list(ours.values()))
    generator = np.random.default_rng(0)
    drawn = generator.permuted(np.tile(mine, (_DRAWS, 1)), axis=1)
    return float((np.abs(drawn - theirs) <= WITHIN).mean())


def repeated(published: Counts) -> float:
    """Share of cells that would agree were nine other seeds drawn; the mean of many.

    A cell's chance is (count + 1/2) / (seeds + 1), so that none is quite 0 or 1.
    """
    theirs = np.array(list(published.values()))
    chances = (theirs + 0.5) / (SEEDS + 1)
    drawn = np.random.default_rng(0).binomial(SEEDS, chances, size=(_DRAWS, len(theirs)))
    return float((np.abs(drawn - theirs) <= WITHIN).mean())


def by_decay(ours: Counts, published: Counts) -> Mapping[float, tuple[float, float, float]]:
    """For each decay the share of runs that generalise, published and ours, and agreement."""
    found = {}
    for decay in sorted({place.decay for place in ours}):
        part = {place: count for place, count in ours.items() if place.decay == decay}
        total = SEEDS * len(part)
        theirs = sum(published[place] for place in part) / total
        found[decay] = (theirs, sum(part.values()) / total, agreement(part, published).all)
    return found


def _constant(column: list[int]) -> int:
    """The count that most of a column agree with."""
    return max(
        range(SEEDS + 1), key=lambda guess: sum(abs(guess - count) <= WITHIN for count in column)
    )


def _share(flags: list[bool]) -> float:
    """Share of true ones, NaN where there are none."""
    return sum(flags) / len(flags) if flags else math.nan
