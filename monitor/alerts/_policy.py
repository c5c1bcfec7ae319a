"""The alert policy: when an alarm becomes an alert, and how an alert ends.

A pure state machine: no clock, no network; times are handed through. One rule per code decides,
each in its own file; here they are kept in step, undone together by a rewind, and announced once.
Every alert that fires ends as confirmed, expired or cleared (or the run ends first), which gives
the live precision for free.
"""

from collections.abc import Sequence
from dataclasses import replace

from grokwatch.monitor.alerts._change import Change, alert_of
from grokwatch.monitor.alerts._concerned import Collapse, NumericallyStuck
from grokwatch.monitor.alerts._likely_grokking import LikelyGrokking
from grokwatch.monitor.alerts._memory import PolicyMemory
from grokwatch.monitor.alerts._will_not_grok import DEFAULT_SPARE, WillNotGrok, is_spared
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Alert, Assessment, Evaluation, RunStarted
from grokwatch.monitor.state import pack, unpack
from grokwatch.monitor.vocabulary import AlertCode


class AlertPolicy:
    """Raises alerts of four codes, and follows each to its end.

    * GRK001, likely to grok. FIRING: the probability, of test accuracy rising where the predictor
      tells that apart, was at least `raise_at` for `hold` observations in a row, after
      memorization. CLEARED: it was below `clear_at` for as many; then it cools down. CONFIRMED:
      test accuracy passed .95, held, within the horizon; it is not raised again. EXPIRED: the
      horizon is over; before the next firing the probability must have been below `clear_at` once.
    * GRK002, will not grok within the budget that the run's start named. It is never raised without
      a budget, nor on the word of a predictor that knows one horizon alone. FIRING: after
      memorization the probability within the steps left was at most `give_up_at` for `lasting`
      observations in a row, while GRK001 did not fire. CLEARED: it was at least twice that for as
      many, or the budget ended and no test accuracy was ever seen. CONFIRMED: the budget ended, and
      the run had not generalized. EXPIRED: it did generalize within the budget; the message says
      that the alert was wrong. Alerts of a share `spare` of runs, chosen by the run's name, say
      `spared`: nobody should stop these, so that the live precision of the others can be measured.
    * GRK003, collapse. FIRING: test accuracy fell by .2 from its best since the run generalized,
      held; or, where no test accuracy was ever seen, the predictor was concerned for `lasting`
      observations in a row. CLEARED: accuracy is back at .95, held, or the concern is gone.
    * GRK004, numerically stuck. FIRING: the predictor was concerned for `lasting` observations in a
      row, in a run that has not generalized. CLEARED: it was not for as many.

    Where the predictor cannot tell, nothing changes but expiry and what concerns say. A rewind
    undoes what happened from its step on, but not what was announced: nothing that was returned
    once, or told to `remember`, is returned again.

    Args:
        raise_at: probability in (0, 1].
        clear_at: probability in [0, raise_at).
        hold: observations in a row for GRK001; 1 where the predictor holds its own evidence, as the
            shipped rule does.
        cool_down: share of the step to stay quiet for after GRK001 was cleared.
        give_up_at: probability in (0, .5].
        lasting: observations in a row for the other codes.
        spare: share of runs in [0, 1].

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
        give_up_at: float = 0.05,
        lasting: int = 3,
        spare: float = DEFAULT_SPARE,
    ) -> None:
        if not (0 <= clear_at < raise_at <= 1 and hold >= 1 and cool_down >= 0):
            msg = (
                "Expected 0 <= clear_at < raise_at <= 1, hold >= 1 and cool_down >= 0, got "
                f"clear_at={clear_at}, raise_at={raise_at}, hold={hold}, cool_down={cool_down}. "
                "Try raise_at=0.9, clear_at=0.5."
            )
            raise ConfigurationError(msg)
        if not (0 < give_up_at <= 0.5 and lasting >= 1 and 0 <= spare <= 1):
            msg = (
                "Expected 0 < give_up_at <= 0.5, lasting >= 1 and 0 <= spare <= 1, got "
                f"give_up_at={give_up_at}, lasting={lasting}, spare={spare}. "
                "Try give_up_at=0.05, spare=0.05."
            )
            raise ConfigurationError(msg)
        self._likely = LikelyGrokking(
            raise_at=raise_at, clear_at=clear_at, hold=hold, cool_down=cool_down
        )
        self._hopeless = WillNotGrok(give_up_at=give_up_at, hold=lasting, spare=spare)
        self._others = (Collapse(hold=lasting), NumericallyStuck(hold=lasting))
        self._memory = PolicyMemory()

    @property
    def is_generalized(self) -> bool:
        """Whether the evaluations say that the run has generalized and not collapsed since."""
        return self._memory.generalization.is_generalized

    def firing_since(self, code: AlertCode) -> int | None:
        """Step at which an alert fired that is still on; None where none is.

        Args:
            code: of the alert.
        """
        firing = self._memory.codes[code].firing
        return None if firing is None else firing.fired_step

    def is_spared(self, run_id: str) -> bool:
        """Whether a run is one that goes on although GRK002 fires.

        Args:
            run_id: the run's name for ever.
        """
        return is_spared(run_id, self._hopeless.spare)

    def start(self, run: RunStarted) -> None:
        """Learn the budget of an attempt; it counts from the next record on.

        Args:
            run: as the attempt started.
        """
        self._hopeless = replace(self._hopeless, budget=run.budget_steps)

    def step(self, assessment: Assessment, time: float) -> tuple[Alert, ...]:
        """Take the next assessment.

        Args:
            assessment: of one run, in order.
            time: of the observation behind it, in seconds since the epoch; only passed on.

        Returns:
            The alerts whose state changed, if this was not announced before; at most one per code.
        """
        self._memory.take_step(assessment.step)
        changes = [(rule.code, rule.step(self._memory, assessment)) for rule in self._rules]
        return self._announce(changes, assessment, time)

    def confirm(self, evaluation: Evaluation) -> tuple[Alert, ...]:
        """Take the next evaluation, which may resolve alerts that fire, or show a collapse.

        Args:
            evaluation: of the same run, in order; without a test accuracy it says nothing.

        Returns:
            The alerts whose state changed, if this was not announced before; at most one per code.
        """
        memory, accuracy = self._memory, evaluation.test_accuracy
        if accuracy is None:
            return ()
        verdict = memory.generalization.update(evaluation.step, accuracy)
        changes = [(rule.code, rule.confirm(memory, evaluation, verdict)) for rule in self._rules]
        return self._announce(changes, evaluation, evaluation.time)

    def remember(self, alert: Alert) -> None:
        """Note that an alert was announced before, by an earlier process of the same run.

        Args:
            alert: from the run's journal.
        """
        self._memory.codes[alert.code].note(alert.episode, alert.state)

    def state(self) -> bytes:
        """Everything it remembers."""
        return pack(self._memory)

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`; the budget is that of `start`."""
        self._memory = unpack(state, PolicyMemory)

    @property
    def _rules(self) -> tuple[LikelyGrokking | WillNotGrok | Collapse | NumericallyStuck, ...]:
        """In the order in which they are asked: GRK002 looks at what GRK001 has become."""
        return (self._likely, self._hopeless, *self._others)

    def _announce(
        self,
        changes: Sequence[tuple[AlertCode, Change | None]],
        record: Assessment | Evaluation,
        time: float,
    ) -> tuple[Alert, ...]:
        """Make the alerts for changes, unless they were announced before."""
        alerts = []
        for code, change in changes:
            if change is None:
                continue
            episode = change.episode
            if self._memory.codes[code].note(episode.number, episode.state):
                spared = code is AlertCode.WILL_NOT_GROK and self.is_spared(record.run_id)
                alerts.append(alert_of(code, change, record, time, spared=spared))
        return tuple(alerts)
