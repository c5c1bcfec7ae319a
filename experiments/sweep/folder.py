"""The folder of a sweep, read as it lies there, without the grid that made it."""

from collections.abc import Callable, Iterator
from pathlib import Path

from grokwatch.experiments.sweep.engine import SWEEPS
from grokwatch.experiments.sweep.store import BROKEN, SUFFIX, read_chunk
from grokwatch.monitor.errors import ConfigurationError, SchemaError, WireError
from grokwatch.monitor.records import AnyRecord


def find_sweep(path: Path, root: Path) -> Path:
    """Find the folder of a sweep.

    Args:
        path: of the folder, or the sweep's name.
        root: the folder of all of grokwatch's files.

    Returns:
        The folder, which holds at least one chunk file.

    Raises:
        ConfigurationError: there is none.
    """
    folders = [path] if path.is_absolute() else [path, root / SWEEPS / path]
    found = next((each for each in folders if any(each.glob(f"*{SUFFIX}"))), None)
    if found is None:
        msg = (
            f"Expected a folder with {SUFFIX} files of a sweep, got {path}. "
            f"Try a name in {root / SWEEPS}, or `grokwatch sweep GRID.toml` first."
        )
        raise ConfigurationError(msg)
    return found


def count_chunks(folder: Path) -> int:
    """How many chunk files there are, whole or not."""
    return len(list(folder.glob(f"*{SUFFIX}")))


def read_folder(
    folder: Path, show: Callable[[str], None], done: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[AnyRecord, ...]]:
    """Read the runs of a sweep; a run that lies in two chunks is given once.

    Args:
        folder: with chunk files; nothing in it is changed.
        show: takes a sentence on each chunk that cannot be read, whose runs are left out.
        done: takes the name of each chunk that was read.

    Yields:
        The records of each run.
    """
    aside = len(list(folder.glob(f"*{SUFFIX}{BROKEN}")))
    if aside:
        show(f"Not read: chunk files that a sweep has put aside as broken, {aside} of them.")
    seen: set[str] = set()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            runs = read_chunk(path)
        except WireError as error:
            is_foreign = isinstance(error, SchemaError)
            why = "is of a version that this one cannot read" if is_foreign else "is not whole"
            show(f"{path.name} {why}: its runs are left out.")
            continue
        for run in runs:
            if run[0].run_id not in seen:
                seen.add(run[0].run_id)
                yield run
        done(path.name)
