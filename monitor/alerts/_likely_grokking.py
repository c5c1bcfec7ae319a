"""GRK001: the probability that test accuracy rises, or that it groks, crossed its threshold."""

from dataclasses import dataclass, field

from grokwatch.monitor.alerts._change import Change
from grokwatch.monitor.alerts._episodes import LAST_STEP, Episode, Episodes
from grokwatch.monitor.alerts._memory import PolicyMemory
from grokwatch.monitor.generalization import Verdict
from grokwatch.monitor.records import Assessment, Chance, Evaluation
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Stage

_CODE = AlertCode.LIKELY_GROKKING


@dataclass(frozen=True, kw_only=True)
class LikelyGrokking:
    """Fires on a high probability at the standard horizon, and ends with that horizon.

    Attributes:
        raise_at: probability from which on it fires.
        clear_at: probability below which it is taken back.
        hold: observations in a row.
        cool_down: share of the step to stay quiet for after it was taken back.
        code: of its alerts.
    """

    raise_at: float
    clear_at: float
    hold: int
    cool_down: float
    code: AlertCode = field(default=_CODE, init=False)

    def step(self, memory: PolicyMemory, assessment: Assessment) -> Change | None:
        """Take the next assessment."""
        episodes, chance, step = memory.codes[_CODE], assessment.rise, assessment.step
        firing = episodes.firing
        if firing is not None and step > firing.expires_step:
            return _expire(episodes, firing, step)
        if chance is None or assessment.stage is Stage.FITTING:
            episodes.crossings = 0
            return None
        is_low = chance.probability < self.clear_at
        episodes.is_armed = episodes.is_armed or is_low
        is_high = chance.probability >= self.raise_at
        is_called_for = is_low if firing else is_high and self._may_fire(memory, step)
        if not episodes.count(is_called_for=is_called_for, hold=self.hold):
            return None
        if firing:
            return _clear(episodes, firing, step)
        return _fire(episodes, chance, assessment)

    def confirm(
        self, memory: PolicyMemory, evaluation: Evaluation, verdict: Verdict
    ) -> Change | None:
        """Take what the next evaluation says."""
        episodes, since = memory.codes[_CODE], memory.generalization.grokked.since
        firing = episodes.firing
        if firing is None or not verdict.holds:
            return None
        if since > firing.expires_step:
            return _expire(episodes, firing, evaluation.step)
        episodes.close(firing, AlertState.CONFIRMED, evaluation.step)
        message = f"generalised at step {since:,}; warned at step {firing.fired_step:,}"
        return Change(firing, message)

    def _may_fire(self, memory: PolicyMemory, step: int) -> bool:
        """Whether nothing but the probability is waited for."""
        episodes = memory.codes[_CODE]
        last = episodes.last
        if not episodes.is_armed or memory.generalization.is_generalized:
            return False
        if last is None or last.state is not AlertState.CLEARED:
            return last is None or last.state is not AlertState.CONFIRMED
        end = last.end_step or 0
        return step >= end + self.cool_down * abs(end)


def _fire(episodes: Episodes, chance: Chance, assessment: Assessment) -> Change:
    step = assessment.step
    episode = episodes.open(step, min(step + chance.horizon_steps, LAST_STEP))
    event = " that test accuracy rises" if assessment.rising else ""
    message = (
        f"{_CODE.sentence}: probability {chance.probability:.2f}{event} within "
        f"{chance.horizon_steps:,} more steps, seen at step {step:,}"
    )
    return Change(episode, message)


def _clear(episodes: Episodes, firing: Episode, step: int) -> Change:
    episodes.close(firing, AlertState.CLEARED, step)
    message = (
        f"no longer {_CODE.sentence}, seen at step {step:,}; warned at step {firing.fired_step:,}"
    )
    return Change(firing, message)


def _expire(episodes: Episodes, firing: Episode, step: int) -> Change:
    episodes.close(firing, AlertState.EXPIRED, step)
    message = f"not generalised within the time given; warned at step {firing.fired_step:,}"
    return Change(firing, message)
