"""What is noted, in this process alone, of a run that is not settled."""

import math

from grokwatch.monitor.service.sources._answers import Run
from grokwatch.monitor.service.sources._tail import Tail

_LOOKS_IN_VAIN = 5
_WHOLE_LOOK = 10


class Watched:
    """Notes on one run; a restart forgets them, and only has to wait again.

    Attributes:
        looks: how often it was looked at.
        is_gone: whether MLflow has it no more.
        fingerprint: of a listing in which nothing was new; 0 where there is none.
    """

    def __init__(self) -> None:
        self.looks = 0
        self.is_gone = False
        self.fingerprint = 0
        self._names: frozenset[str] | None = None
        self._bound = -math.inf
        self._in_vain = 0

    @property
    def is_due(self) -> bool:
        """Whether to look in spite of an unchanged listing: points of lower steps do not show."""
        return self.looks % _WHOLE_LOOK == 0

    @property
    def is_patient(self) -> bool:
        """Whether metrics that lag may still come."""
        return self._in_vain < _LOOKS_IN_VAIN

    def is_growing(self, run: Run) -> bool:
        """Whether a run that has just begun has other metrics than at the last look."""
        names = frozenset(point.key for point in run.data.metrics)
        before, self._names = self._names, names
        return before != names

    def note(self, tail: Tail, fingerprint: int) -> None:
        """Note what a look came to.

        Args:
            tail: that was read.
            fingerprint: of the listing, where nothing in it was new.
        """
        self.fingerprint = 0 if tail.is_behind else fingerprint
        is_stuck = tail.is_behind and tail.bound <= self._bound
        self._in_vain = self._in_vain + 1 if is_stuck else 0
        self._bound = tail.bound if tail.is_behind else -math.inf
