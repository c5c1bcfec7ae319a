"""The line that a run's records stand in until they are judged: in order, whatever order they come.

Clocks play no part. A record knows the `seq` that was sent before it; where that one has not come
yet, the record is held, and all that stand behind it. At most `WINDOW` records are held: then the
first of them is judged though something before it is missing, and what was missing comes late. The
same goes for what is held of an attempt that a newer one has replaced: nobody may fill its gap.
"""

import bisect
from typing import final

import msgspec

from grokwatch.monitor.records import AnyRecord

WINDOW = 256

Place = tuple[int, int]
"""Attempt and seq; records of a run are ordered by it."""

NOWHERE: Place = (0, 0)


class Standing(msgspec.Struct, frozen=True):
    """A record, its bytes, and the `seq` sent before it, None where nothing was said of that."""

    record: AnyRecord
    after: int | None
    payload: bytes = b""

    @property
    def place(self) -> Place:
        """Where it stands."""
        return (self.record.attempt, self.record.seq)


@final
class Line:
    """What was judged last, and what is held behind a gap.

    Args:
        front: place of the record that was judged last.
        window: records held at most.

    Example:
        >>> from grokwatch.monitor.records import Evaluation
        >>> first, second, third = (
        ...     Standing(Evaluation(run_id="a", seq=seq, step=seq, time=0.0), seq - 1)
        ...     for seq in (1, 2, 3)
        ... )
        >>> line = Line()
        >>> [len(line.admit(standing)) for standing in (first, third, second)]
        [1, 0, 2]
    """

    def __init__(self, front: Place = NOWHERE, *, window: int = WINDOW) -> None:
        self.front = front
        self._window = window
        self._held: list[Standing] = []

    @property
    def num_held(self) -> int:
        """Records that wait for one before them."""
        return len(self._held)

    def is_late(self, standing: Standing) -> bool:
        """Whether the line has moved past it already."""
        return standing.place <= self.front

    def admit(self, standing: Standing) -> list[AnyRecord]:
        """Take a record that is not late.

        Returns:
            The records whose turn it is now, in order.
        """
        if not self._held and self._is_next(standing):
            self.front = standing.place
            return [standing.record]
        self.hold(standing)
        moved: list[AnyRecord] = []
        while self._held and (self._is_next(self._held[0]) or self._is_in_vain):
            following = self._held.pop(0)
            self.front = following.place
            moved.append(following.record)
        return moved

    def hold(self, standing: Standing) -> None:
        """Take up a record that was held before, without moving the line."""
        bisect.insort(self._held, standing, key=_place_of)

    @property
    def _is_in_vain(self) -> bool:
        """Whether waiting for what is missing is over: too many wait, or it cannot come."""
        is_replaced = self._held[-1].place[0] > self._held[0].place[0]
        return is_replaced or len(self._held) > self._window

    def _is_next(self, standing: Standing) -> bool:
        return standing.after is None or standing.after <= self.front[1]


def _place_of(standing: Standing) -> Place:
    return standing.place
