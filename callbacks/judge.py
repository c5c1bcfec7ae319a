"""Judging in the training process: a watcher whose failures cost its assessments only."""

from collections import Counter
from pathlib import Path

from grokwatch.callbacks.guard import contain
from grokwatch.callbacks.opening import announced_alerts
from grokwatch.monitor.alerts import DEFAULT_SPARE
from grokwatch.monitor.records import AnyRecord, Assessment, Evaluation, Observation, RunStarted
from grokwatch.monitor.watcher import watcher_of


class Judge:
    """Judges one run.

    Args:
        started: as the run started.
        predictor: target of the predictor.
        failures: counts of what was contained, by place.
        spare: share of runs that GRK002 spares.

    Attributes:
        watcher: who judges.
        last_assessment: the newest, or None.
    """

    def __init__(
        self,
        started: RunStarted,
        predictor: str,
        failures: Counter[str],
        *,
        spare: float = DEFAULT_SPARE,
    ) -> None:
        self.watcher = watcher_of(predictor, started, spare=spare)
        self.last_assessment: Assessment | None = None
        self._failures = failures
        self._attempt = started.attempt

    def catch_up(self, directory: Path, state: bytes) -> None:
        """Continue from a checkpoint, and note what earlier attempts announced.

        Args:
            directory: the run's directory.
            state: from `state`, or nothing.
        """
        try:
            if state:
                self.watcher.restore(state)
        except Exception as error:  # a state of another version or predictor
            contain(self._failures, "watcher.restore", error)
        try:
            if self._attempt > 1:
                for alert in announced_alerts(directory):
                    self.watcher.remember(alert)
        except Exception as error:  # a broken journal
            contain(self._failures, "watcher.restore", error)

    def consume(self, observation: Observation) -> tuple[AnyRecord, ...]:
        """Judge an observation; nothing where the predictor failed.

        Args:
            observation: the next one.

        Returns:
            The assessment, and the alerts it changed.
        """
        try:
            records = self.watcher.consume(observation)
        except Exception as error:  # a predictor may raise anything
            contain(self._failures, "predictor", error)
            return ()
        found = [record for record in records if isinstance(record, Assessment)]
        self.last_assessment = found[-1] if found else self.last_assessment
        return records

    def confirm(self, evaluation: Evaluation) -> tuple[AnyRecord, ...]:
        """Resolve alerts by an evaluation.

        Args:
            evaluation: the next one.

        Returns:
            The alerts it changed.
        """
        try:
            return self.watcher.confirm(evaluation)
        except Exception as error:  # as above
            contain(self._failures, "watcher.confirm", error)
            return ()

    def state(self) -> bytes:
        """Everything it remembers; nothing where the predictor failed."""
        try:
            return self.watcher.state()
        except Exception as error:  # as above
            contain(self._failures, "watcher.state", error)
            return b""
