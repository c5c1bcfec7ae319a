"""Several processes on this machine, of one thread each.

Each worker has a pipe of its own, so that a worker that dies takes nothing with it: neither a lock
nor the work of others. Its chunk is trained once more in a fresh process.
"""

import logging
import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path

from grokwatch.experiments.sweep.jobs import Job, Shares, Tick, refuse_lost
from grokwatch.experiments.sweep.store import write_chunk
from grokwatch.experiments.sweep.training import train

TRIES = 2
"""How many workers may die over a chunk."""

_REMEDY = (
    "Try the same sweep with --workers 1, which takes the least memory and keeps finished chunks; "
    "if that is killed too, smaller sizes in [model] or fewer examples in [task]."
)


def train_here(jobs: Sequence[Job], tick: Tick) -> None:
    """Train jobs one after another in this process.

    Args:
        jobs: what to train.
        tick: told of each share.
    """
    for job in jobs:
        runs = train(job.chunk, job.signals, partial(tick, job), device=job.device)
        write_chunk(job.path, runs)


def train_in_processes(jobs: Sequence[Job], tick: Tick, workers: int) -> None:
    """Train jobs in processes, in order, whoever is free taking the next.

    Args:
        jobs: what to train, the longest first.
        tick: told of each share.
        workers: processes at a time.

    Raises:
        SweepError: a job cost the lives of `TRIES` workers; all others were trained.
    """
    pool = _Pool(jobs, tick)
    try:
        pool.run(min(workers, len(jobs)))
    finally:
        pool.close()
    refuse_lost(pool.lost, len(jobs), _REMEDY)


class _Worker:
    """A process and its pipe, with the job that it is at."""

    def __init__(self, context: SpawnContext) -> None:
        self.connection, other = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_work, args=(other,), daemon=True)
        self.process.start()
        # The other end must be closed here for a death to be seen.
        other.close()
        self.job: Job | None = None
        self.shares = 0

    def begin(self, job: Job) -> None:
        """Hand it a job."""
        self.job, self.shares = job, 0
        with suppress(OSError):  # one that is dead already is heard of like any other
            self.connection.send(job)

    def close(self) -> None:
        """End the process, wherever it is; what it keeps is kept at once or not at all."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


class _Pool:
    """Workers, and the jobs that are left for them."""

    def __init__(self, jobs: Sequence[Job], tick: Tick) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._todo = deque(jobs)
        self._shares = Shares(tick)
        self._deaths: Counter[Path] = Counter()
        self._workers: list[_Worker] = []
        self.lost: list[Job] = []

    def run(self, count: int) -> None:
        """Keep so many workers busy until nothing is left."""
        for _ in range(count):
            self._start()
        while busy := {w.connection: w for w in self._workers if w.job is not None}:
            for connection in wait(list(busy)):
                self._hear(busy[connection])  # type: ignore[index]

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.close()

    def _start(self) -> None:
        """A fresh worker on the next job, if there is one."""
        if self._todo:
            worker = _Worker(self._context)
            self._workers.append(worker)
            self._next(worker)

    def _next(self, worker: _Worker) -> None:
        worker.job = None
        if self._todo:
            worker.begin(self._todo.popleft())

    def _hear(self, worker: _Worker) -> None:
        """What a worker says: a share is done, all is done, or an error; or that it died.

        Raises:
            Exception: as it was raised in the worker.
        """
        assert worker.job is not None
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker, worker.job)
            return
        if isinstance(said, Exception):
            raise said
        if said:
            self._shares.finish(worker.job)
            self._next(worker)
        else:
            worker.shares += 1
            self._shares.reach(worker.job, worker.shares)

    def _bury(self, worker: _Worker, job: Job) -> None:
        """Put a fresh worker in the place of a dead one; its job comes first."""
        self._workers.remove(worker)
        worker.close()
        self._deaths[job.path] += 1
        if self._deaths[job.path] < TRIES:
            self._todo.appendleft(job)
        else:
            self.lost.append(job)
        self._start()


def _work(connection: Connection) -> None:
    """Train what comes through the pipe, until the other side is gone."""
    # Ctrl-C reaches every process of a terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("grokwatch").setLevel(logging.ERROR)
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return
        try:
            train_here([job], lambda _: connection.send(False))
        except BrokenPipeError:
            return
        except Exception as error:
            error.add_note(f"It was raised in a worker, over {job.name}.")
            connection.send(error)
            return
        connection.send(True)
