"""A run's turn in a transaction: its batches against what is stored, its line, judge and row."""

from collections.abc import Sequence
from typing import final

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, RowMapping

from grokwatch.monitor.records import Alert, AnyRecord, Assessment, Observation
from grokwatch.monitor.service.announcing import Announcer
from grokwatch.monitor.service.archive import Archive
from grokwatch.monitor.service.judges import Judge, Judges
from grokwatch.monitor.service.line import Line, Place, Standing
from grokwatch.monitor.service.ports import PUSHED
from grokwatch.monitor.service.restoring import rejudged, restored
from grokwatch.monitor.service.store.writes import HELD, LATE, WAITING, Writes
from grokwatch.monitor.service.summary import Summary
from grokwatch.monitor.service.views import Receipt
from grokwatch.monitor.service.writers import Writers
from grokwatch.monitor.vocabulary import AlertState, Severity


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one run, checked, and where they came from.

    `memory` is what the source wants remembered once they are stored; `link` is where the run is
    shown beside our own page.
    """

    run_id: str
    standings: tuple[Standing, ...]
    num_ignored: int = 0
    source: str = PUSHED
    memory: bytes | None = None
    link: str | None = None


class Court(msgspec.Struct, frozen=True, kw_only=True):
    """Who judges and announces, from one transaction to the next."""

    judges: Judges
    announcer: Announcer
    predictor: str


@final
class Turn:
    """One run within one transaction.

    Args:
        connection: the transaction.
        court: who judges and announces.
        writes: gathers what is written.
        row: the run's row, locked.
        now: by the store's clock.
        is_mine: whether this process holds the run's lease.
    """

    def __init__(
        self,
        connection: Connection,
        court: Court,
        writes: Writes,
        row: RowMapping,
        *,
        now: float,
        is_mine: bool,
    ) -> None:
        self.run_id: str = row["run_id"]
        self._connection = connection
        self._court = court
        self._writes = writes
        self._now = now
        self._archive = Archive(connection, self.run_id)
        self._writers = Writers(self._archive, (row["attempt"], row["newest_seq"]))
        self._summary = Summary(dict(row))
        self._front: Place = (row["judged_attempt"], row["judged_seq"])
        self._is_to_save = False
        self._judge: Judge | None = None
        if is_mine:
            self._take_up()
        else:
            court.judges.forget(self.run_id)

    def take(self, item: Pushed) -> Receipt:
        """Take a batch of the run, all of it or nothing.

        Raises:
            ConflictError: another writer has the run.
        """
        new = self._writers.admit(item.standings)
        if item.memory is not None:
            self._writes.memory(item.source, item.run_id, item.memory)
        places = [self._store(standing) for standing in new]
        attempt, seq = self._writers.newest
        self._summary.changes |= {"seen": self._now, "attempt": attempt, "newest_seq": seq}
        if item.link:
            self._summary.changes["link"] = item.link
        return Receipt(
            stored=len(new),
            duplicates=len(item.standings) - len(new),
            late=places.count(LATE),
            held=self._num_held(new),
            ignored=item.num_ignored,
            seq=seq,
        )

    def judge_waiting(self) -> None:
        """Judge what other processes stored of the run since its judge was made."""
        if self._judge is None:
            return
        for standing in self._archive.unjudged(WAITING):
            if self._judge.line.is_late(standing):
                self._writes.moved(standing.record, LATE)
                self._summary.count("num_late")
            else:
                self._writes.moved(standing.record, HELD)
                self._advance(standing)

    def finish(self) -> None:
        """Hand over the run's row, and its state where it is due."""
        changes = self._summary.changes
        if not changes and (self._judge is None or self._judge.line.front == self._front):
            return
        if self._judge is not None:
            changes["judged_attempt"], changes["judged_seq"] = self._judge.line.front
            changes["stage"] = self._judge.stage
            changes["firing"] = ",".join(code.value for code in self._judge.firing)
            saved = self._judge.save() if self._is_to_save or self._judge.is_due else None
            if saved is not None:
                self._writes.state(self.run_id, saved)
        changes["revision"] = max(self._summary.now("revision") + 1, int(self._now * 1e6))
        self._writes.run(self.run_id, self._summary.taken())

    def _num_held(self, standings: Sequence[Standing]) -> int:
        """How many of these wait for records between."""
        if self._judge is None:
            return 0
        front = self._judge.line.front
        return sum(standing.place > front for standing in standings)

    def _store(self, standing: Standing) -> str:
        """Store a new record, and judge what it brings forward."""
        self._summary.count("num_observations", int(isinstance(standing.record, Observation)))
        if self._judge is None:
            place = WAITING
        elif self._judge.line.is_late(standing):
            self._summary.count("num_late")
            place = LATE
        else:
            place = HELD
        self._writes.record(standing, place)
        if place == HELD:
            self._advance(standing)
        return place

    def _take_up(self) -> None:
        """Take the judge kept from before, if it knows all that was judged, or restore one."""
        self._judge = self._court.judges.get(self.run_id)
        if self._judge is not None and self._judge.line.front == self._front:
            return
        self._judge = restored(self._archive, self._court.predictor, self._front)
        self._court.judges.keep(self.run_id, self._judge)
        if self._writers.newest[1]:
            for standing in self._archive.unjudged(HELD):
                self._judge.line.hold(standing)

    def _advance(self, standing: Standing) -> None:
        """Judge a record and those that waited for it, as far as the line moves."""
        if self._judge is not None:
            for record in self._judge.line.admit(standing):
                self._give(record)

    def _give(self, record: AnyRecord) -> None:
        """Give the judge the record whose turn it is."""
        judge = self._judge
        if isinstance(record, Observation) and judge is not None and judge.is_rewind(record):
            judge = self._rewound(judge.line, record)
        self._writes.judged(record)
        self._summary.take(record)
        for concluded in judge.judge(record) if judge is not None else ():
            if isinstance(concluded, Assessment) and isinstance(record, Observation):
                self._writes.assessment(record, concluded)
                self._summary.take(concluded)
            elif isinstance(concluded, Alert):
                self._announce(replace(concluded, attempt=record.attempt, seq=record.seq))

    def _rewound(self, line: Line, record: Observation) -> Judge:
        """A judge who knows only what the new attempt has not undone."""
        self._writes.flush(self._connection)
        before = self._archive.before((record.attempt, record.seq))
        judge = rejudged(self._archive, self._court.predictor, before, rewound=record)
        judge.line = line
        self._judge = judge
        self._court.judges.keep(self.run_id, judge)
        self._is_to_save = True
        for alert in self._archive.firing():
            if alert.code not in judge.firing:
                self._undo(alert, judge, record)
        return judge

    def _undo(self, alert: Alert, judge: Judge, record: Observation) -> None:
        """Take back an alert that fired where training has not been any more."""
        undone = replace(
            alert,
            attempt=record.attempt,
            seq=record.seq,
            state=AlertState.CLEARED,
            severity=Severity.INFO,
            step=record.step,
            time=record.time,
            message=f"{alert.run_id}: undone, as training went back to step {record.step:,}",
            assessment=None,
        )
        judge.remember(undone)
        self._announce(undone)

    def _announce(self, alert: Alert) -> None:
        self._writes.flush(self._connection)  # what came before the alert is evidence
        self._is_to_save = True
        self._court.announcer.announce(
            self._connection,
            alert,
            name=self._summary.now("name"),
            link=self._summary.now("link"),
            now=self._now,
        )
