"""From rows to records: what was measured at one step becomes an observation and an evaluation."""

import math
from collections.abc import Mapping

from grokwatch.monitor.records import (
    TRAIN_SIDE,
    AnyRecord,
    Evaluation,
    HyperParameter,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
    SkippedSignal,
    signal_of,
)
from grokwatch.monitor.service.sources._memory import SourceMemory
from grokwatch.monitor.service.sources._values import budget_of
from grokwatch.monitor.service.sources.names import (
    PLAIN,
    TEST_ACCURACY,
    TEST_LOSS,
    TEST_SIDE,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    is_read,
    shown,
)
from grokwatch.monitor.vocabulary import RunStatus

_HELD_OUT = "held-out"


class Scribe:
    """Writes the records of one run, numbered on from what is remembered of it.

    Args:
        run_id: of the run.
        memory: read and changed.
    """

    def __init__(self, run_id: str, memory: SourceMemory) -> None:
        self._run_id = run_id
        self._memory = memory

    def start(
        self,
        *,
        time: float,
        name: str,
        guesses: tuple[str, ...],
        hyper_parameters: Mapping[str, HyperParameter],
        group: str | None = None,
        budget_steps: int | None = None,
    ) -> RunStarted:
        """The start of the next attempt, with what its metrics were taken for."""
        memory = self._memory
        memory.attempt += 1
        memory.is_over = False
        memory.time = time
        guessed, budget = budget_of(hyper_parameters)
        if budget_steps is None and budget is not None:
            budget_steps, guesses = budget, (*guesses, guessed)
        return RunStarted(
            run_id=self._run_id,
            attempt=memory.attempt,
            seq=self._next(),
            time=time,
            name=name,
            signals=self._signals(),
            skipped=self._skipped(),
            guesses=(*guesses, *self._percents()),
            hyper_parameters=dict(hyper_parameters),
            budget_steps=budget_steps,
            group=group,
        )

    def row(self, step: int, time: float, values: Mapping[str, float]) -> list[AnyRecord]:
        """Records of one step.

        Args:
            step: as it was logged.
            time: seconds since 1970.
            values: our key -> value, accuracies as fractions.

        Returns:
            An observation where something of the train side was measured, and an evaluation where
            something of the test side was. What comes before the first train loss is left out.
        """
        memory = self._memory
        memory.step, memory.time = max(memory.step, step), time
        memory.loss = values.get(TRAIN_LOSS, memory.loss)
        loss = memory.loss if self._has_loss() else math.nan
        records: list[AnyRecord] = []
        if loss is not None and not values.keys() <= TEST_SIDE:
            records.append(
                Observation(
                    run_id=self._run_id,
                    attempt=memory.attempt,
                    seq=self._next(),
                    step=step,
                    time=time,
                    train_loss=loss,
                    train_accuracy=values.get(TRAIN_ACCURACY),
                    values={key: values[key] for key in values if key not in PLAIN},
                )
            )
        if not TEST_SIDE.isdisjoint(values):
            records.append(self._evaluation(step, time, values))
        return records

    def end(self, *, time: float, status: RunStatus, message: str = "") -> RunEnded:
        """The end of the attempt."""
        memory = self._memory
        memory.is_over = True
        return RunEnded(
            run_id=self._run_id,
            attempt=memory.attempt,
            seq=self._next(),
            step=memory.step,
            time=time,
            status=status,
            message=message,
        )

    def _evaluation(self, step: int, time: float, values: Mapping[str, float]) -> Evaluation:
        return Evaluation(
            run_id=self._run_id,
            attempt=self._memory.attempt,
            seq=self._next(),
            step=step,
            time=time,
            test_loss=values.get(TEST_LOSS),
            test_accuracy=values.get(TEST_ACCURACY),
        )

    def _next(self) -> int:
        self._memory.seq += 1
        return self._memory.seq

    def _has_loss(self) -> bool:
        return any(cursor.ours == TRAIN_LOSS for cursor in self._memory.metrics.values())

    def _signals(self) -> tuple[SignalInfo, ...]:
        """Each signal once; those that no predictor reads are not shown to any."""
        found = {}
        for name, cursor in sorted(self._memory.metrics.items()):
            if cursor.ours not in PLAIN:
                found[signal_of(cursor.ours)] = SignalInfo(
                    name=signal_of(cursor.ours),
                    unit="",
                    summary=f"As {shown(name)} was logged.",
                    access=TRAIN_SIDE if is_read(cursor.ours) else _HELD_OUT,
                )
        return tuple(found.values())

    def _skipped(self) -> tuple[SkippedSignal, ...]:
        if self._has_loss():
            return ()
        reason, remedy = "no metric is taken for it", "metric_names: their name -> 'train_loss'"
        return (SkippedSignal(name=TRAIN_LOSS, reason=reason, remedy=remedy),)

    def _percents(self) -> tuple[str, ...]:
        return tuple(
            f"{shown(name)} is in percent, and divided by 100"
            for name, cursor in sorted(self._memory.metrics.items())
            if cursor.is_percent
        )
