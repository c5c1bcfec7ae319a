"""GRK003 and GRK004: what evaluations, or a predictor's lasting concern, say of a run's health."""

from dataclasses import dataclass, field

from grokwatch.monitor.alerts._change import Change
from grokwatch.monitor.alerts._episodes import Episode, Episodes
from grokwatch.monitor.alerts._memory import PolicyMemory
from grokwatch.monitor.generalization import Verdict
from grokwatch.monitor.records import Assessment, Evaluation
from grokwatch.monitor.vocabulary import AlertCode, AlertState


@dataclass(frozen=True, kw_only=True)
class NumericallyStuck:
    """GRK004: fires on a concern that lasts, unless the run has generalized; ends with it.

    Attributes:
        hold: observations in a row.
        code: of its alerts.
    """

    hold: int
    code: AlertCode = field(default=AlertCode.NUMERICALLY_STUCK, init=False)

    def step(self, memory: PolicyMemory, assessment: Assessment) -> Change | None:
        """Take the next assessment."""
        is_blocked = memory.generalization.is_generalized
        return _follow(self.code, memory, assessment, hold=self.hold, is_blocked=is_blocked)

    def confirm(
        self, memory: PolicyMemory, evaluation: Evaluation, verdict: Verdict
    ) -> Change | None:
        """Change nothing: evaluations do not say whether numbers have room to move."""


@dataclass(frozen=True, kw_only=True)
class Collapse:
    """GRK003: fires where test accuracy fell after grokking; without any, on a concern that lasts.

    Attributes:
        hold: observations in a row; what evaluations say holds as labels do.
        code: of its alerts.
    """

    hold: int
    code: AlertCode = field(default=AlertCode.COLLAPSE, init=False)

    def step(self, memory: PolicyMemory, assessment: Assessment) -> Change | None:
        """Take the next assessment, which has a say only where no test accuracy was ever seen."""
        if memory.generalization.is_measured:
            return None
        return _follow(self.code, memory, assessment, hold=self.hold, is_blocked=False)

    def confirm(
        self, memory: PolicyMemory, evaluation: Evaluation, verdict: Verdict
    ) -> Change | None:
        """Take what the next evaluation says."""
        episodes, step = memory.codes[self.code], evaluation.step
        accuracy, firing = evaluation.test_accuracy or 0.0, episodes.firing
        if verdict.collapses and firing is None:
            best = memory.generalization.best
            message = (
                f"{self.code.sentence}: test accuracy fell from {best:.1%} to {accuracy:.1%}, "
                f"seen at step {step:,}"
            )
            return Change(episodes.open(step), message)
        if verdict.holds and firing is not None:
            episodes.close(firing, AlertState.CLEARED, step)
            message = (
                f"test accuracy is back at {accuracy:.1%}, seen at step {step:,}; "
                f"warned at step {firing.fired_step:,}"
            )
            return Change(firing, message)
        return None


def _follow(
    code: AlertCode, memory: PolicyMemory, assessment: Assessment, *, hold: int, is_blocked: bool
) -> Change | None:
    """Fire on a concern of `hold` observations in a row, and clear after as many without it."""
    episodes = memory.codes[code]
    concern = next((c for c in assessment.concerns if c.code is code), None)
    firing = episodes.firing
    is_called_for = concern is not None and not is_blocked if firing is None else concern is None
    if not episodes.count(is_called_for=is_called_for, hold=hold):
        return None
    if firing is not None:
        return _clear(episodes, firing, code, assessment.step)
    reason = "" if concern is None else concern.reason
    message = f"{code.sentence}: {reason}, seen at step {assessment.step:,}"
    return Change(episodes.open(assessment.step), message)


def _clear(episodes: Episodes, firing: Episode, code: AlertCode, step: int) -> Change:
    episodes.close(firing, AlertState.CLEARED, step)
    message = (
        f"no sign any more that {code.sentence}, seen at step {step:,}; "
        f"warned at step {firing.fired_step:,}"
    )
    return Change(firing, message)
