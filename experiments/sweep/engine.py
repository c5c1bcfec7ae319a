"""Train what a grid asks for and a folder does not hold yet, chunk by chunk."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from grokwatch.experiments.counting import Counting
from grokwatch.experiments.sweep.chunks import CHUNK_BYTES, Chunk, plan
from grokwatch.experiments.sweep.grid import Grid
from grokwatch.experiments.sweep.store import SUFFIX, read_chunk, set_aside, write_chunk
from grokwatch.experiments.sweep.training import SHARES, train
from grokwatch.monitor.errors import SchemaError, WireError
from grokwatch.monitor.folder import explained, make_private
from grokwatch.monitor.records import AnyRecord

SWEEPS = "sweeps"


def sweep(
    grid: Grid,
    root: Path,
    count: Counting,
    show: Callable[[str], None],
    *,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[tuple[AnyRecord, ...]]:
    """Train all runs of a grid, but those whose chunks are finished.

    Args:
        grid: the runs.
        root: the folder of all of grokwatch's files; chunks lie in `sweeps/NAME` below it.
        count: shows progress.
        show: takes a line on a chunk file that is broken.
        chunk_bytes: as for `plan`.

    Yields:
        The records of each run, chunk by chunk, once all are trained.

    Raises:
        JournalError: the folder cannot be written.
        SchemaError: a newer version wrote a chunk.
        ConfigurationError: a model does not fit the machine.
    """
    directory = root / SWEEPS / grid.name
    with explained(directory):
        make_private(root, root / SWEEPS, directory)
    chunks = plan(grid.runs, chunk_bytes=chunk_bytes)
    paths = [directory / f"{chunk.id(grid.signals)}{SUFFIX}" for chunk in chunks]
    pairs = list(zip(chunks, paths, strict=True))
    missing = [(chunk, path) for chunk, path in pairs if not _is_finished(path, show)]
    if missing:
        with count(f"sweep {grid.name}", SHARES * len(missing)) as done:
            for number, (chunk, path) in enumerate(missing, 1):
                part = f"chunk {number} of {len(missing)}, {_named(chunk)}"
                write_chunk(path, train(chunk, grid.signals, partial(done, part)))
    for path in paths:
        yield from read_chunk(path)


def _is_finished(path: Path, show: Callable[[str], None]) -> bool:
    """Whether a chunk was trained before; a broken file is kept aside.

    Raises:
        SchemaError: a newer version wrote it.
    """
    if not path.exists():
        return False
    try:
        read_chunk(path)
    except SchemaError:
        raise
    except WireError as error:
        show(f"{error} It is kept as {set_aside(path).name}.")
        return False
    return True


def _named(chunk: Chunk) -> str:
    """What a chunk trains."""
    return f"{len(chunk.runs)} x {chunk.runs[0].cell.model.name}"
