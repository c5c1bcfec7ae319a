"""What the store knows of a run, read back in the words of records: for judges that take it up."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, final

import msgspec
from sqlalchemy import Connection, Select, func, select, tuple_

from grokwatch.monitor import wire
from grokwatch.monitor.errors import WireError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import Alert, AnyRecord, Assessment
from grokwatch.monitor.service.judges import Saved
from grokwatch.monitor.service.line import NOWHERE, Place, Standing
from grokwatch.monitor.service.store.tables import alerts, assessments, notices, records, states
from grokwatch.monitor.service.store.writes import HELD, JUDGED, WAITING
from grokwatch.monitor.vocabulary import AlertState

_PLACES = 1_000

_log = logging.getLogger(__name__)


@final
class Archive:
    """One run's past, within one transaction.

    Args:
        connection: the transaction.
        run_id: of the run.
    """

    def __init__(self, connection: Connection, run_id: str) -> None:
        self._connection = connection
        self._run_id = run_id

    def saved(self) -> Saved | None:
        """The watcher's state as it was committed last; None where it is damaged, too."""
        chosen = select(states.c.payload).where(states.c.run_id == self._run_id)
        payload = self._connection.execute(chosen).scalar_one_or_none()
        if payload is None:
            return None
        try:
            return msgspec.msgpack.decode(payload, type=Saved)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._leave_out("state", error)
            return None

    def judged(
        self, *, after: Place = NOWHERE, through: Place | None = None
    ) -> Iterator[AnyRecord]:
        """Records that were judged, in order."""
        place = tuple_(records.c.attempt, records.c.seq)
        chosen = self._records().where(records.c.place == JUDGED, place > after)
        if through is not None:
            chosen = chosen.where(place <= through)
        for row in self._connection.execute(chosen):
            record = self._decoded(row.payload)
            if record is not None:
                yield record

    def unjudged(self, *places: str) -> list[Standing]:
        """Records that were stored and not judged yet, in order."""
        chosen = self._records().where(records.c.place.in_(places or (HELD, WAITING)))
        rows = self._connection.execute(chosen)
        found = ((self._decoded(row.payload), row) for row in rows)
        return [
            Standing(record, row.after_seq, row.payload)
            for record, row in found
            if record is not None
        ]

    def known(self, places: Sequence[Place]) -> dict[Place, bytes]:
        """Which of some records are stored, and as what bytes."""
        found: dict[Place, bytes] = {}
        place = tuple_(records.c.attempt, records.c.seq)
        for start in range(0, len(places), _PLACES):
            chosen = select(records.c.attempt, records.c.seq, records.c.payload).where(
                records.c.run_id == self._run_id, place.in_(places[start : start + _PLACES])
            )
            rows = self._connection.execute(chosen)
            found |= {(row.attempt, row.seq): row.payload for row in rows}
        return found

    def beginning(self, attempt: int) -> bytes | None:
        """The start of an attempt, as it was stored first."""
        chosen = self._records().where(
            records.c.kind == "run_started", records.c.attempt == attempt
        )
        row = self._connection.execute(chosen.limit(1)).first()
        return None if row is None else bytes(row.payload)

    def first_steps(self) -> dict[int, int]:
        """Attempt -> the step of its first observation."""
        chosen = (
            select(records.c.attempt, func.min(records.c.step).label("first_step"))
            .where(records.c.run_id == self._run_id, records.c.kind == "observation")
            .where(records.c.place == JUDGED)
            .group_by(records.c.attempt)
        )
        rows = self._connection.execute(chosen)
        return {row.attempt: row.first_step for row in rows}

    def before(self, place: Place) -> Place:
        """Place of the newest record that was judged before one."""
        here = tuple_(records.c.attempt, records.c.seq)
        chosen = (
            select(records.c.attempt, records.c.seq)
            .where(records.c.run_id == self._run_id, records.c.place == JUDGED, here < place)
            .order_by(records.c.attempt.desc(), records.c.seq.desc())
            .limit(1)
        )
        row = self._connection.execute(chosen).first()
        return NOWHERE if row is None else (row.attempt, row.seq)

    def announced(self) -> list[Alert]:
        """Every alert in every state that it was announced in, the oldest first."""
        chosen = (
            select(notices.c.payload)
            .join(alerts, alerts.c.id == notices.c.alert_id)
            .where(alerts.c.run_id == self._run_id)
            .order_by(notices.c.created, notices.c.step)
        )
        payloads = self._connection.execute(chosen).scalars()
        found: list[Alert] = []
        for payload in payloads:
            try:
                found.append(msgspec.msgpack.decode(payload, type=Notice).alert)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._leave_out("notice", error)
        return found

    def firing(self) -> list[Alert]:
        """Alerts that were announced as firing, and as nothing since."""
        newest = {alert.id: alert for alert in self.announced()}
        return [alert for alert in newest.values() if alert.state is AlertState.FIRING]

    def assessments(self, *, before: Place, most: int) -> Iterator[Assessment]:
        """Assessments before a place, the newest first."""
        place = tuple_(assessments.c.attempt, assessments.c.seq)
        chosen = (
            select(assessments.c.payload)
            .where(assessments.c.run_id == self._run_id, place < before)
            .order_by(assessments.c.attempt.desc(), assessments.c.seq.desc())
            .limit(most)
        )
        for payload in self._connection.execute(chosen).scalars():
            record = self._decoded(payload)
            if isinstance(record, Assessment):
                yield record

    def _decoded(self, payload: bytes) -> AnyRecord | None:
        """A record; None where a disk has damaged it, so that the run goes on without it."""
        try:
            return wire.decode(payload)
        except WireError as error:
            self._leave_out("record", error)
            return None

    def _leave_out(self, what: str, error: Exception) -> None:
        _log.warning("a damaged %s of run %s is left out: %s", what, self._run_id, error)

    def _records(self) -> Select[Any]:
        return (
            select(records.c.payload, records.c.after_seq)
            .where(records.c.run_id == self._run_id)
            .order_by(records.c.attempt, records.c.seq)
        )
