"""Finds the journals below a directory; what `runs`, `replay` and `sync` share."""

import difflib
from pathlib import Path

from grokwatch.monitor import journal
from grokwatch.monitor.errors import ConfigurationError


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


def _age(entry: Path) -> tuple[float, str]:
    return min(file.stat().st_mtime for file in entry.glob("*.journal")), entry.name
