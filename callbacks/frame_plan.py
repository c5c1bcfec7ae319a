"""When to keep weights for people: seldom, on a logarithmic scale, and at turning points.

The decision is made from steps alone: the same steps give the same looks, and the looks that a
journal holds are all that must be known to continue.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import final

import numpy as np

MOST_LOOKS = 64

_RESERVED = 4
_SPAN = 1_000
_PER_DECADE = 8
_DECADES = 15


@final
class FramePlan:
    """Decides at which observations the weights are kept; a look is all matrices at one step.

    A quarter of the looks is reserved for turning points and one for the end; the others lie on a
    logarithmic grid: over the last three decades of the run where its length is known, and else
    eight in each decade. A point of the grid is met by the first observation at or after it.

    Args:
        most: looks of the run, over all of its attempts.
        budget_steps: optimizer updates that will be made at most, or None.

    Example:
        >>> plan = FramePlan(8, 1_000)
        >>> for step in range(1, 1_001, 3):
        ...     if plan.wants(step): plan.note(step)
        >>> plan.kept
        (1, 4, 16, 64, 253)
    """

    def __init__(self, most: int, budget_steps: int | None) -> None:
        self._most = most
        self._reserved = most // _RESERVED
        self._usual = max(0, most - self._reserved - 1)
        self._grid = _grid(self._usual, budget_steps)
        self._kept: list[int] = []
        self._num_usual = 0
        self._num_reserved = 0

    @property
    def kept(self) -> tuple[int, ...]:
        """Steps looked at, of the course that training is on now."""
        return tuple(self._kept)

    @property
    def num_looks(self) -> int:
        """Looks of all attempts."""
        return self._num_usual + self._num_reserved

    def wants(self, step: int, *, is_turning: bool = False, is_last: bool = False) -> bool:
        """Whether to look at this step.

        Args:
            step: of an observation.
            is_turning: whether something began or ended here.
            is_last: whether the run ends here.
        """
        if step in self._kept[-1:]:
            return False
        if is_last:
            return self.num_looks < self._most
        if self.num_looks >= self._most - 1:
            return False
        return self._is_usual(step) or (is_turning and self._num_reserved < self._reserved)

    def note(self, step: int) -> None:
        """Take note of a look; one at an earlier step than the last undoes what lay beyond.

        Args:
            step: that was looked at.
        """
        self.rewind(step - 1)
        if self._is_usual(step):
            self._num_usual += 1
        else:
            self._num_reserved += 1
        self._kept.append(step)

    def rewind(self, step: int) -> None:
        """Training goes on from this step; what was kept beyond it still counts.

        Args:
            step: optimizer updates made.
        """
        self._kept = self._kept[: bisect_right(self._kept, step)]

    def _is_usual(self, step: int) -> bool:
        """Whether a point of the grid was reached since the last look."""
        last = self._kept[-1] if self._kept else -1
        is_due = bisect_right(self._grid, step) > bisect_right(self._grid, last)
        return is_due and self._num_usual < self._usual


def _grid(count: int, budget_steps: int | None) -> Sequence[int]:
    """Steps on a logarithmic scale, ascending, from 0 on."""
    if budget_steps is None or budget_steps < 1:
        points = 10.0 ** (np.arange(_DECADES * _PER_DECADE + 1) / _PER_DECADE)
    else:
        # between 0 and the end, which has its own look
        points = np.geomspace(max(1.0, budget_steps / _SPAN), budget_steps, count + 1)[1:-1]
    return [0, *np.unique(np.rint(points).astype(np.int64)).tolist()]
