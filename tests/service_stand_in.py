"""A store, an intake and a courier that keep everything in dicts: for tests of the web side."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TypeVar

from grokwatch.monitor.errors import ConflictError, StoreError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import (
    AnyRecord,
    Assessment,
    Observation,
    RunStarted,
)
from grokwatch.monitor.service.ports import PUSHED, HookHealth, IntakeHealth
from grokwatch.monitor.service.views import (
    AlertPage,
    AlertRow,
    Batch,
    Receipt,
    RunDetail,
    RunPage,
    RunQuery,
    RunRow,
    Series,
    Totals,
)
from tests.service_queries import pick_alerts, pick_runs
from tests.service_rows import HOOK, alert_row, run_row, values_of

T = TypeVar("T")


class StandIn:
    """Reader, intake and courier in one; `failure` makes every use of the store fail."""

    def __init__(self) -> None:
        self.records: dict[str, dict[tuple[int, int], AnyRecord]] = {}
        self.notices: dict[str, Notice] = {}
        self.sent: list[str] = []
        self.changes = 0
        self.stored = 0
        self.duplicates = 0
        self.failure: StoreError | None = None
        self.is_stuck = False
        self.is_writable = True
        self._lock = threading.Lock()

    def submit(self, batch: Batch, *, source: str = PUSHED) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        if self.is_stuck:
            return future
        try:
            future.set_result(self.store(batch))
        except StoreError as error:
            future.set_exception(error)
        return future

    def store(self, batch: Batch) -> Receipt:
        self._check()
        with self._lock:
            kept = self.records.setdefault(batch.records[0].run_id, {})
            before = len(kept)
            for record in batch.records:
                key = (record.attempt, record.seq)
                # NaN equals nothing: what was written is compared, as text.
                if repr(kept.setdefault(key, record)) != repr(record):
                    raise ConflictError("Expected the stored record again, got another. Try 2.")
            stored = len(kept) - before
            self.changes += 1
            self.stored += stored
            self.duplicates += len(batch.records) - stored
        return Receipt(
            stored=stored,
            duplicates=len(batch.records) - stored,
            late=0,
            held=0,
            ignored=0,
            seq=max(seq for _, seq in kept),
        )

    def intake_health(self) -> IntakeHealth:
        return IntakeHealth(
            queue_depth=0,
            lag_seconds=0.0,
            stored=self.stored,
            duplicates=self.duplicates,
            late=0,
            failures=0,
            commits=3,
            commit_seconds_sum=0.25,
            commit_seconds={0.01: 1, 0.1: 2, float("inf"): 3},
            is_writable=self.is_writable and self.failure is None,
        )

    def runs(self, query: RunQuery) -> RunPage:
        self._check()
        return pick_runs([self._row(run_id) for run_id in self.records], query)

    def run(self, run_id: str) -> RunDetail | None:
        self._check()
        if run_id not in self.records:
            return None
        start = self._start(run_id)
        keys = {key for each in self._all(run_id, Observation) for key in each.values}
        return RunDetail(
            run=self._row(run_id),
            hyper_parameters=start.hyper_parameters,
            signals=start.signals,
            skipped=start.skipped,
            guesses=start.guesses,
            versions=start.versions,
            keys=tuple(sorted(keys)),
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
        seen = [
            each
            for each in self._all(run_id, Observation)
            if (low is None or each.step >= low) and (high is None or each.step <= high)
        ][:limit]
        values = {key: tuple(values_of(each).get(key) for each in seen) for key in keys}
        return Series(steps=tuple(e.step for e in seen), values=values, num_points=len(seen))

    def assessments(
        self, run_id: str, *, low: int | None = None, high: int | None = None, limit: int = 1000
    ) -> tuple[Assessment, ...]:
        return tuple(self._all(run_id, Assessment))[:limit]

    def newest_assessment(self, run_id: str) -> Assessment | None:
        said = list(self._all(run_id, Assessment))
        return said[-1] if said else None

    def alerts(
        self,
        *,
        run_id: str | None = None,
        code: str | None = None,
        state: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> AlertPage:
        self._check()
        rows = [alert_row(notice) for notice in self.notices.values()]
        return pick_alerts(rows, run_id=run_id, code=code, state=state, limit=limit, offset=offset)

    def alert(self, alert_id: str) -> tuple[AlertRow, Notice] | None:
        notice = self.notices.get(alert_id)
        return (alert_row(notice), notice) if notice else None

    def sparks(
        self, run_ids: Sequence[str], *, points: int = 40
    ) -> dict[str, tuple[float | None, ...]]:
        return dict.fromkeys(run_ids, ())

    def top(self, limit: int) -> tuple[RunRow, ...]:
        self._check()
        return tuple(self._row(run_id) for run_id in list(self.records)[:limit])

    def newest(self, run_ids: Sequence[str]) -> dict[str, dict[str, float]]:
        found = {run_id: self._all(run_id, Observation) for run_id in run_ids}
        return {run_id: values_of(seen[-1]) for run_id, seen in found.items() if seen}

    def totals(self) -> Totals:
        self._check()
        return Totals(
            runs={"running": len(self.records)},
            stages={"fitting": len(self.records)},
            firing={"GRK001": len(self.notices)},
            deliveries={"delivered": len(self.sent)},
            num_observations=self.stored,
            num_late=0,
            last_seen=1.0,
        )

    def revision(self, run_id: str | None = None) -> int:
        self._check()
        return self.changes

    def resend(self, alert_id: str, *, hook: str | None = None) -> int:
        self.sent.append(alert_id)
        return 1

    def test(self, *, hook: str | None = None) -> dict[str, str | None]:
        self.sent.append("test")
        return {HOOK: None}

    def hook_health(self) -> tuple[HookHealth, ...]:
        return (
            HookHealth(hook=HOOK, delivered=2, failures=1, waiting=0, error=None, is_gone=False),
        )

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _start(self, run_id: str) -> RunStarted:
        found = self._all(run_id, RunStarted)
        return found[-1] if found else RunStarted(run_id=run_id, time=0.0)

    def _all(self, run_id: str, kind: type[T]) -> list[T]:
        kept = sorted(self.records[run_id].items())
        return [record for _, record in kept if isinstance(record, kind)]

    def _row(self, run_id: str) -> RunRow:
        firing = [n.alert.code.value for n in self.notices.values() if n.alert.run_id == run_id]
        kept = [record for _, record in sorted(self.records[run_id].items())]
        return run_row(self._start(run_id), kept, revision=self.changes, alerts=tuple(firing))


class StandInIntake:
    """The stand-in as an intake."""

    def __init__(self, store: StandIn) -> None:
        self.submit = store.submit
        self.health = store.intake_health


class StandInCourier:
    """The stand-in as a courier."""

    def __init__(self, store: StandIn) -> None:
        self.resend = store.resend
        self.test = store.test
        self.health = store.hook_health
