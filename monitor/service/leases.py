"""Leases: so that each run has one judge, however many processes take its records.

A lease is taken and renewed in the transaction that judges, by the clock of the store. Whoever
slept past its lease finds it taken before it writes anything.
"""

from collections.abc import Iterable
from typing import NamedTuple, final

from sqlalchemy import Connection, or_, select, update

from grokwatch.monitor.service.holder import is_dead
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import leases
from grokwatch.monitor.service.store.upsert import insert_new


class Taken(NamedTuple):
    """Runs that this process may judge, and those of them that another one may have judged."""

    run_ids: frozenset[str]
    taken_over: frozenset[str]


@final
class Leases:
    """The leases of one process.

    Args:
        store: where they stand.
        holder: names this process among all, for as long as it lives.
        seconds: how long one lasts.
    """

    def __init__(self, store: Store, holder: str, *, seconds: float = 15.0) -> None:
        self._store = store
        self._holder = holder
        self._seconds = seconds

    def take(self, connection: Connection, run_ids: Iterable[str], now: float) -> Taken:
        """Take or renew leases, in the transaction that uses them.

        Args:
            connection: the transaction.
            run_ids: of runs that are stored.
            now: by the store's clock.

        Returns:
            The runs that this process may judge until the transaction ends.
        """
        asked = sorted(run_ids)
        until = now + self._seconds
        fresh = [{"run_id": run_id, "holder": self._holder, "until": until} for run_id in asked]
        connection.execute(insert_new(self._store, leases), fresh)
        mine_or_free = or_(leases.c.holder == self._holder, leases.c.until < now)
        chosen = select(leases.c.run_id, leases.c.holder).where(
            leases.c.run_id.in_(asked), mine_or_free
        )
        found = connection.execute(chosen.order_by(leases.c.run_id).with_for_update()).all()
        free = [row.run_id for row in found]
        takes = update(leases).where(leases.c.run_id.in_(free))
        connection.execute(takes.values(holder=self._holder, until=until))
        others = frozenset(row.run_id for row in found if row.holder != self._holder)
        return Taken(frozenset(free), others)

    def reclaim(self) -> int:
        """Free the leases of processes of this machine that died, so that none need wait for them.

        Returns:
            How many holders were found dead.
        """
        with self._store.writing() as connection:
            holders = connection.execute(select(leases.c.holder).distinct()).scalars()
            dead = [holder for holder in holders if is_dead(holder, self._holder)]
            freed = update(leases).where(leases.c.holder.in_(dead))
            connection.execute(freed.values(holder="", until=0.0))
        return len(dead)

    def release(self) -> None:
        """Give all leases back, so that another process need not wait for them to end."""
        with self._store.writing() as connection:
            mine = update(leases).where(leases.c.holder == self._holder)
            connection.execute(mine.values(holder="", until=0.0))
