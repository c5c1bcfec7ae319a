"""GRK002: what is left of the budget is too little for this run to generalize in."""

import hashlib
from dataclasses import dataclass, field

from grokwatch.monitor.alerts._change import Change
from grokwatch.monitor.alerts._episodes import Episode, Episodes
from grokwatch.monitor.alerts._memory import PolicyMemory
from grokwatch.monitor.chances import probability_within
from grokwatch.monitor.generalization import Verdict
from grokwatch.monitor.records import Assessment, Evaluation
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Stage

_CODE = AlertCode.WILL_NOT_GROK
DEFAULT_SPARE = 0.05
"""Share of the runs it speaks of that go on all the same."""

_RECOVERY = 2.0
_LEAST_CHANCES = 2
"""One chance says nothing of other horizons: what it comes to by a budget would be arithmetic."""


def is_spared(run_id: str, share: float) -> bool:
    """Whether a run belongs to the share that goes on although it seems hopeless.

    Chosen by SHA-256 of the run's name alone, so that it is the same at every step, in every
    process and in every replay; nothing of what the run does has a say.

    Args:
        run_id: the run's name for ever.
        share: of runs, in [0, 1].

    Returns:
        Whether it is spared.

    Example:
        >>> sum(is_spared(f"run-{number}", 0.05) for number in range(10_000))
        479
    """
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], "big") < share * 2**64


@dataclass(frozen=True, kw_only=True)
class WillNotGrok:
    """Fires on a low probability within what is left of the budget; without one it never does.

    Attributes:
        give_up_at: probability up to which it fires; from twice that on it is taken back.
        hold: observations in a row.
        spare: share of runs that are spared, see `is_spared`.
        budget: steps that the run may make, as its start said; None where it did not.
        code: of its alerts.
    """

    give_up_at: float
    hold: int
    spare: float
    budget: int | None = None
    code: AlertCode = field(default=_CODE, init=False)

    def step(self, memory: PolicyMemory, assessment: Assessment) -> Change | None:
        """Take the next assessment; those of GRK001 have been taken before."""
        episodes, budget, step = memory.codes[_CODE], self.budget, assessment.step
        firing = episodes.firing
        if budget is None:
            return None
        if step >= budget:
            return None if firing is None else _end(memory, firing, step, budget)
        if len(assessment.chances) < _LEAST_CHANCES or assessment.stage is Stage.FITTING:
            episodes.crossings = 0
            return None
        probability = probability_within(assessment.chances, budget - step)
        if firing is None:
            is_called_for = probability <= self.give_up_at and _may_fire(memory)
        else:
            is_called_for = probability >= _RECOVERY * self.give_up_at
        if not episodes.count(is_called_for=is_called_for, hold=self.hold):
            return None
        if firing is None:
            return self._fire(episodes, assessment, probability, budget)
        return _clear(episodes, firing, assessment, probability)

    def confirm(
        self, memory: PolicyMemory, evaluation: Evaluation, verdict: Verdict
    ) -> Change | None:
        """Take what the next evaluation says."""
        episodes, since = memory.codes[_CODE], memory.generalization.grokked.since
        firing, budget = episodes.firing, self.budget
        if firing is None or budget is None:
            return None
        if not verdict.holds or since > budget:
            is_over = evaluation.step >= budget
            return _end(memory, firing, evaluation.step, budget) if is_over else None
        episodes.close(firing, AlertState.EXPIRED, evaluation.step)
        message = (
            f"generalised at step {since:,}, within the budget of {budget:,}, although it was "
            f"called {_CODE.sentence} at step {firing.fired_step:,}: that was wrong"
        )
        return Change(firing, message)

    def _fire(
        self, episodes: Episodes, assessment: Assessment, probability: float, budget: int
    ) -> Change:
        step = assessment.step
        spared = is_spared(assessment.run_id, self.spare)
        message = (
            f"{_CODE.sentence}: probability {probability:.2g} within the {budget - step:,} steps "
            f"left of {budget:,}, seen at step {step:,}"
        ) + ("; spared: let it run, so that alerts like this one can be checked" if spared else "")
        return Change(episodes.open(step, budget), message)


def _may_fire(memory: PolicyMemory) -> bool:
    """Whether nothing but the probability is waited for."""
    is_promising = memory.codes[AlertCode.LIKELY_GROKKING].firing is not None
    return not is_promising and memory.generalization.first_step is None


def _clear(episodes: Episodes, firing: Episode, assessment: Assessment, now: float) -> Change:
    episodes.close(firing, AlertState.CLEARED, assessment.step)
    message = (
        f"no longer {_CODE.sentence}: probability {now:.2g}, seen at step {assessment.step:,}; "
        f"warned at step {firing.fired_step:,}"
    )
    return Change(firing, message)


def _end(memory: PolicyMemory, firing: Episode, step: int, budget: int) -> Change | None:
    """Resolve a firing at the end of the budget, unless the next evaluation may still decide."""
    generalization, episodes = memory.generalization, memory.codes[_CODE]
    warned = f"warned at step {firing.fired_step:,}"
    if not generalization.is_measured:
        episodes.close(firing, AlertState.CLEARED, step)
        message = f"the budget of {budget:,} steps is over and no test accuracy was seen; {warned}"
        return Change(firing, message)
    if generalization.is_near and generalization.grokked.since <= budget:
        return None
    episodes.close(firing, AlertState.CONFIRMED, step)
    return Change(firing, f"not generalised within the budget of {budget:,} steps; {warned}")
