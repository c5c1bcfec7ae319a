"""What the alert policy remembers: what evaluations said, and the episodes of each code."""

import msgspec

from grokwatch.monitor.alerts._episodes import Episodes
from grokwatch.monitor.generalization import Generalization
from grokwatch.monitor.state import Memory
from grokwatch.monitor.vocabulary import AlertCode


class PolicyMemory(Memory):
    """Everything that decides what is announced next.

    Attributes:
        step: last step judged; None before the first.
        generalization: what evaluations said.
        codes: episodes by code.
    """

    version: int = 2
    step: int | None = None
    generalization: Generalization = msgspec.field(default_factory=Generalization)
    codes: dict[AlertCode, Episodes] = msgspec.field(
        default_factory=lambda: {code: Episodes() for code in AlertCode}
    )

    def take_step(self, step: int) -> None:
        """Go on to a step; where it is no later one, undo what happened at it or after."""
        if self.step is not None and step <= self.step:
            self.generalization.undo_from(step)
            for episodes in self.codes.values():
                episodes.undo_from(step)
        self.step = step
