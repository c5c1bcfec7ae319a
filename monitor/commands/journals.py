"""Finds the journals below a directory; what `runs`, `replay` and `sync` share."""

import difflib
from collections.abc import Iterable
from pathlib import Path

from grokwatch.monitor import journal
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import AnyRecord


def run_ids(root: Path) -> tuple[str, ...]:
    """Names of the runs that have a journal below `root`, the oldest first."""
    folder = root / journal.RUNS
    if not folder.is_dir():
        return ()
    found = [entry for entry in folder.iterdir() if any(entry.glob("*.journal"))]
    return tuple(entry.name for entry in sorted(found, key=_age))


def choose(root: Path, name: str) -> str:
    """The run of that id, or the only one whose id begins so.

    Raises:
        ConfigurationError: no run, or more than one, answers to the name.
    """
    known = run_ids(root)
    matches = [name] if name in known else [run_id for run_id in known if run_id.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        msg = f"Expected the id of one run, got {name!r}. Try one of: {', '.join(matches)}"
        raise ConfigurationError(msg)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or list(known[-3:])
    hint = f"Try one of: {', '.join(close)}" if close else "Try another --directory: this has none"
    msg = f"Expected the id of a run in {root}, got {name!r}. {hint}"
    raise ConfigurationError(msg)


def newest(records: Iterable[AnyRecord]) -> list[AnyRecord]:
    """The run as it stands: where an attempt went back, what it trained again replaces the first.

    Args:
        records: all records of one run, in order.

    Returns:
        The records without those of an earlier attempt at or after the first step of a later one.
    """
    every = list(records)
    begins: dict[int, int] = {}
    for record in every:
        step = getattr(record, "step", None)
        if step is not None:
            begins[record.attempt] = min(step, begins.get(record.attempt, step))
    return [record for record in every if not _replaced(record, begins)]


def _replaced(record: AnyRecord, begins: dict[int, int]) -> bool:
    step = getattr(record, "step", None)
    later = [first for attempt, first in begins.items() if attempt > record.attempt]
    return step is not None and any(step >= first for first in later)


def _age(entry: Path) -> tuple[float, str]:
    return min(file.stat().st_mtime for file in entry.glob("*.journal")), entry.name
