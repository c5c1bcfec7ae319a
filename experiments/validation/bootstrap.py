"""Intervals by drawing whole groups of runs again: a cell with all its seeds and its twins.

A statistic takes how often each group was drawn, `(draws, G)`, and gives a value for each draw, NaN
where that draw leaves it undefined. All draws of a seed are the same for every statistic, so that
differences of two are paired.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from grokwatch.experiments.validation.metrics import pairs_by_cell
from grokwatch.experiments.validation.trace import Floats, Mask, Whole

MOST_LEVELS = 1000
_ENDS = (2.5, 97.5)
_LEAST_SHARE = 0.5

Statistic: TypeAlias = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Drawing:
    """How groups are drawn.

    Attributes:
        draws: how many times as many groups as there are, with replacement; 0 for no intervals.
        seed: of the draws.
    """

    draws: int = 2000
    seed: int = 0


DRAWING = Drawing()


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; None where it is not defined.

    Attributes:
        value: on all examples.
        low: end of the interval.
        high: end of the interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def text(self, form: str = ".3f") -> str:
        """As a table shows it: `.812 (.77 to .85)`, a dash where there is nothing."""
        if self.value is None:
            return "-"
        if self.low is None or self.high is None:
            return format(self.value, form)
        return f"{self.value:{form}} ({self.low:{form}} to {self.high:{form}})"


@lru_cache(maxsize=64)
def counts(num_groups: int, drawing: Drawing = DRAWING) -> Floats:
    """How often each group is drawn.

    Args:
        num_groups: G, at least 1.
        drawing: how.

    Returns:
        `(draws, G)`, each row sums to G.
    """
    random = np.random.default_rng(drawing.seed)
    shares = np.full(num_groups, 1 / num_groups)
    found: Floats = random.multinomial(num_groups, shares, size=drawing.draws).astype(np.float64)
    found.setflags(write=False)
    return found


def estimate(
    value: float | None, statistic: Statistic, num_groups: int, drawing: Drawing = DRAWING
) -> Estimate:
    """A figure with its interval.

    Args:
        value: on all examples, None where it is not defined.
        statistic: the same figure on draws.
        num_groups: G.
        drawing: how groups are drawn.

    Returns:
        No interval where there are fewer than two groups, or where more than half of the draws
        leave the figure undefined.
    """
    if value is None or num_groups < 2 or not drawing.draws:
        return Estimate(value)
    return between(value, statistic(counts(num_groups, drawing)))


def between(value: float | None, found: Floats) -> Estimate:
    """A figure with the interval that its values on draws give.

    Args:
        value: on all examples, None where it is not defined.
        found: `(draws,)`, NaN where a draw leaves it undefined.

    Returns:
        No interval where more than half of the draws leave it undefined.
    """
    kept = found[np.isfinite(found)]
    if value is None or not len(kept) or len(kept) < _LEAST_SHARE * len(found):
        return Estimate(value)
    low, high = np.percentile(kept, _ENDS)
    return Estimate(value, float(low), float(high))


def numbered(names: list[str]) -> tuple[Whole, int]:
    """Numbers for names of groups, and how many there are."""
    if not names:
        return np.zeros(0, dtype=np.int64), 0
    found, places = np.unique(np.array(names), return_inverse=True)
    return places.astype(np.int64), len(found)


def ratio_statistic(above: Floats, below: Floats, groups: Whole, num_groups: int) -> Statistic:
    """Sum of one column over the sum of another, over the examples that were drawn."""
    tops: Floats = np.bincount(groups, above, num_groups).astype(np.float64)
    totals: Floats = np.bincount(groups, below, num_groups).astype(np.float64)
    return _ratio(tops, totals)


def mean_statistic(values: Floats, groups: Whole, num_groups: int) -> Statistic:
    """Mean of values over the examples that were drawn."""
    return ratio_statistic(values, np.ones(len(values)), groups, num_groups)


def skill_statistic(own: Floats, other: Floats, groups: Whole, num_groups: int) -> Statistic:
    """1 - sum of own / sum of other, over the examples that were drawn."""
    ratio = ratio_statistic(own, other, groups, num_groups)
    return lambda drawn: 1 - ratio(drawn)


def auroc_statistic(scores: Floats, labels: Mask, groups: Whole, num_groups: int) -> Statistic:
    """Area under the curve on draws, from counts of groups at each score.

    More than 1,000 different scores are first put on as many levels; the figure itself never is.
    """
    levels = _levels(scores)
    shape = (num_groups, int(levels.max(initial=0)) + 1)
    positives, negatives = np.zeros(shape), np.zeros(shape)
    np.add.at(positives, (groups[labels], levels[labels]), 1.0)
    np.add.at(negatives, (groups[~labels], levels[~labels]), 1.0)

    def statistic(drawn: Floats) -> Floats:
        up, down = drawn @ positives, drawn @ negatives
        below = np.cumsum(down, axis=1) - down / 2
        with np.errstate(invalid="ignore"):
            area: Floats = (up * below).sum(axis=1) / (up.sum(axis=1) * down.sum(axis=1))
        return area

    return statistic


def concordance_statistic(
    scores: Floats, labels: Mask, cells: Whole, groups: Whole, num_groups: int
) -> Statistic:
    """Share of same-cell pairs in the right order; a cell drawn twice counts as two cells."""
    right, pairs = np.zeros(num_groups), np.zeros(num_groups)
    for cell, cell_right, cell_pairs in pairs_by_cell(scores, labels, cells):
        group = groups[int(np.argmax(cells == cell))]
        right[group] += cell_right
        pairs[group] += cell_pairs
    return _ratio(right, pairs)


def median_statistic(values: Floats, groups: Whole) -> Statistic:
    """Median of values over the examples that were drawn: the lower one of two in the middle."""
    order = np.argsort(values)

    def statistic(drawn: Floats) -> Floats:
        passed = np.cumsum(drawn[:, groups[order]], axis=1)
        totals = passed[:, -1:]
        place = (passed < totals / 2).sum(axis=1)
        middle = values[order][place.clip(max=len(order) - 1)]
        found: Floats = np.where(totals[:, 0] > 0, middle, np.nan)
        return found

    return statistic


def _ratio(above: Floats, below: Floats) -> Statistic:
    def statistic(drawn: Floats) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = (drawn @ above) / (drawn @ below)
        return found

    return statistic


def _levels(scores: Floats) -> Whole:
    """Places of scores among all different ones, or on a thousand quantiles of them."""
    distinct, places = np.unique(scores, return_inverse=True)
    if len(distinct) > MOST_LEVELS:
        edges = np.quantile(scores, np.linspace(0, 1, MOST_LEVELS + 1)[1:-1])
        places = np.searchsorted(np.unique(edges), scores)
    return places.astype(np.int64)
