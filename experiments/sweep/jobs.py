"""What an engine is handed: chunks to train, and where to keep what comes of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from grokwatch.experiments.sweep.chunks import Chunk
from grokwatch.experiments.sweep.training import SHARES
from grokwatch.monitor.errors import GrokwatchError


class SweepError(GrokwatchError):
    """A chunk could not be trained; finished ones are kept."""


@dataclass(frozen=True)
class Job:
    """A chunk that is still to be trained.

    Attributes:
        chunk: the runs.
        signals: preset of what is measured.
        path: the file of its records.
        name: for people.
        device: `cpu` or `cuda`.
    """

    chunk: Chunk
    signals: str
    path: Path
    name: str
    device: str = "cpu"


Tick: TypeAlias = Callable[[Job], None]
"""Says that one share more of a job is done."""

Engine: TypeAlias = Callable[[Sequence[Job], Tick], None]
"""Trains all jobs and keeps their files; says after each share of a job that it is done."""


class Shares:
    """How far jobs are, told forward only: a job that is begun again says no share twice.

    Args:
        tick: told of each share.

    Example:
        >>> from grokwatch.experiments.sweep.chunks import Chunk
        >>> told = []
        >>> shares = Shares(lambda job: told.append(job.name))
        >>> job = Job(Chunk((), 0, 0), "cheap", Path("x"), "first")
        >>> shares.reach(job, 1)
        >>> shares.reach(job, 1)
        >>> shares.reach(job, 3)
        >>> told
        ['first', 'first', 'first']
    """

    def __init__(self, tick: Tick) -> None:
        self._tick = tick
        self._told: dict[Path, int] = {}

    def reach(self, job: Job, share: int) -> None:
        """So many shares of a job are done."""
        told = self._told.get(job.path, 0)
        for _ in range(told, share):
            self._tick(job)
        self._told[job.path] = max(share, told)

    def finish(self, job: Job) -> None:
        """All of a job is done."""
        self.reach(job, SHARES)


def refuse_lost(lost: Sequence[Job], total: int, remedy: str) -> None:
    """Name the chunks that no worker survived.

    Args:
        lost: those chunks.
        total: of chunks that were to be trained.
        remedy: what to try.

    Raises:
        SweepError: there are any.
    """
    if lost:
        names = "; ".join(f"{job.name} ({job.path.name})" for job in lost)
        msg = (
            f"Expected {total} chunks to be trained, got {total - len(lost)}: the worker died "
            f"twice over {names}. {remedy}"
        )
        raise SweepError(msg)
