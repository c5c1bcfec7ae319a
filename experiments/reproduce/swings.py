"""Where a curve turns: its rises and falls, without the small ones."""

from collections.abc import Sequence
from typing import NamedTuple


class Turn(NamedTuple):
    """A place between a rise and a fall, or at either end of a curve."""

    step: int
    value: float


class Fall(NamedTuple):
    """A peak, what followed it, and how far the curve came back.

    Attributes:
        peak: before the fall.
        low: after it.
        back: highest point after that, None where it is not as high as a peak must be.
    """

    peak: Turn
    low: Turn
    back: Turn | None


def turns(curve: Sequence[tuple[int, float]], least: float) -> tuple[Turn, ...]:
    """Turning points, each at least so far from the one before it.

    Args:
        curve: steps and finite values, by step; at least one.
        least: what counts as a rise or a fall, > 0.

    Returns:
        The first point, then peaks and troughs in turn, the extreme reached last among them; the
        first point alone where nothing came so far from it.

    Example:
        >>> [t.value for t in turns([(0, 0.0), (1, 0.9), (2, 0.85), (3, 0.3), (4, 0.4)], 0.2)]
        [0.0, 0.9, 0.3]
    """
    found = [Turn(*curve[0])]
    extreme, direction = found[0], 0
    for point in (Turn(*each) for each in curve):
        ahead = point.value - extreme.value
        if direction == 0 and abs(ahead) >= least:
            direction, extreme = (1 if ahead > 0 else -1), point
        elif direction and direction * ahead >= 0:
            extreme = point
        elif direction and direction * ahead <= -least:
            found.append(extreme)
            direction, extreme = -direction, point
    return (*found, extreme) if direction else tuple(found)


def falls(curve: Sequence[tuple[int, float]], *, height: float, least: float) -> tuple[Fall, ...]:
    """Falls from at least a height, and what came after each.

    Args:
        curve: as for `turns`.
        height: of the peak, and of what counts as having come back to.
        least: of the fall, and of the rise after it.

    Returns:
        The falls, in order.

    Example:
        >>> curve = [(0, 0.0), (1, 0.4), (2, 0.1), (3, 0.9), (4, 0.5), (5, 1.0)]
        >>> [fall] = falls(curve, height=0.5, least=0.2)
        >>> fall.peak.step, fall.low.step, fall.back
        (3, 4, Turn(step=5, value=1.0))
    """
    found = turns(curve, least)
    return tuple(
        Fall(peak, low, back if back is not None and back.value >= height else None)
        for peak, low, back in zip(found, found[1:], (*found[2:], None), strict=False)
        if peak.value >= height and low.value < peak.value
    )
