"""Catching sinks up with the journals that finished or killed processes left behind."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from grokwatch.monitor.cursor import CURSORS, Cursor, cursors
from grokwatch.monitor.errors import ConfigurationError, JournalLockedError
from grokwatch.monitor.feeder import BATCH
from grokwatch.monitor.history import Tail
from grokwatch.monitor.journal import RUNS, run_directory
from grokwatch.monitor.lock import Lock, is_locked
from grokwatch.monitor.protocols import Sink


class Drained(msgspec.Struct, frozen=True):
    """What one sink was given of one run; `error` says why it did not get all."""

    run_id: str
    target: str
    num_records: int
    error: str | None = None


def drain(
    root: Path, connect: Callable[[str], Sink], *, run_id: str | None = None
) -> list[Drained]:
    """Feed every sink of every run that no process writes now, from where its cursor stands.

    Args:
        root: the folder of all of grokwatch's files.
        connect: makes a sink from its target; the target carries no user and password.
        run_id: the only run to drain; None for all of them.

    Returns:
        One entry per run and sink; a sink that fails is reported and does not stop the others.

    Raises:
        ConfigurationError: there is no run of that id.
    """
    if run_id is None:
        found = sorted(path for path in (root / RUNS).glob("*") if path.is_dir())
    elif (directory := run_directory(root, run_id)).is_dir():
        found = [directory]
    else:
        msg = f"Expected a run below {str(root / RUNS)!r}, got {run_id!r}. Try `grokwatch runs`."
        raise ConfigurationError(msg)
    return [drained for directory in found for drained in _drain_run(directory, connect)]


def _drain_run(directory: Path, connect: Callable[[str], Sink]) -> Iterator[Drained]:
    """Drain one run, unless its writer lives or somebody else drains it."""
    places = cursors(directory)
    try:
        if not places or is_locked(directory):
            return
        lock = Lock.acquire(directory / CURSORS)
    except (JournalLockedError, OSError) as error:
        yield from (Drained(directory.name, place.target, 0, str(error)) for place in places)
        return
    try:
        for place in places:
            yield _drain_sink(directory, place, connect)
    finally:
        lock.close()


def _drain_sink(directory: Path, cursor: Cursor, connect: Callable[[str], Sink]) -> Drained:
    """Feed one sink to the journal's end; its cursor moves only after the sink took a batch."""
    num_records = 0
    error: str | None = None
    tail = Tail(directory, after=cursor.seq)
    try:
        batch = tail.take(BATCH)
        if not batch:
            return Drained(directory.name, cursor.target, 0)
        sink = connect(cursor.target)
        try:
            while batch:
                sink.write(batch)
                cursor.save(batch[-1].seq)
                num_records += len(batch)
                batch = tail.take(BATCH)
        finally:
            sink.close()
    except Exception as failure:  # any library may stand behind a sink
        error = f"{type(failure).__name__}: {failure}"
    return Drained(directory.name, cursor.target, num_records, error)
