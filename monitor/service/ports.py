"""Who the service is made of, as its web side sees them; the store implements them."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol

import msgspec

from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import Assessment
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

PUSHED = "push"
"""The source of runs that were pushed."""


class Reader(Protocol):
    """Answers questions about what is stored; called from any thread, raises `StoreError`."""

    def runs(self, query: RunQuery) -> RunPage:
        """Some of the runs."""
        ...

    def run(self, run_id: str) -> RunDetail | None:
        """One run; None where there is none of that id."""
        ...

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
        ...

    def assessments(
        self, run_id: str, *, low: int | None = None, high: int | None = None, limit: int = 1000
    ) -> tuple[Assessment, ...]:
        """Assessments by step, the newest attempt's where there are several; evenly thinned."""
        ...

    def newest_assessment(self, run_id: str) -> Assessment | None:
        """What was said last of a run."""
        ...

    def alerts(
        self,
        *,
        run_id: str | None = None,
        code: str | None = None,
        state: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> AlertPage:
        """Some of the alerts, the newest first, each with its states and deliveries."""
        ...

    def alert(self, alert_id: str) -> tuple[AlertRow, Notice] | None:
        """One alert, and what hooks are told of its newest state."""
        ...

    def sparks(
        self, run_ids: Sequence[str], *, points: int = 40
    ) -> dict[str, tuple[float | None, ...]]:
        """Rise probability of late, the oldest first, at most `points` of each run."""
        ...

    def top(self, limit: int) -> tuple[RunRow, ...]:
        """Runs that are running, the most recently seen first."""
        ...

    def newest(self, run_ids: Sequence[str]) -> dict[str, dict[str, float]]:
        """Newest values of `Observation.values`, with `train_loss` and the like, of each run."""
        ...

    def totals(self) -> Totals:
        """What the store holds."""
        ...

    def revision(self, run_id: str | None = None) -> int:
        """Grows whenever a run changed, or any; cheap."""
        ...


class IntakeHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the intake fares, since it started.

    `failures` counts transactions that failed; `commit_seconds` are their bounds' counts, as a
    histogram: bucket's upper bound -> how many took at most that long.
    """

    queue_depth: int
    lag_seconds: float
    stored: int
    duplicates: int
    late: int
    failures: int
    commits: int
    commit_seconds_sum: float
    commit_seconds: dict[float, int]
    is_writable: bool


class Intake(Protocol):
    """Takes batches of records; they are durable when the future has its result."""

    def submit(self, batch: Batch, *, source: str = PUSHED) -> Future[Receipt]:
        """Hand over a batch of one run.

        The future raises `ConflictError` where another writer has the run, `WireError` where the
        batch is wrong, `StoreError` where the store fails or too much is waiting already.
        """
        ...

    def health(self) -> IntakeHealth:
        """How it fares."""
        ...


class HookHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How one hook fares, since the service started; `hook` is its target without credentials."""

    hook: str
    delivered: int
    failures: int
    waiting: int
    error: str | None
    is_gone: bool


class Courier(Protocol):
    """Carries messages to hooks."""

    def resend(self, alert_id: str, *, hook: str | None = None) -> int:
        """Send an alert's newest state again under its own name; how many deliveries that makes."""
        ...

    def test(self, *, hook: str | None = None) -> dict[str, str | None]:
        """Fire a notice that says it is a test at every hook; hook -> error, None where it went."""
        ...

    def health(self) -> tuple[HookHealth, ...]:
        """How each hook fares."""
        ...
