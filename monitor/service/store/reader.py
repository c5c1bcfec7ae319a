"""The reader: runs, and what is stored of one, for the API and the pages."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, final

import msgspec
from sqlalchemy import ColumnElement, RowMapping, Select, func, select

from grokwatch.monitor import wire
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import Assessment, Observation, RunStarted
from grokwatch.monitor.service.store import reader_alerts, reader_series
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import deliveries, records, runs
from grokwatch.monitor.service.summary import RUNNING
from grokwatch.monitor.service.views import (
    SORTS,
    AlertPage,
    AlertRow,
    RunDetail,
    RunPage,
    RunQuery,
    RunRow,
    Series,
    Totals,
)

_HIDDEN = {"beginning", "judged_attempt", "judged_seq", "keys", "grouping", "message", "newest_seq"}
_COLUMNS = [column for column in runs.columns if column.name not in _HIDDEN]


@final
class StoreReader:
    """Answers questions about what is stored; used from any thread.

    Args:
        store: where it is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def runs(self, query: RunQuery) -> RunPage:
        """Some of the runs."""
        where = _conditions(query)
        column = runs.c[query.sort if query.sort in SORTS else "seen"]
        order = column.desc() if query.is_descending else column.asc()
        chosen = (
            _rows()
            .where(*where)
            .order_by(order.nulls_last(), runs.c.run_id)
            .limit(query.limit)
            .offset(query.offset)
        )
        with self._store.reading() as connection:
            total = connection.execute(select(func.count()).select_from(runs).where(*where))
            rows = connection.execute(chosen).mappings().all()
            return RunPage(
                runs=tuple(_row(row) for row in rows),
                total=total.scalar_one(),
                offset=query.offset,
            )

    def run(self, run_id: str) -> RunDetail | None:
        """One run; None where there is none of that id."""
        with self._store.reading() as connection:
            chosen = _rows(runs.c.beginning, runs.c["keys"], runs.c.message)
            row = connection.execute(chosen.where(runs.c.run_id == run_id)).mappings().first()
            if row is None:
                return None
        nameless = RunStarted(run_id=run_id, time=0.0)
        payload = row["beginning"]
        start = msgspec.msgpack.decode(payload, type=RunStarted) if payload else nameless
        return RunDetail(
            run=_row(row),
            hyper_parameters=start.hyper_parameters,
            signals=start.signals,
            skipped=start.skipped,
            guesses=start.guesses,
            versions=start.versions,
            keys=tuple(msgspec.msgpack.decode(row["keys"])) if row["keys"] else (),
            message=row["message"],
        )

    def series(
        self,
        run_id: str,
        keys: Sequence[str],
        *,
        low: int | None = None,
        high: int | None = None,
        limit: int = 1000,
    ) -> Series:
        """Values over steps within `low..high`, thinned to about `limit` points."""
        with self._store.reading() as connection:
            return reader_series.series(
                connection, run_id, tuple(keys), low=low, high=high, limit=limit
            )

    def assessments(
        self, run_id: str, *, low: int | None = None, high: int | None = None, limit: int = 1000
    ) -> tuple[Assessment, ...]:
        """Assessments by step, the newest attempt's where there are several; evenly thinned."""
        with self._store.reading() as connection:
            return reader_series.judged(connection, run_id, low=low, high=high, limit=limit)

    def newest_assessment(self, run_id: str) -> Assessment | None:
        """What was said last of a run."""
        with self._store.reading() as connection:
            return reader_series.newest_judged(connection, run_id)

    def alerts(
        self,
        *,
        run_id: str | None = None,
        code: str | None = None,
        state: str | None = None,
        delivery: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> AlertPage:
        """Some of the alerts, the newest first, each with its states and deliveries.

        With `delivery`, those alone of which a delivery has that status.
        """
        wanted = {"run_id": run_id, "code": code, "state": state}
        with self._store.reading() as connection:
            return reader_alerts.page(
                connection, wanted, delivery=delivery, limit=limit, offset=offset
            )

    def alert(self, alert_id: str) -> tuple[AlertRow, Notice] | None:
        """One alert, and what hooks are told of its newest state."""
        with self._store.reading() as connection:
            return reader_alerts.one(connection, alert_id)

    def sparks(
        self, run_ids: Sequence[str], *, points: int = 40
    ) -> dict[str, tuple[float | None, ...]]:
        """Rise probability of late, the oldest first, at most `points` of each run."""
        found: dict[str, tuple[float | None, ...]] = {}
        with self._store.reading() as connection:
            for run_id in run_ids:
                found[run_id] = reader_series.spark(connection, run_id, points)
        return found

    def top(self, limit: int) -> tuple[RunRow, ...]:
        """Runs that are running, the most recently seen first."""
        return self.runs(RunQuery(status=RUNNING, limit=limit)).runs

    def newest(self, run_ids: Sequence[str]) -> dict[str, dict[str, float]]:
        """Newest values of `Observation.values`, with `train_loss` and the like, of each run."""
        found: dict[str, dict[str, float]] = {}
        with self._store.reading() as connection:
            for run_id in run_ids:
                chosen = (
                    select(records.c.payload)
                    .where(records.c.run_id == run_id, records.c.kind == "observation")
                    .order_by(records.c.attempt.desc(), records.c.seq.desc())
                    .limit(1)
                )
                payload = connection.execute(chosen).scalar_one_or_none()
                record = wire.decode(payload) if payload else None
                if isinstance(record, Observation):
                    found[run_id] = {
                        **record.values,
                        **reader_series.losses(record),
                    }
        return found

    def totals(self) -> Totals:
        """What the store holds."""
        with self._store.reading() as connection:

            def count(column: ColumnElement[Any], *where: ColumnElement[bool]) -> dict[str, int]:
                chosen = select(column, func.count()).where(*where).group_by(column)
                return {str(key): number for key, number in connection.execute(chosen)}

            sums = connection.execute(
                select(
                    func.sum(runs.c.num_observations),
                    func.sum(runs.c.num_late),
                    func.max(runs.c.seen),
                )
            ).one()
            return Totals(
                runs=count(runs.c.status),
                stages=count(runs.c.stage, runs.c.status == RUNNING, runs.c.stage.is_not(None)),
                firing=_codes(count(runs.c.firing, runs.c.status == RUNNING)),
                deliveries=count(deliveries.c.status),
                num_observations=int(sums[0] or 0),
                num_late=int(sums[1] or 0),
                last_seen=sums[2],
            )

    def revision(self, run_id: str | None = None) -> int:
        """Grows whenever a run changed, or any; cheap."""
        chosen = select(func.max(runs.c.revision))
        if run_id is not None:
            chosen = chosen.where(runs.c.run_id == run_id)
        with self._store.reading() as connection:
            return connection.execute(chosen).scalar() or 0


def _rows(*more: ColumnElement[Any]) -> Select[Any]:
    return select(*_COLUMNS, runs.c.grouping.label("group"), *more)


def _row(row: RowMapping) -> RunRow:
    known = {name: row[name] for name in RunRow.__struct_fields__ if name in row}
    return RunRow(**known, alerts=tuple(filter(None, row["firing"].split(","))))


def _conditions(query: RunQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.text:
        found.append(
            runs.c.name.icontains(query.text, autoescape=True)
            | runs.c.run_id.icontains(query.text, autoescape=True)
        )
    if query.status:
        found.append(runs.c.status == query.status)
    if query.stage:
        found.append(runs.c.stage == query.stage)
    if query.alert:
        found.append(runs.c.firing.contains(query.alert, autoescape=True))
    return found


def _codes(counts: Mapping[str, int]) -> dict[str, int]:
    """How many runs each code fires in, from how many fire each set of codes."""
    found: Counter[str] = Counter()
    for codes, number in counts.items():
        found.update(dict.fromkeys(filter(None, codes.split(",")), number))
    return dict(found)
