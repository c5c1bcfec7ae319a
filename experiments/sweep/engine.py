"""Train what a grid asks for and a folder does not hold yet, chunk by chunk."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from grokwatch.experiments.counting import Counting
from grokwatch.experiments.sweep.chunks import CHUNK_BYTES, plan
from grokwatch.experiments.sweep.grid import Grid
from grokwatch.experiments.sweep.jobs import Engine, Job, Tick
from grokwatch.experiments.sweep.local import train_here, train_in_processes
from grokwatch.experiments.sweep.store import SUFFIX, read_chunk, set_aside
from grokwatch.experiments.sweep.training import SHARES
from grokwatch.monitor.errors import ConfigurationError, SchemaError, WireError
from grokwatch.monitor.folder import explained, make_private
from grokwatch.monitor.records import AnyRecord

SWEEPS = "sweeps"


def sweep(
    grid: Grid,
    root: Path,
    count: Counting,
    show: Callable[[str], None],
    *,
    workers: int = 1,
    engine: Engine | None = None,
    device: str = "cpu",
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[tuple[AnyRecord, ...]]:
    """Train all runs of a grid, but those whose chunks are finished.

    Args:
        grid: the runs.
        root: the folder of all of grokwatch's files; chunks lie in `sweeps/NAME` below it.
        count: shows progress.
        show: takes a line on a chunk file that is broken.
        workers: processes on this machine, of one thread each; a single one is this process.
        engine: who trains, in place of these processes.
        device: where models are trained, `cpu` or `cuda`.
        chunk_bytes: as for `plan`.

    Yields:
        The records of each run, chunk by chunk, once all are trained.

    Raises:
        JournalError: the folder cannot be written.
        SchemaError: a newer version wrote a chunk.
        ConfigurationError: a model does not fit the machine, or there are no workers.
        SweepError: workers died over a chunk, time and again.
    """
    engine = engine or local(workers)
    directory = root / SWEEPS / grid.name
    with explained(directory):
        make_private(root, root / SWEEPS, directory)
    try:
        chunks = plan(grid.runs, chunk_bytes=chunk_bytes)
    except ConfigurationError as error:
        raise ConfigurationError(f"Grid {grid.name} does not fit: {error}") from error
    paths = [directory / f"{chunk.id(grid.signals)}{SUFFIX}" for chunk in chunks]
    pairs = list(zip(chunks, paths, strict=True))
    missing = [(chunk, path) for chunk, path in pairs if not is_finished(path, show)]
    missing.sort(key=lambda pair: -pair[0].work)
    jobs = [
        Job(chunk, grid.signals, path, f"chunk {number} of {len(missing)}, {chunk.name}", device)
        for number, (chunk, path) in enumerate(missing, 1)
    ]
    if jobs:
        with count(f"sweep {grid.name}", SHARES * len(jobs)) as done:
            engine(jobs, lambda job: done(job.name))
    for path in paths:
        yield from read_chunk(path)


def local(workers: int) -> Engine:
    """The engine of this machine.

    Args:
        workers: processes; a single one is this process.

    Raises:
        ConfigurationError: there are none.
    """
    if workers < 1:
        msg = f"Expected at least 1 worker, got {workers}. Try --workers {os.cpu_count() or 1}."
        raise ConfigurationError(msg)

    def train_all(jobs: Sequence[Job], tick: Tick) -> None:
        if min(workers, len(jobs)) == 1:
            train_here(jobs, tick)
        else:
            train_in_processes(jobs, tick, workers)

    return train_all


def cluster(address: str | None, workers: int) -> Engine:
    """The engine of a Ray cluster.

    Args:
        address: of one that runs; None starts one on this machine.
        workers: processes at a time of one that is started.

    Raises:
        ConfigurationError: Ray is not installed.
    """
    try:
        from grokwatch.experiments.sweep.cluster import on_cluster
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        remedy = "Try: pip install 'grokwatch[train,ray]'"
        msg = f"Expected the library ray for --engine ray, got none. {remedy}"
        raise ConfigurationError(msg) from error
    return on_cluster(address, workers)


def is_finished(path: Path, show: Callable[[str], None]) -> bool:
    """Whether a chunk was trained before; a broken file is kept aside.

    Args:
        path: of its file.
        show: takes a line on one that is broken.

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
