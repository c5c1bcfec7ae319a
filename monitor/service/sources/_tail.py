"""Reads on in the metric histories of one run, and writes what is new as records, by step.

A step is a record once every metric is known to be past it: so train and test sides come in the
order of their steps, however unlike their paces. A history is read in pages, forward only; the last
page is asked for again as long as points may come to its end.
"""

import math
from collections.abc import Iterator, Mapping
from typing import final

from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.service.sources._answers import History, Point, Run
from grokwatch.monitor.service.sources._memory import MetricCursor, SourceMemory
from grokwatch.monitor.service.sources._rest import MlflowServer
from grokwatch.monitor.service.sources._rows import Scribe
from grokwatch.monitor.service.sources._values import find_percents, fraction, hyper_parameter
from grokwatch.monitor.service.sources.names import (
    PLAIN,
    TEST_SIDE,
    Meanings,
    understand,
)
from grokwatch.monitor.vocabulary import RunStatus

_STATUSES = {
    "FINISHED": RunStatus.FINISHED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.INTERRUPTED,
}
_MOST_METRICS = 200
_MOST_TURNS = 10_000
_MOST_PARAMETERS = 1000
_LONGEST_TEXT = 500
_LONGEST_NAME = 256


def status_of(run: Run) -> RunStatus | None:
    """How a run ended; None while it goes on."""
    return _STATUSES.get(run.info.status)


@final
class Tail:
    """What is not yet read of one run.

    Args:
        server: that tracks it.
        run: as it was listed.
        memory: how far it was read; is changed.
        given: their name -> ours, as the user said.
        is_patient: whether to wait for metrics that lag behind the others.
    """

    def __init__(
        self,
        server: MlflowServer,
        run: Run,
        memory: SourceMemory,
        *,
        given: Mapping[str, str],
        is_patient: bool = True,
    ) -> None:
        self.memory = memory
        self._server = server
        self._run = run
        self._is_over = status_of(run) is not None
        self._is_patient = is_patient
        self._scribe = Scribe(run.info.run_id, memory)
        self._meanings = self._understood(given)
        self._pages: dict[str, History] = {}

    @property
    def bound(self) -> float:
        """The step up to which every metric is known; the same again where nothing was new."""
        return min((self._reach(name) for name in self.memory.metrics), default=-math.inf)

    @property
    def is_behind(self) -> bool:
        """Whether points wait for those of other metrics."""
        return any(self._unseen(name) for name in self._pages)

    def parts(self, fingerprint: int) -> Iterator[list[AnyRecord]]:
        """Records that are new, in parts; the memory is right after each.

        Args:
            fingerprint: remembered once everything is read.

        Yields:
            Parts, none of them empty.
        """
        for _ in range(_MOST_TURNS if self.memory.metrics else 0):
            self._load()
            records = self._begun() + self._taken()
            has_moved = self._turn()
            is_read = not has_moved and not self.is_behind
            if is_read:
                self.memory.fingerprint = fingerprint
                records += self._ended()
            if records:
                yield records
            if not has_moved:
                return

    def _understood(self, given: Mapping[str, str]) -> Meanings:
        """Cursors for all metrics that mean something; what was taken once stays so."""
        cursors = self.memory.metrics
        kept = {name: cursor.ours for name, cursor in cursors.items()}
        said = kept | {name: ours for name, ours in given.items() if name not in kept}
        found = understand((point.key for point in self._run.data.metrics), said)
        new = {name: ours for name, ours in found.ours.items() if ours not in kept.values()}
        room = max(0, _MOST_METRICS - len(cursors))
        chosen = sorted(new, key=lambda name: new[name] not in PLAIN)[:room]
        self.memory.metrics = cursors | {name: MetricCursor(ours=new[name]) for name in chosen}
        return found

    def _load(self) -> None:
        """Have a page of every metric."""
        for name, cursor in self.memory.metrics.items():
            if name not in self._pages:
                run_id = self._run.info.run_id
                self._pages[name] = self._server.history(run_id, name, cursor.token)
        newest = {point.key: (point.number,) for point in self._run.data.metrics}
        paged = {
            name: tuple(point.number for point in page.metrics)
            for name, page in self._pages.items()
        }
        for values in (newest, paged):
            find_percents(self.memory.metrics, values)

    def _begun(self) -> list[AnyRecord]:
        """The start, where the run has none yet, or went on after its end."""
        memory, info = self.memory, self._run.info
        went_on = memory.is_over and (self.is_behind or not self._is_over)
        if memory.attempt and not went_on:
            return []
        tags = {tag.key: tag.value for tag in self._run.data.tags}
        budget = hyper_parameter(tags.get("grokwatch.budget_steps", ""))
        start = self._scribe.start(
            time=info.start_time / 1000,
            name=_printable(info.run_name),
            guesses=self._meanings.guesses,
            hyper_parameters={
                each.key[:_LONGEST_NAME]: hyper_parameter(each.value[:_LONGEST_TEXT])
                for each in self._run.data.params[:_MOST_PARAMETERS]
            },
            group=tags.get("grokwatch.group", "")[:_LONGEST_NAME] or None,
            budget_steps=budget if type(budget) is int and budget > 0 else None,
        )
        return [start]

    def _taken(self) -> list[AnyRecord]:
        """Records of all points up to the bound, by step."""
        bound, rows = self.bound, dict[int, list[tuple[str, Point]]]()
        for name in self._pages:
            for point in self._unseen(name):
                if point.step <= bound:
                    rows.setdefault(point.step, []).append((name, point))
        records: list[AnyRecord] = []
        for step, points in sorted(rows.items()):
            records += self._row(step, points)
        return records

    def _row(self, step: int, points: list[tuple[str, Point]]) -> list[AnyRecord]:
        """Records of one step; of two values of one metric the later is taken."""
        values: dict[str, float] = {}
        for name, point in points:
            cursor = self.memory.metrics[name]
            value = fraction(cursor.ours, point.number, percent=cursor.is_percent)
            cursor.seen = (*cursor.seen, point.mark)
            if value is not None:
                values[cursor.ours] = value
        time = max(point.timestamp for _, point in points) / 1000
        return self._scribe.row(step, time, values) if values else []

    def _turn(self) -> bool:
        """Leave pages that are wholly taken and have a next one."""
        has_moved = False
        for name, page in list(self._pages.items()):
            cursor = self.memory.metrics[name]
            is_next = page.next_page_token not in {"", cursor.token}
            if is_next and not self._unseen(name):
                cursor.token, cursor.seen = page.next_page_token, ()
                del self._pages[name]
                has_moved = True
        return has_moved

    def _ended(self) -> list[AnyRecord]:
        status, info = status_of(self._run), self._run.info
        if status is None or self.memory.is_over:
            return []
        time = info.end_time or info.start_time
        return [self._scribe.end(time=time / 1000, status=status)]

    def _unseen(self, name: str) -> list[Point]:
        seen = frozenset(self.memory.metrics[name].seen)
        return [point for point in self._pages[name].metrics if point.mark not in seen]

    def _reach(self, name: str) -> float:
        """The step that a metric is known up to."""
        page = self._pages.get(name, History())
        # The test side is measured now and then: nobody waits for it.
        is_test = self.memory.metrics[name].ours in TEST_SIDE
        nobody_waits = self._is_over or not self._is_patient or is_test
        if name in self._pages and not page.next_page_token and nobody_waits:
            return math.inf
        return max((point.step for point in page.metrics), default=-math.inf)


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "_" for c in name[:_LONGEST_NAME])
