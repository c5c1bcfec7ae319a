"""`grokwatch runs`: what the journals hold, one row per run."""

from pathlib import Path
from typing import TypeVar

import msgspec

from grokwatch.monitor import journal
from grokwatch.monitor.commands import Report, number, table
from grokwatch.monitor.commands.journals import run_ids
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Observation,
    Record,
    RunEnded,
    RunStarted,
)
from grokwatch.monitor.story import newest

_Kind = TypeVar("_Kind", bound=Record)

_COLUMNS = ("run", "name", "step", "status", "stage", "probability", "alerts")


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How a run stands by its journal; `status` is "open" while no end was written."""

    run_id: str
    name: str
    attempts: int
    num_records: int
    last_step: int | None
    status: str
    stage: str | None
    probability: float | None
    alerts: tuple[str, ...]
    problems: tuple[str, ...]


def runs(root: Path) -> Report:
    """List the runs below `root`.

    Args:
        root: the directory that holds the journals.

    Returns:
        One row per run, the oldest first; `holds` is False where a journal has broken records.
    """
    found = [summarize(root, run_id) for run_id in run_ids(root)]
    lines = table(_COLUMNS, [_row(run) for run in found])
    problems = [f"{run.run_id}: {problem}" for run in found for problem in run.problems]
    if not found:
        lines = (f"No runs in {root}. Attach GrokkingMonitor to a Trainer, or: grokwatch demo",)
    return Report(data=found, lines=(*lines, *problems), holds=not problems)


def summarize(root: Path, run_id: str) -> RunSummary:
    """Read one journal through and say how the run stands."""
    directory = journal.run_directory(root, run_id)
    every = list(journal.read(directory))
    now = newest(every)
    started = _last(now, RunStarted)
    ended = _last(now, RunEnded)
    judged = _last(now, Assessment)
    seen = [record.step for record in now if isinstance(record, Observation)]
    is_over = ended is not None and (started is None or ended.attempt >= started.attempt)
    return RunSummary(
        run_id=run_id,
        name=started.name if started else "",
        attempts=max((record.attempt for record in every), default=0),
        num_records=len(every),
        last_step=max(seen, default=None),
        status=ended.status.value if ended and is_over else "open",
        stage=judged.stage.value if judged else None,
        probability=judged.probability if judged else None,
        alerts=_alerts(now),
        problems=tuple(
            f"{problem.file} at byte {problem.offset}: {problem.reason}"
            for problem in journal.inspect(directory).problems
        ),
    )


def _alerts(records: list[AnyRecord]) -> tuple[str, ...]:
    newest_state = {record.id: record for record in records if isinstance(record, Alert)}
    return tuple(
        f"{alert.code.value} {alert.state.value} at {alert.step}" for alert in newest_state.values()
    )


def _last(records: list[AnyRecord], kind: type[_Kind]) -> _Kind | None:
    return next((record for record in reversed(records) if isinstance(record, kind)), None)


def _row(run: RunSummary) -> tuple[str, ...]:
    return (
        run.run_id,
        run.name or "-",
        number(run.last_step),
        run.status,
        run.stage or "-",
        "-" if run.probability is None else f"{run.probability:.2f}",
        "; ".join(run.alerts) or "-",
    )
