"""Everything one transaction writes of records and judgements, gathered and written in bulk."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, final

import msgspec
from sqlalchemy import Compiled, Connection, Dialect, Table, Update, bindparam, insert, update

from grokwatch.monitor import wire
from grokwatch.monitor.records import AnyRecord, Assessment, Observation
from grokwatch.monitor.service.judges import Saved
from grokwatch.monitor.service.line import Place, Standing
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import (
    assessments,
    records,
    runs,
    source_memories,
    states,
)
from grokwatch.monitor.service.store.upsert import insert_or_replace

JUDGED, LATE, HELD, WAITING = "judged", "late", "held", "waiting"


def kind_of(record: AnyRecord) -> str:
    """The tag that names a record's type on the wire."""
    return str(type(record).__struct_config__.tag)


@final
class Writes:
    """Rows of one transaction; nothing is written before `flush`.

    Args:
        store: whose dialect is spoken.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._clear()

    def _clear(self) -> None:
        self._records: dict[tuple[str, Place], dict[str, Any]] = {}
        self._moved: dict[tuple[str, Place], str] = {}
        self._assessments: list[dict[str, Any]] = []
        self._runs: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        self._states: list[dict[str, Any]] = []
        self._memories: list[dict[str, Any]] = []

    def record(self, standing: Standing, place: str) -> None:
        """Store a record that is new."""
        record = standing.record
        self._records[record.run_id, standing.place] = {
            "run_id": record.run_id,
            "attempt": record.attempt,
            "seq": record.seq,
            "kind": kind_of(record),
            "step": getattr(record, "step", None),
            "place": place,
            "after_seq": standing.after,
            "payload": standing.payload,
        }

    def judged(self, record: AnyRecord) -> None:
        """Note that a record was judged, whether it is new or was stored before."""
        self.moved(record, JUDGED)

    def moved(self, record: AnyRecord, place: str) -> None:
        """Note that a record stands in another place now."""
        key = (record.run_id, (record.attempt, record.seq))
        if key in self._records:
            self._records[key]["place"] = place
        else:
            self._moved[key] = place

    def assessment(self, observation: Observation, assessment: Assessment) -> None:
        """Store what was said of an observation."""
        self._assessments.append(
            {
                "run_id": observation.run_id,
                "attempt": observation.attempt,
                "seq": observation.seq,
                "step": observation.step,
                "probability": assessment.probability,
                "rise_probability": assessment.rise_probability,
                "payload": wire.encode(assessment),
            }
        )

    def run(self, run_id: str, changes: Mapping[str, Any]) -> None:
        """Change a run's row."""
        columns = tuple(sorted(changes))
        self._runs[columns].append({"of_run": run_id} | {f"to_{c}": changes[c] for c in columns})

    def state(self, run_id: str, saved: Saved) -> None:
        """Replace a run's state."""
        attempt, seq = saved.place
        self._states.append(
            {
                "run_id": run_id,
                "attempt": attempt,
                "seq": seq,
                "payload": msgspec.msgpack.encode(saved),
            }
        )

    def memory(self, source: str, run_id: str, memory: bytes) -> None:
        """Replace how far a source was read."""
        self._memories.append({"source": source, "run_id": run_id, "memory": memory})

    def flush(self, connection: Connection) -> None:
        """Write all rows that were gathered since the last time."""
        _insert(connection, records, list(self._records.values()))
        _insert(connection, assessments, self._assessments)
        if self._moved:
            connection.execute(_move(), [_key(*key, place) for key, place in self._moved.items()])
        for columns, rows in self._runs.items():
            connection.execute(_change(columns), rows)
        if self._states:
            kept = insert_or_replace(self._store, states, ("attempt", "seq", "payload"))
            connection.execute(kept, self._states)
        if self._memories:
            kept = insert_or_replace(self._store, source_memories, ("memory",))
            connection.execute(kept, self._memories)
        self._clear()


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows as the driver takes them: SQLAlchemy's own care for each costs more than both."""
    if rows:
        compiled = _compiled(table, connection.dialect)
        names = getattr(compiled, "positiontup", None)
        given = list(map(itemgetter(*names), rows)) if names else rows
        connection.exec_driver_sql(str(compiled), given)


@cache
def _compiled(table: Table, dialect: Dialect) -> Compiled:
    return insert(table).compile(dialect=dialect)


def _key(run_id: str, of: Place, place: str) -> dict[str, Any]:
    return {"of_run": run_id, "of_attempt": of[0], "of_seq": of[1], "to_place": place}


def _change(columns: Sequence[str]) -> Update:
    """Change these columns of a run."""
    changes: dict[str, Any] = {name: bindparam(f"to_{name}") for name in columns}
    return update(runs).where(runs.c.run_id == bindparam("of_run")).values(changes)


def _move() -> Update:
    named = (
        records.c.run_id == bindparam("of_run"),
        records.c.attempt == bindparam("of_attempt"),
        records.c.seq == bindparam("of_seq"),
    )
    return update(records).where(*named).values(place=bindparam("to_place"))
