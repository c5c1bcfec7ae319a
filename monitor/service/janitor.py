"""The janitor: old raw points thinned, old runs forgotten; alerts and judgements never lose input.

Only records that were judged, and that a committed state has behind it, are thinned: the suffix
that a restart judges again stays whole. Starts, evaluations and ends stay.
"""

import logging
import threading
from typing import final

from sqlalchemy import Connection, delete, func, select, tuple_

from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import (
    assessments,
    records,
    runs,
    states,
)
from grokwatch.monitor.service.store.writes import JUDGED

_REST_SECONDS = 600.0
_CHUNK = 5_000
_DAY_SECONDS = 86_400.0

_log = logging.getLogger(__name__)


@final
class Janitor:
    """Keeps the store bounded.

    Args:
        store: what to keep bounded.
        keep_points: observations kept of a run; beyond, every second one of the older half goes.
        keep_days: days that a run is kept after it was last seen; None for ever.
    """

    def __init__(self, store: Store, *, keep_points: int, keep_days: float | None) -> None:
        self._store = store
        self._keep_points = keep_points
        self._keep_days = keep_days
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="grokwatch janitor", daemon=True)

    def start(self) -> None:
        """Begin to clean, now and then."""
        self._thread.start()

    def close(self, deadline_seconds: float = 5.0) -> None:
        """Stop."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(deadline_seconds)

    def clean(self) -> int:
        """Clean once.

        Returns:
            How many observations and runs went.

        Raises:
            StoreError: the store failed; what went before has gone.
        """
        return self._forget_runs() + sum(self._thin(run_id) for run_id in self._crowded())

    def _run(self) -> None:
        while not self._stop.wait(_REST_SECONDS):
            try:
                self.clean()
            except Exception as error:  # this thread must outlive whatever a store holds
                _log.warning("the store was not cleaned: %s", error)

    def _crowded(self) -> list[str]:
        """Runs with more observations than are kept."""
        kept = (records.c.kind == "observation", records.c.place == JUDGED)
        chosen = select(records.c.run_id).where(*kept).group_by(records.c.run_id)
        with self._store.reading() as connection:
            crowded = chosen.having(func.count() > self._keep_points)
            return list(connection.execute(crowded).scalars())

    def _thin(self, run_id: str) -> int:
        """Every second observation of a run's older half, in small transactions."""
        with self._store.reading() as connection:
            places = self._thinnable(connection, run_id)
        for start in range(0, len(places), _CHUNK):
            part = places[start : start + _CHUNK]
            with self._store.writing() as connection:
                for table in (records, assessments):
                    place = tuple_(table.c.attempt, table.c.seq)
                    chosen = table.c.run_id == run_id, place.in_(part)
                    connection.execute(delete(table).where(*chosen))
        return len(places)

    def _thinnable(self, connection: Connection, run_id: str) -> list[tuple[int, int]]:
        saved = connection.execute(
            select(states.c.attempt, states.c.seq).where(states.c.run_id == run_id)
        ).first()
        if saved is None:
            return []
        place = tuple_(records.c.attempt, records.c.seq)
        chosen = (
            select(records.c.attempt, records.c.seq)
            .where(records.c.run_id == run_id, records.c.kind == "observation")
            .where(records.c.place == JUDGED, place < (saved.attempt, saved.seq))
            .order_by(records.c.attempt, records.c.seq)
        )
        places = [(row.attempt, row.seq) for row in connection.execute(chosen)]
        older = places[: len(places) // 2]
        return [
            place
            for before, place in zip(older[::2], older[1::2], strict=False)
            if before[0] == place[0]  # an attempt's first says from which step on it went back
        ]

    def _forget_runs(self) -> int:
        if self._keep_days is None:
            return 0
        with self._store.writing() as connection:
            oldest = self._store.now(connection) - self._keep_days * _DAY_SECONDS
            # how far a source was read stays: a run that is over is not watched and told again
            return connection.execute(delete(runs).where(runs.c.seen < oldest)).rowcount
