"""What is remembered of one code: its firings, dated, so that rewinds undo them.

One episode machine per code. It knows when a firing began and how it ended, what leads to the next
change, and what was announced; it does not know what any code means.
"""

import msgspec

from grokwatch.monitor.vocabulary import AlertState

LAST_STEP = 2**63 - 1
"""Where an episode without a horizon would expire."""

_MAX_EPISODES = 16
_MAX_ANNOUNCED = 64


class Episode(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, array_like=True):
    """One firing.

    Attributes:
        number: of the firing in its run and code, from 1.
        fired_step: where it fired.
        expires_step: where its horizon ends.
        state: FIRING until it is resolved.
        end_step: where it was resolved.
    """

    number: int
    fired_step: int
    expires_step: int = LAST_STEP
    state: AlertState = AlertState.FIRING
    end_step: int | None = None


class Episodes(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The firings of one code so far, and what leads to the next change.

    Attributes:
        kept: the last 16 firings, oldest first.
        is_armed: whether what calls for a firing was absent since the last one.
        crossings: records in a row that called for a change.
        announced: `number:state` of what was announced; a rewind leaves it alone.
    """

    kept: list[Episode] = msgspec.field(default_factory=list)
    is_armed: bool = True
    crossings: int = 0
    announced: list[str] = msgspec.field(default_factory=list)

    @property
    def last(self) -> Episode | None:
        """The last firing, resolved or not."""
        return self.kept[-1] if self.kept else None

    @property
    def firing(self) -> Episode | None:
        """The firing that is not resolved."""
        return self.last if self.last is not None and self.last.end_step is None else None

    def count(self, *, is_called_for: bool, hold: int) -> bool:
        """Whether a change has now been called for by `hold` records in a row."""
        self.crossings = self.crossings + 1 if is_called_for else 0
        return self.crossings >= hold

    def open(self, step: int, expires_step: int = LAST_STEP) -> Episode:
        """Begin a firing."""
        number = 1 if self.last is None else self.last.number + 1
        episode = Episode(number=number, fired_step=step, expires_step=expires_step)
        self.kept.append(episode)
        del self.kept[:-_MAX_EPISODES]
        self.is_armed, self.crossings = False, 0
        return episode

    def close(self, episode: Episode, state: AlertState, step: int) -> None:
        """Resolve a firing."""
        episode.state, episode.end_step = state, step
        self.crossings = 0

    def note(self, number: int, state: AlertState) -> bool:
        """Remember an announcement.

        Returns:
            Whether it is a new one.
        """
        key = f"{number}:{state.value}"
        if key in self.announced:
            return False
        self.announced.append(key)
        del self.announced[:-_MAX_ANNOUNCED]
        return True

    def undo_from(self, step: int) -> None:
        """Forget firings and resolutions at `step` or later, but not what was announced."""
        is_undone = self.last is not None and self.last.fired_step >= step
        self.kept = [episode for episode in self.kept if episode.fired_step < step]
        if self.last is not None and self.last.end_step is not None and self.last.end_step >= step:
            self.last.state, self.last.end_step = AlertState.FIRING, None
        # what fired had been armed; what had ended before the step may still have to be
        self.is_armed = self.firing is None and (self.is_armed or is_undone)
        self.crossings = 0
