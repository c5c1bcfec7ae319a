"""One transaction: records become durable, judged, and their alerts queued, or nothing happens."""

from collections.abc import Iterable, Sequence
from typing import final

from sqlalchemy import Connection, select

from grokwatch.monitor.errors import ConflictError
from grokwatch.monitor.service.leases import Leases
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import records, runs
from grokwatch.monitor.service.store.upsert import insert_new
from grokwatch.monitor.service.store.writes import WAITING, Writes
from grokwatch.monitor.service.turn import Court, Pushed, Turn
from grokwatch.monitor.service.views import Receipt


@final
class Committer:
    """Takes batches, a transaction at a time; used by one thread.

    Args:
        store: where all is kept.
        leases: of this process.
        court: who judges and announces.
    """

    def __init__(self, store: Store, leases: Leases, court: Court) -> None:
        self._store = store
        self._leases = leases
        self._court = court

    def commit(self, items: Sequence[Pushed]) -> list[Receipt | ConflictError]:
        """Store, judge and announce; what it returns is durable.

        Args:
            items: batches, of any runs.

        Returns:
            For each batch its receipt, or why nothing of it was stored.

        Raises:
            StoreError: the transaction failed, and nothing was stored.
        """
        sources = {item.run_id: item.source for item in reversed(items)}
        try:
            with self._store.writing() as connection:
                now = self._store.now(connection)
                fresh = [
                    {"run_id": run_id, "source": source, "started": now, "seen": now}
                    for run_id, source in sorted(sources.items())
                ]
                connection.execute(insert_new(self._store, runs), fresh)
                writes = Writes(self._store)
                turns = self._turns(connection, writes, sorted(sources), now)
                receipts = [_taken(turns[item.run_id], item) for item in items]
                _finish(turns, writes, connection)
                return receipts
        except BaseException:
            self._forget(sources)
            raise

    def sweep(self, *, most: int = 64) -> int:
        """Judge what other processes stored, of runs whose lease is ours or free.

        Args:
            most: runs looked at.

        Returns:
            How many runs have something to judge.
        """
        with self._store.reading() as connection:
            waiting = select(records.c.run_id).where(records.c.place == WAITING).distinct()
            run_ids = sorted(connection.execute(waiting.limit(most)).scalars())
        if not run_ids:
            return 0
        try:
            with self._store.writing() as connection:
                writes = Writes(self._store)
                turns = self._turns(connection, writes, run_ids, self._store.now(connection))
                _finish(turns, writes, connection)
        except BaseException:
            self._forget(run_ids)
            raise
        return len(run_ids)

    def _turns(
        self, connection: Connection, writes: Writes, run_ids: list[str], now: float
    ) -> dict[str, Turn]:
        """Lock the runs' rows, and give each its turn."""
        chosen = select(runs).where(runs.c.run_id.in_(run_ids)).order_by(runs.c.run_id)
        rows = connection.execute(chosen.with_for_update()).mappings().all()
        lease = self._leases.take(connection, [row["run_id"] for row in rows], now)
        self._forget(lease.taken_over)
        turns = {
            row["run_id"]: Turn(
                connection,
                self._court,
                writes,
                row,
                now=now,
                is_mine=row["run_id"] in lease.run_ids,
            )
            for row in rows
        }
        for run_id in _waiting(connection, list(turns)):
            turns[run_id].judge_waiting()
        return turns

    def _forget(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            self._court.judges.forget(run_id)


def _waiting(connection: Connection, run_ids: Iterable[str]) -> list[str]:
    """Runs of which another process stored records that are not judged yet."""
    chosen = select(records.c.run_id).where(
        records.c.place == WAITING, records.c.run_id.in_(run_ids)
    )
    return list(connection.execute(chosen.distinct()).scalars())


def _taken(turn: Turn, item: Pushed) -> Receipt | ConflictError:
    try:
        return turn.take(item)
    except ConflictError as error:
        return error


def _finish(turns: dict[str, Turn], writes: Writes, connection: Connection) -> None:
    for turn in turns.values():
        turn.finish()
    writes.flush(connection)
