"""What evaluations say of a run: whether it has generalized, and whether it fell back since.

The levels are those of the labels; here they are seen as they happen, dated so that a rewind can
undo them.
"""

import math
from typing import NamedTuple

import msgspec

from grokwatch.monitor.labels import COLLAPSE, GENERALIZED, Hold


class Generalization(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Whether a run has generalized, causally.

    Attributes:
        is_measured: whether any test accuracy was seen.
        grokked: of test accuracy at .95 or above.
        fallen: of test accuracy .2 below its best since the run generalized.
        best: that best.
        first_step: where evaluations first said that the run has generalized.
        step: where they said so last.
        collapsed_step: where they took it back since, or None.
    """

    is_measured: bool = False
    grokked: Hold = msgspec.field(default_factory=Hold)
    fallen: Hold = msgspec.field(default_factory=Hold)
    best: float = 0.0
    first_step: int | None = None
    step: int | None = None
    collapsed_step: int | None = None

    @property
    def is_generalized(self) -> bool:
        """Whether the run has generalized and not collapsed since."""
        return self.step is not None and self.collapsed_step is None

    @property
    def is_near(self) -> bool:
        """Whether test accuracy stands at .95 or above, held or not."""
        return self.grokked.points > 0

    def update(self, step: int, accuracy: float) -> "Verdict":
        """Take the next test accuracy.

        Args:
            step: where it was measured.
            accuracy: a fraction; at NaN nothing holds.

        Returns:
            What it says.
        """
        self.is_measured = True
        holds = self.grokked.update(step, passes=accuracy >= GENERALIZED)
        if not self.is_generalized and self.grokked.points <= 1:
            self.best = 0.0
        has_fallen = self.is_generalized and accuracy <= self.best - COLLAPSE
        self.best = max(self.best, accuracy) if math.isfinite(accuracy) else self.best
        collapses = self.fallen.update(step, passes=has_fallen)
        if collapses:
            self.collapsed_step, self.fallen = step, Hold()
        elif holds and not self.is_generalized:
            self.step, self.collapsed_step = step, None
            self.first_step = step if self.first_step is None else self.first_step
        return Verdict(holds=holds, collapses=collapses)

    def undo_from(self, step: int) -> None:
        """Forget what evaluations said at `step` or later, a collapse included."""
        if self.collapsed_step is not None and self.collapsed_step >= step:
            self.collapsed_step = None
        if self.step is not None and self.step >= step:
            self.step = None
        if self.first_step is not None and self.first_step >= step:
            self.first_step = None


class Verdict(NamedTuple):
    """What one evaluation says: whether .95 holds now, and whether a collapse held here."""

    holds: bool
    collapses: bool
