"""The alert policy: when an alarm becomes an alert, and how an alert ends.

A pure state machine: no clock, no network; times are handed through. Every alert that fires ends as
confirmed, expired or cleared (or the run ends first), which gives the live precision for free.
"""

from grokwatch.monitor.alerts._episodes import Episode, PolicyMemory
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.labels import COLLAPSE, GENERALIZED
from grokwatch.monitor.records import Alert, Assessment, Evaluation, alert_id
from grokwatch.monitor.state import pack, unpack
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity, Stage

_CODE = AlertCode.LIKELY_GROKKING
_LAST_STEP = 2**63 - 1


class AlertPolicy:
    """Raises GRK001 when the probability has crossed `raise_at`, and follows it to its end.

    * FIRING: the probability was at least `raise_at` for `hold` observations in a row, after
      memorization, and neither a firing of this code nor the cool-down is still on.
    * CLEARED: it was below `clear_at` for `hold` observations; then the policy cools down.
    * CONFIRMED: test accuracy passed .95, held, within the horizon. The code is not raised again.
    * EXPIRED: the horizon that came with the alert is over. Before the next firing the probability
      must have been below `clear_at` once.

    Where the predictor cannot tell, nothing changes but expiry. A rewind undoes what happened from
    its step on, but not what was announced: nothing that was returned once, or told to `remember`,
    is returned again.

    Args:
        raise_at: probability in (0, 1].
        clear_at: probability in [0, raise_at).
        hold: observations in a row; 1 where the predictor holds its own evidence, as the shipped
            rule does.
        cool_down: share of the step to stay quiet for after CLEARED.

    Raises:
        ConfigurationError: the levels are out of order or out of range.
    """

    def __init__(
        self,
        *,
        raise_at: float = 0.9,
        clear_at: float = 0.5,
        hold: int = 1,
        cool_down: float = 0.1,
    ) -> None:
        if not (0 <= clear_at < raise_at <= 1 and hold >= 1 and cool_down >= 0):
            msg = (
                "Expected 0 <= clear_at < raise_at <= 1, hold >= 1 and cool_down >= 0, got "
                f"clear_at={clear_at}, raise_at={raise_at}, hold={hold}, cool_down={cool_down}. "
                "Try raise_at=0.9, clear_at=0.5."
            )
            raise ConfigurationError(msg)
        self._raise_at = raise_at
        self._clear_at = clear_at
        self._hold = hold
        self._cool_down = cool_down
        self._memory = PolicyMemory()

    @property
    def is_generalized(self) -> bool:
        """Whether the evaluations say that the run has generalized and not collapsed since."""
        return self._memory.generalized_step is not None

    def step(self, assessment: Assessment, time: float) -> Alert | None:
        """Take the next assessment.

        Args:
            assessment: of one run, in order.
            time: of the observation behind it, in seconds since the epoch; only passed on.

        Returns:
            The alert whose state changed, if one did and this was not announced before.
        """
        memory, probability = self._memory, assessment.probability
        memory.take_step(assessment.step)
        firing = memory.firing
        if firing is not None and assessment.step > firing.expires_step:
            return self._expire(firing, assessment, time)
        if probability is None or assessment.stage is Stage.FITTING:
            memory.crossings = 0
            return None
        is_low = probability < self._clear_at
        memory.is_armed = memory.is_armed or is_low
        is_called_for = is_low if firing else probability >= self._raise_at and self._may_fire()
        memory.crossings = memory.crossings + 1 if is_called_for else 0
        if memory.crossings < self._hold:
            return None
        return self._clear(firing, assessment, time) if firing else self._fire(assessment, time)

    def confirm(self, evaluation: Evaluation) -> Alert | None:
        """Take the next evaluation, which may resolve the alert that fires.

        Args:
            evaluation: of the same run, in order; without a test accuracy it says nothing.

        Returns:
            The alert whose state changed, if one did and this was not announced before.
        """
        memory, accuracy, step = self._memory, evaluation.test_accuracy, evaluation.step
        if accuracy is None:
            return None
        if memory.collapsed.update(step, passes=accuracy <= GENERALIZED - COLLAPSE):
            memory.generalized_step = None
        if not memory.grokked.update(step, passes=accuracy >= GENERALIZED):
            return None
        if memory.generalized_step is None:
            memory.generalized_step = step
        since, firing = memory.grokked.since, memory.firing
        if firing is None:
            return None
        if since > firing.expires_step:
            return self._expire(firing, evaluation, evaluation.time)
        message = f"generalised at step {since:,}; warned at step {firing.fired_step:,}"
        return self._end(firing, AlertState.CONFIRMED, evaluation, message, evaluation.time)

    def remember(self, alert: Alert) -> None:
        """Note that an alert was announced before, by an earlier process of the same run.

        Args:
            alert: from the run's journal.
        """
        if alert.code is _CODE:
            self._memory.note(alert.episode, alert.state)

    def state(self) -> bytes:
        """Everything it remembers."""
        return pack(self._memory)

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`."""
        self._memory = unpack(state, PolicyMemory)

    def _may_fire(self) -> bool:
        """Whether nothing but the probability is waited for."""
        last, step = self._memory.last, self._memory.step
        if last is None or last.state is not AlertState.CLEARED:
            return self._memory.may_fire
        end = last.end_step or 0
        is_quiet = step is not None and step < end + self._cool_down * abs(end)
        return self._memory.may_fire and not is_quiet

    def _fire(self, assessment: Assessment, time: float) -> Alert | None:
        step, chance = assessment.step, assessment.chances[-1]
        episode = self._memory.open(step, min(step + chance.horizon_steps, _LAST_STEP))
        message = (
            f"{_CODE.sentence}: probability {chance.probability:.2f} within "
            f"{chance.horizon_steps:,} more steps, seen at step {step:,}"
        )
        return self._announce(episode, assessment, message, time)

    def _clear(self, firing: Episode, assessment: Assessment, time: float) -> Alert | None:
        message = (
            f"no longer {_CODE.sentence}, seen at step {assessment.step:,}; "
            f"warned at step {firing.fired_step:,}"
        )
        return self._end(firing, AlertState.CLEARED, assessment, message, time)

    def _expire(
        self, firing: Episode, record: Assessment | Evaluation, time: float
    ) -> Alert | None:
        message = f"not generalised within the time given; warned at step {firing.fired_step:,}"
        return self._end(firing, AlertState.EXPIRED, record, message, time)

    def _end(
        self,
        firing: Episode,
        state: AlertState,
        record: Assessment | Evaluation,
        message: str,
        time: float,
    ) -> Alert | None:
        self._memory.close(firing, state, record.step)
        return self._announce(firing, record, message, time)

    def _announce(
        self, episode: Episode, record: Assessment | Evaluation, message: str, time: float
    ) -> Alert | None:
        """Make the alert for an episode's state, unless it was announced before."""
        if not self._memory.note(episode.number, episode.state):
            return None
        is_firing = episode.state is AlertState.FIRING
        return Alert(
            run_id=record.run_id,
            attempt=record.attempt,
            id=alert_id(record.run_id, _CODE, episode.number),
            code=_CODE,
            episode=episode.number,
            severity=Severity.WARNING if is_firing else Severity.INFO,
            state=episode.state,
            step=record.step,
            time=time,
            message=f"{record.run_id}: {message}",
            assessment=record if isinstance(record, Assessment) else None,
        )
