"""Accuracies of a run in a sweep, thinned so that thousands of runs fit one page."""

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

MOST_POINTS = 120
"""Points of a curve at most, before many runs make it fewer."""

MISSING = -1.0
NOT_A_NUMBER = -0.5
"""What stands for an accuracy that was not measured, and for one that is no number."""

_FEWEST = 8


class Curve(msgspec.Struct, frozen=True):
    """Train and test accuracy at some steps.

    Attributes:
        steps: ascending.
        train: in [0, 1], or `MISSING`, or `NOT_A_NUMBER`.
        test: likewise.
    """

    steps: tuple[int, ...]
    train: tuple[float, ...]
    test: tuple[float, ...]


def curve_of(
    train: Iterable[tuple[int, float | None]], test: Iterable[tuple[int, float | None]]
) -> Curve:
    """Put two courses on one line of steps.

    Args:
        train: steps and train accuracies; at one step the last one given wins.
        test: steps and test accuracies.

    Returns:
        The curve, whole.

    Example:
        >>> curve_of([(1, 0.5), (2, 1.0)], [(2, 0.25)])
        Curve(steps=(1, 2), train=(0.5, 1.0), test=(-1.0, 0.25))
    """
    seen, held_out = _marked(train), _marked(test)
    steps = tuple(sorted(seen.keys() | held_out.keys()))
    return Curve(
        steps,
        tuple(seen.get(step, MISSING) for step in steps),
        tuple(held_out.get(step, MISSING) for step in steps),
    )


def thin(curve: Curve, most: int = MOST_POINTS) -> Curve:
    """Keep the first and last point, and the extremes of each accuracy in buckets between them.

    Args:
        curve: of one run.
        most: points to keep; at least eight are.

    Returns:
        The curve at some of its steps, and whole where it has no more than that.

    Example:
        >>> len(thin(Curve(tuple(range(99)), (1.0,) * 99, (0.5,) * 99), 20).steps) <= 20
        True
    """
    most = max(most, _FEWEST)
    if len(curve.steps) <= most:
        return curve
    kept: list[int] = []
    for buckets in (most // 2, most // 3, most // 4, 1):
        kept = _extremes(curve, buckets)
        if len(kept) <= most:
            break
    return Curve(
        tuple(curve.steps[at] for at in kept),
        tuple(curve.train[at] for at in kept),
        tuple(curve.test[at] for at in kept),
    )


def _marked(points: Iterable[tuple[int, float | None]]) -> dict[int, float]:
    """Accuracy by step, with a mark for one that is no number."""
    return {
        step: min(1.0, max(0.0, value)) if math.isfinite(value) else NOT_A_NUMBER
        for step, value in points
        if value is not None
    }


def _extremes(curve: Curve, buckets: int) -> list[int]:
    """Places of the first and the last point, and of extremes in so many parts of the curve."""
    last = len(curve.steps) - 1
    found = {0, last}
    for places in np.array_split(np.arange(last + 1), buckets):
        found |= _ends(curve.train, places) | _ends(curve.test, places)
    return sorted(found)


def _ends(values: Sequence[float], places: Iterable[int]) -> set[int]:
    """Where the least and the greatest of some values stand."""
    measured = [int(at) for at in places if values[at] != MISSING]
    if not measured:
        return set()
    return {min(measured, key=values.__getitem__), max(measured, key=values.__getitem__)}
