"""Values over steps as a page carries them: no more points than can be seen, extremes kept."""

import math
from collections.abc import Iterable, Sequence

import msgspec

from grokwatch.monitor.report.packing import Packed, pack
from grokwatch.monitor.report.thinning import thinned

MOST_POINTS = 2_000
"""Of one course."""

ALL_POINTS = 120_000
"""Of all courses of a page together: many courses are thinned more."""

_FEWEST_POINTS = 200


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """One value over steps.

    Attributes:
        at: which of the page's lists of steps it belongs to.
        values: as many as there are steps; NaN where it was not finite.
    """

    at: int
    values: Packed


class Courses:
    """Packs courses; those over the same steps share them.

    Args:
        num_courses: about how many there will be.

    Attributes:
        steps: lists of steps, for `Course.at`.
        num_lost: values that were not finite.

    Example:
        >>> courses = Courses(2)
        >>> courses.add([(1, 0.5), (2, float("inf"))]).at, courses.steps, courses.num_lost
        (0, [(1, 2)], 1)
    """

    def __init__(self, num_courses: int) -> None:
        self._limit = max(_FEWEST_POINTS, min(MOST_POINTS, ALL_POINTS // max(num_courses, 1)))
        self._places: dict[tuple[int, ...], int] = {}
        self.steps: list[tuple[int, ...]] = []
        self.num_lost = 0

    def add(self, points: Iterable[tuple[int, float | None]]) -> Course | None:
        """Pack a course.

        Args:
            points: steps and values by step; None where it has no value.

        Returns:
            The course; None where there is no point.
        """
        told = [(step, value) for step, value in points if value is not None]
        if not told:
            return None
        finite = [value if math.isfinite(value) else None for _, value in told]
        self.num_lost += finite.count(None)
        kept = thinned({"": finite}, self._limit)
        steps = tuple(told[place][0] for place in kept)
        return Course(at=self._place(steps), values=pack(_numbers(finite, kept)))

    def _place(self, steps: tuple[int, ...]) -> int:
        place = self._places.setdefault(steps, len(self.steps))
        if place == len(self.steps):
            self.steps.append(steps)
        return place


def _numbers(values: Sequence[float | None], kept: Sequence[int]) -> list[float]:
    return [math.nan if (value := values[place]) is None else value for place in kept]
