"""Judges: a run's watcher and its line, made when the run is first heard of or taken up again."""

import logging
from collections import OrderedDict
from typing import final

import msgspec

from grokwatch.monitor.records import Alert, AnyRecord, Evaluation, Observation, RunStarted
from grokwatch.monitor.service.line import Line, Place
from grokwatch.monitor.vocabulary import AlertCode
from grokwatch.monitor.watcher import Watcher, watcher_of

_log = logging.getLogger(__name__)

SAVE_EVERY = 64
"""Records after which a state is committed though nothing changed; so long may a suffix be."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """A judge as it was after the record at `place`.

    `made_from` is the start that the watcher was made from, `started` the newest one; `observed`
    are attempt and step of the newest observation.
    """

    place: Place
    predictor: str
    made_from: RunStarted
    started: RunStarted
    observed: tuple[int, int]
    state: bytes


@final
class Judge:
    """One run's watcher and line; an error of its predictor is counted and judges nothing.

    Args:
        predictor: its target.
        line: the run's records that are not judged yet.

    Attributes:
        line: the same.
        num_failures: records that the predictor could not judge.
    """

    def __init__(self, predictor: str, line: Line) -> None:
        self.line = line
        self.num_failures = 0
        self._predictor = predictor
        self._made_from: RunStarted | None = None
        self._started: RunStarted | None = None
        self._watcher: Watcher | None = None
        self._observed = (0, 0)
        self._since_saved = 0

    def judge(self, record: AnyRecord) -> tuple[AnyRecord, ...]:
        """What the watcher says of a record: an assessment, alerts, or nothing."""
        self._since_saved += 1
        try:
            return self._judge(record, self._watcher or self._made(_start_of(record)))
        except Exception:
            self.num_failures += 1
            if self.num_failures == 1:
                _log.exception("%s failed on run %s", self._predictor, record.run_id)
            return ()

    def is_rewind(self, record: AnyRecord) -> bool:
        """Whether an attempt's first observation goes back behind what was judged before."""
        attempt, step = self._observed
        is_first = isinstance(record, Observation) and record.attempt > attempt > 0
        return is_first and isinstance(record, Observation) and record.step <= step

    @property
    def stage(self) -> str | None:
        """The run's status: GENERALIZED where evaluations say so, else the predictor's stage."""
        return self._watcher.stage.value if self._watcher else None

    @property
    def firing(self) -> tuple[AlertCode, ...]:
        """Codes of the alerts that are on, whatever was announced of them."""
        if self._watcher is None:
            return ()
        watcher = self._watcher
        return tuple(code for code in AlertCode if watcher.firing_since(code) is not None)

    @property
    def is_due(self) -> bool:
        """Whether so much was judged that the state should be committed."""
        return self._since_saved >= SAVE_EVERY

    def save(self) -> Saved | None:
        """Its state after the record that was judged last; None where there was none."""
        self._since_saved = 0
        if self._watcher is None or self._made_from is None or self._started is None:
            return None
        return Saved(
            place=self.line.front,
            predictor=self._predictor,
            made_from=self._made_from,
            started=self._started,
            observed=self._observed,
            state=self._watcher.state(),
        )

    def restore(self, saved: Saved) -> None:
        """Go on from a state of the same predictor.

        Raises:
            GrokwatchError: the state is of another version.
        """
        watcher = self._made(saved.made_from)
        watcher.restore(saved.state)
        watcher.start(saved.started)
        self._started = saved.started
        self._observed = saved.observed

    def remember(self, alert: Alert) -> None:
        """Note an alert that was announced already."""
        if self._watcher is not None:
            self._watcher.remember(alert)

    def _made(self, run: RunStarted) -> Watcher:
        self._made_from = self._started = run
        self._watcher = watcher_of(self._predictor, run)
        return self._watcher

    def _judge(self, record: AnyRecord, watcher: Watcher) -> tuple[AnyRecord, ...]:
        if isinstance(record, RunStarted):
            self._started = record
            watcher.start(record)
        elif isinstance(record, Observation):
            self._observed = (record.attempt, record.step)
            return watcher.consume(record)
        elif isinstance(record, Evaluation):
            return watcher.confirm(record)
        return ()


def _start_of(record: AnyRecord) -> RunStarted:
    """The start that a watcher is made from; its name alone where a run began without one."""
    return record if isinstance(record, RunStarted) else RunStarted(run_id=record.run_id, time=0.0)


@final
class Judges:
    """The judges of runs heard of lately; the rest come back from the store when they are needed.

    Args:
        capacity: judges kept.
    """

    def __init__(self, *, capacity: int = 20_000) -> None:
        self._capacity = capacity
        self._judges: OrderedDict[str, Judge] = OrderedDict()

    def get(self, run_id: str) -> Judge | None:
        """The judge of a run, if it is kept."""
        judge = self._judges.get(run_id)
        if judge is not None:
            self._judges.move_to_end(run_id)
        return judge

    def keep(self, run_id: str, judge: Judge) -> None:
        """Keep a judge; the one that was not needed longest may go. Its store has all it knew."""
        self._judges[run_id] = judge
        self._judges.move_to_end(run_id)
        while len(self._judges) > self._capacity:
            self._judges.popitem(last=False)

    def forget(self, run_id: str) -> None:
        """Drop a judge that may know more than the store does."""
        self._judges.pop(run_id, None)

    @property
    def run_ids(self) -> list[str]:
        """Runs whose judge is kept."""
        return list(self._judges)
