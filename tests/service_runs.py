"""Runs to push at a service, the parts that take them, and what is left in the store afterwards."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from grokwatch.monitor.errors import ConflictError
from grokwatch.monitor.records import (
    AnyRecord,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
)
from grokwatch.monitor.service.announcing import Announcer
from grokwatch.monitor.service.checking import standings
from grokwatch.monitor.service.committing import Committer
from grokwatch.monitor.service.judges import Judges
from grokwatch.monitor.service.leases import Leases
from grokwatch.monitor.service.store.engine import Store, open_store
from grokwatch.monitor.service.store.tables import alerts, assessments, notices, records, runs
from grokwatch.monitor.service.turn import Court, Pushed
from grokwatch.monitor.service.views import Batch, Receipt
from grokwatch.monitor.vocabulary import RunStatus

SPARSITY = "inverse_participation_ratio"
BUDGET = 4_000


class Clock:
    """A clock that moves when it is told to, for stores whose time a test decides."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0


class Bench:
    """A process's committer over a store; a new one is what a restart makes."""

    def __init__(
        self,
        store: Store,
        *,
        predictor: str = "threshold:",
        holder: str = "one",
        hooks: Sequence[str] = ("log:",),
        lease_seconds: float = 15.0,
    ) -> None:
        self.judges = Judges()
        court = Court(judges=self.judges, announcer=Announcer(store, hooks), predictor=predictor)
        self.leases = Leases(store, holder, seconds=lease_seconds)
        self.committer = Committer(store, self.leases, court)

    def offer(self, *batches: Batch) -> list[Receipt | ConflictError]:
        """Commit batches together."""
        return self.committer.commit([pushed(batch) for batch in batches])

    def push(self, batch: Batch) -> Receipt:
        """Commit a batch that must be taken."""
        [receipt] = self.offer(batch)
        assert isinstance(receipt, Receipt), receipt
        return receipt


def pushed(batch: Batch) -> Pushed:
    kept, num_ignored = standings(batch)
    run_id = batch.records[0].run_id
    return Pushed(run_id=run_id, standings=tuple(kept), num_ignored=num_ignored)


@contextmanager
def opened(address: str, clock: Clock | None = None) -> Iterator[Store]:
    """A store that is closed at the end; its time is the clock's, where there is one."""
    store = open_store(address)
    if clock is not None:
        setattr(store, "now", lambda _: clock.seconds)  # noqa: B010 - the seam of the store's time
    try:
        yield store
    finally:
        store.close()


def story(
    run_id: str,
    *,
    seed: int = 1,
    steps: range = range(0, 2_100, 20),
    attempt: int = 1,
    first_seq: int = 1,
) -> list[AnyRecord]:
    """An attempt that memorizes, whose weights grow sparse and dense again, so that alerts come.

    What a step measures depends on the run, the seed and the step alone, as after a rewind.
    """
    told: list[AnyRecord] = [start(run_id, attempt=attempt, seq=first_seq)]
    for step in steps:
        drawn = random.Random(f"{run_id} {seed} {step}")
        excess = (0.8 if (step // 400 + seed) % 3 == 2 else 0.02) + 0.01 * drawn.random()
        told.append(
            observed(
                run_id,
                first_seq + len(told),
                step,
                attempt=attempt,
                excess=excess,
                norm=drawn.random(),
            )
        )
        if step % 200 == 100:
            told.append(
                Evaluation(
                    run_id=run_id,
                    attempt=attempt,
                    seq=first_seq + len(told),
                    step=step,
                    time=0.5,
                    test_accuracy=0.97 if step > 1_800 else 0.3,
                )
            )
    return told


def ended(run_id: str, seq: int, *, attempt: int = 1) -> RunEnded:
    status = RunStatus.FINISHED
    return RunEnded(run_id=run_id, attempt=attempt, seq=seq, step=1, time=9.0, status=status)


def start(run_id: str, *, attempt: int = 1, seq: int = 1) -> RunStarted:
    return RunStarted(
        run_id=run_id,
        attempt=attempt,
        seq=seq,
        time=1.0,
        name=f"the run {run_id}",
        group="cyclic:11",
        budget_steps=BUDGET,
        signals=tuple(
            SignalInfo(name=name, unit="", summary="") for name in (SPARSITY, "weight_norm")
        ),
    )


def observed(
    run_id: str,
    seq: int,
    step: int,
    *,
    attempt: int = 1,
    excess: float = 0.0,
    norm: float = 1.0,
    accuracy: float = 1.0,
) -> Observation:
    values = {f"{SPARSITY}.excess@input": excess, "weight_norm": norm}
    return Observation(
        run_id=run_id,
        attempt=attempt,
        seq=seq,
        step=step,
        time=float(seq),
        train_loss=0.1,
        train_accuracy=accuracy,
        values=values,
    )


def batches(told: Sequence[AnyRecord], size: int = 10) -> list[Batch]:
    """Cut a stream, each part knowing what was pushed before it."""
    parts = [tuple(told[at : at + size]) for at in range(0, len(told), size)]
    return [Batch(records=part, after=part[0].seq - 1) for part in parts]


class Left(NamedTuple):
    """What the store holds of a run in the end: bits of assessments, alerts with their states."""

    assessments: dict[tuple[int, int], bytes]
    alerts: dict[str, tuple[str, int, frozenset[tuple[str, int]]]]
    row: dict[str, Any]


_ROW = ("name", "attempt", "status", "stage", "probability", "step", "num_observations", "num_late")


def left(store: Store, run_id: str) -> Left:
    with store.reading() as connection:
        judged = connection.execute(select(assessments).where(assessments.c.run_id == run_id))
        found = {(row.attempt, row.seq): row.payload for row in judged}
        announced = connection.execute(select(alerts).where(alerts.c.run_id == run_id)).all()
        told = {row.id: (row.state, row.step, _states(connection, row.id)) for row in announced}
        row = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().one()
        return Left(found, told, {name: row[name] for name in _ROW})


def _states(connection: Connection, alert: str) -> frozenset[tuple[str, int]]:
    rows = connection.execute(select(notices).where(notices.c.alert_id == alert))
    return frozenset((row.state, row.step) for row in rows)


def stored(store: Store, run_id: str) -> list[tuple[int, int, str, bytes]]:
    """Every record of a run: attempt, seq, place, and its bytes."""
    chosen = select(records).where(records.c.run_id == run_id)
    with store.reading() as connection:
        rows = connection.execute(chosen.order_by(records.c.attempt, records.c.seq))
        return [(row.attempt, row.seq, row.place, row.payload) for row in rows]
