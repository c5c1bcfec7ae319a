"""What the alert policy remembers: the firings of one code, dated, so that rewinds undo them."""

import msgspec

from grokwatch.monitor.labels import Hold
from grokwatch.monitor.state import Memory
from grokwatch.monitor.vocabulary import AlertState

_MAX_EPISODES = 16
_MAX_ANNOUNCED = 64


class Episode(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One firing.

    Attributes:
        number: of the firing in its run, from 1.
        fired_step: where it fired.
        expires_step: where its horizon ends.
        state: FIRING until it is resolved.
        end_step: where it was resolved.
    """

    number: int
    fired_step: int
    expires_step: int
    state: AlertState = AlertState.FIRING
    end_step: int | None = None


class PolicyMemory(Memory):
    """The firings so far, and what leads to the next change.

    Attributes:
        step: last step judged; None before the first.
        episodes: the last 16 firings, oldest first.
        is_armed: whether the probability was low since the last firing.
        crossings: observations in a row at which the probability called for a change.
        grokked: of test accuracy at .95 or above.
        collapsed: of test accuracy .2 below that.
        generalized_step: where evaluations said that the run has generalized, unless it collapsed.
        announced: `number:state` of what was announced; a rewind leaves it alone.
    """

    step: int | None = None
    episodes: list[Episode] = msgspec.field(default_factory=list)
    is_armed: bool = True
    crossings: int = 0
    grokked: Hold = msgspec.field(default_factory=Hold)
    collapsed: Hold = msgspec.field(default_factory=Hold)
    generalized_step: int | None = None
    announced: list[str] = msgspec.field(default_factory=list)

    @property
    def last(self) -> Episode | None:
        """The last firing, resolved or not."""
        return self.episodes[-1] if self.episodes else None

    @property
    def firing(self) -> Episode | None:
        """The firing that is not resolved."""
        return self.last if self.last is not None and self.last.end_step is None else None

    @property
    def may_fire(self) -> bool:
        """Whether the next firing waits for nothing but the probability and the cool-down."""
        is_done = self.last is not None and self.last.state is AlertState.CONFIRMED
        return self.is_armed and self.generalized_step is None and not is_done

    def take_step(self, step: int) -> None:
        """Go on to a step; where it is no later one, undo what happened at it or after."""
        if self.step is not None and step <= self.step:
            self._undo_from(step)
        self.step = step

    def open(self, step: int, expires_step: int) -> Episode:
        """Begin a firing."""
        number = 1 if self.last is None else self.last.number + 1
        episode = Episode(number=number, fired_step=step, expires_step=expires_step)
        self.episodes.append(episode)
        del self.episodes[:-_MAX_EPISODES]
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

    def _undo_from(self, step: int) -> None:
        """Forget firings, resolutions and generalization at `step` or later."""
        is_undone = self.last is not None and self.last.fired_step >= step
        self.episodes = [e for e in self.episodes if e.fired_step < step]
        if self.last is not None and self.last.end_step is not None and self.last.end_step >= step:
            self.last.state, self.last.end_step = AlertState.FIRING, None
        if self.generalized_step is not None and self.generalized_step >= step:
            self.generalized_step = None
        # what fired had been armed; what had ended before the step may still have to be
        self.is_armed = self.firing is None and (self.is_armed or is_undone)
        self.crossings = 0
