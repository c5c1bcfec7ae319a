"""The watcher: one run, from observation to assessment to alert; and `replay`, the same afterwards.

It returns what it concluded and keeps no record; whoever feeds it journals the observation first.
It shows the predictor the values of those signals only that the run's start lists as seeing nothing
but the train side (ADR-0011). Errors of a predictor pass through it: isolating them is the caller's
part.
"""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from grokwatch.monitor.alerts import DEFAULT_SPARE, AlertPolicy
from grokwatch.monitor.predictors import load
from grokwatch.monitor.protocols import Levelled, Levels, Predictor
from grokwatch.monitor.records import (
    TRAIN_SIDE,
    Alert,
    AnyRecord,
    Evaluation,
    Observation,
    RunStarted,
    signal_of,
)
from grokwatch.monitor.state import Memory, pack, unpack
from grokwatch.monitor.vocabulary import AlertCode, Stage


class WatcherMemory(Memory):
    """What the watcher remembers: its predictor's and policy's state, and the last stage given."""

    stage: Stage = Stage.FITTING
    predictor: bytes = b""
    policy: bytes = b""


class Watcher:
    """Judges one run.

    Args:
        run: as the run started; the predictor was made from it.
        predictor: judges observations.
        policy: turns assessments into alerts; GRK002, that a run will not grok within its budget,
            needs a `budget_steps` in `run` and is never raised without.

    Example:
        >>> run = RunStarted(run_id="a", time=0.0)
        >>> watcher = Watcher(run, load("baseline:always", run), AlertPolicy())
        >>> for step in (100, 110, 120):
        ...     records = watcher.consume(
        ...         Observation(run_id="a", step=step, time=0.0, train_loss=0.1, train_accuracy=1.0)
        ...     )
        >>> [type(record).__name__ for record in records]
        ['Assessment', 'Alert']
    """

    def __init__(self, run: RunStarted, predictor: Predictor, policy: AlertPolicy) -> None:
        self._predictor = predictor
        self._policy = policy
        self._run_id = run.run_id
        self._stage = Stage.FITTING
        self._shown: frozenset[str] = frozenset()
        self.start(run)

    @property
    def stage(self) -> Stage:
        """The run's status: GENERALIZED where evaluations say so, else the predictor's stage."""
        return Stage.GENERALIZED if self._policy.is_generalized else self._stage

    @property
    def is_spared(self) -> bool:
        """Whether the run should go on even where GRK002 fires, see `AlertPolicy`."""
        return self._policy.is_spared(self._run_id)

    def firing_since(self, code: AlertCode) -> int | None:
        """Step at which an alert fired that is still on; None where none is.

        Args:
            code: of the alert.
        """
        return self._policy.firing_since(code)

    def start(self, run: RunStarted) -> None:
        """Learn the budget, and which signals the predictor may see; attempts may differ in both.

        Args:
            run: as the attempt started.
        """
        self._policy.start(run)
        self._shown = frozenset(info.name for info in run.signals if info.access == TRAIN_SIDE)

    def consume(self, observation: Observation) -> tuple[AnyRecord, ...]:
        """Judge an observation.

        Args:
            observation: the next one of the run.

        Returns:
            The assessment, and the alerts whose state it changed. Not the observation.
        """
        assessment = self._predictor.update(self._train_side(observation))
        self._stage = assessment.stage
        return (assessment, *self._policy.step(assessment, observation.time))

    def confirm(self, evaluation: Evaluation) -> tuple[AnyRecord, ...]:
        """Resolve alerts and the run's status by test metrics, which no predictor sees.

        Args:
            evaluation: the next one of the run.

        Returns:
            The alerts whose state it changed.
        """
        return self._policy.confirm(evaluation)

    def remember(self, alert: Alert) -> None:
        """Note an alert that an earlier process announced, so that it is not announced again.

        Args:
            alert: of this run, from its journal.
        """
        self._policy.remember(alert)

    def state(self) -> bytes:
        """Everything it remembers, to go on from bit for bit."""
        return pack(
            WatcherMemory(
                stage=self._stage,
                predictor=self._predictor.state(),
                policy=self._policy.state(),
            )
        )

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`; on an error nothing has changed in the policy."""
        memory = unpack(state, WatcherMemory)
        self._predictor.restore(memory.predictor)
        self._policy.restore(memory.policy)
        self._stage = memory.stage

    def _train_side(self, observation: Observation) -> Observation:
        """The observation without values that its predictor must not see."""
        values = observation.values
        shown = {key: values[key] for key in values if signal_of(key) in self._shown}
        return observation if len(shown) == len(values) else replace(observation, values=shown)


def watcher_of(target: str, run: RunStarted, *, spare: float = DEFAULT_SPARE) -> Watcher:
    """Make who judges a run: a predictor, and a policy at the levels that were fitted with it.

    Args:
        target: of the predictor.
        run: as the run started.
        spare: share of runs that GRK002 spares.

    Returns:
        The watcher.

    Raises:
        ConfigurationError: no such predictor, or no such share.
    """
    predictor = load(target, run)
    levels = predictor.levels if isinstance(predictor, Levelled) else Levels()
    return Watcher(run, predictor, AlertPolicy(**msgspec.structs.asdict(levels), spare=spare))


def replay(records: Iterable[AnyRecord], *, predictor: str) -> Iterator[AnyRecord]:
    """Judge past runs again, on the code path of live ones.

    Args:
        records: of one run or several, each run's in order. Their own assessments and alerts are
            not read. Where a run lacks its start, the predictor knows its name alone, and sees no
            signals.
        predictor: target of the predictor, made afresh for each run.

    Yields:
        Assessments and alerts, in the order of the records behind them.
    """
    watchers: dict[str, Watcher] = {}
    for record in records:
        if record.run_id not in watchers:
            nameless = RunStarted(run_id=record.run_id, time=0.0)
            run = record if isinstance(record, RunStarted) else nameless
            watchers[run.run_id] = watcher_of(predictor, run)
        if isinstance(record, RunStarted):
            watchers[record.run_id].start(record)
        elif isinstance(record, Observation):
            yield from watchers[record.run_id].consume(record)
        elif isinstance(record, Evaluation):
            yield from watchers[record.run_id].confirm(record)
