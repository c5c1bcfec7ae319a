"""One row of a benchmark: a figure, how sure it is, and what was hoped for."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

_DRAWS = 2000


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure.

    Attributes:
        workload: what was trained.
        what: was measured.
        value: the figure, or None where it could not be had; `note` says why.
        low: where its interval begins.
        high: where its interval ends.
        unit: `share` (of a step, of samples), `ratio`, `bytes`, `steps` (of models, per second),
            `rate` (of observations, per second), `seconds`, `milliseconds`, `microseconds` or
            `difference` (a relative one).
        target: what was hoped for, in words; empty where nothing was.
        is_met: whether the figure meets it; None where there is no target or no figure.
        note: what a reader must know beside it.
    """

    workload: str
    what: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = "share"
    target: str = ""
    is_met: bool | None = None
    note: str = ""


class Interval(NamedTuple):
    """A figure between two bounds."""

    value: float
    low: float
    high: float


def median_interval(values: Sequence[float]) -> Interval:
    """Median of paired figures, with its 95 % interval by a bootstrap over them.

    Args:
        values: one per block or round, at least one.

    Returns:
        The same for the same values.

    Example:
        >>> median_interval([3.0, 3.0, 3.0])
        Interval(value=3.0, low=3.0, high=3.0)
    """
    sample = np.array(values)
    draws = np.random.default_rng(0).integers(0, len(sample), (_DRAWS, len(sample)))
    low, high = np.quantile(np.median(sample[draws], axis=1), (0.025, 0.975))
    return Interval(float(np.median(sample)), float(low), float(high))


def share_interval(hits: int, total: int) -> Interval:
    """Share of hits, with Wilson's 95 % interval.

    Args:
        hits: how often it happened.
        total: of how many samples, at least 1.

    Returns:
        All three in [0, 1].

    Example:
        >>> value, low, high = share_interval(0, 30)
        >>> value, low, round(high, 2)
        (0.0, 0.0, 0.11)
    """
    z, share = 1.959964, hits / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    reach = z * (share * (1 - share) / total + z * z / (4 * total * total)) ** 0.5
    reach /= 1 + z * z / total
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


def spread(values: Sequence[float]) -> Interval:
    """Median of figures between the least and the greatest of them."""
    return Interval(float(np.median(values)), min(values), max(values))
