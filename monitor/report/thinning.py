"""Fewer points to draw, without losing a peak; pure."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def thinned(columns: Mapping[str, Sequence[float | None]], limit: int) -> list[int]:
    """Places to keep so that every column still shows its lowest and highest value of a stretch.

    Args:
        columns: equally long.
        limit: about how many places to keep, at least two for each column.

    Returns:
        The places, ascending, the first and the last among them; all where there are no more.

    Example:
        >>> thinned({"a": [0.0, 9.0, 1.0, 2.0, 3.0, 4.0, -5.0, 6.0]}, 4)
        [0, 1, 6, 7]
    """
    length = max((len(column) for column in columns.values()), default=0)
    if length <= max(limit, 2):
        return list(range(length))
    num_stretches = max(1, (limit - 2) // (2 * len(columns)))
    kept = {0, length - 1}
    for number in range(num_stretches):
        stretch = range(number * length // num_stretches, (number + 1) * length // num_stretches)
        for column in columns.values():
            kept |= _extremes(column, stretch)
    return sorted(kept)


def strided(items: Sequence[_Item], limit: int) -> list[_Item]:
    """At most `limit` items, evenly spread, the first and the last among them.

    Example:
        >>> strided([1, 2, 3, 4, 5], 3)
        [1, 3, 5]
    """
    if limit < 2:
        return list(items[-1:]) if limit == 1 else []
    if len(items) <= limit:
        return list(items)
    last = len(items) - 1
    return [items[round(number * last / (limit - 1))] for number in range(limit)]


def _extremes(column: Sequence[float | None], stretch: range) -> set[int]:
    """Where the lowest and the highest value of a stretch are; nothing where it has none."""
    found = [
        (value, place)
        for place in stretch
        if (value := column[place]) is not None and not math.isnan(value)
    ]
    return {min(found)[1], max(found)[1]} if found else set()
