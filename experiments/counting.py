"""What a person sees while a long job goes on part by part: a bar, or a line now and then."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Done: TypeAlias = Callable[[str], None]
"""Says that one part more is done, and which."""

Counting: TypeAlias = Callable[[str, int], AbstractContextManager[Done]]
"""Begins a job of that name, of so many parts."""

_WHOLE_JOB_SECONDS = 7 * 24 * 3600.0


def counting(show: Callable[[str], None], *, progress: bool) -> Counting:
    """Choose how to count.

    Args:
        show: takes one line at a time.
        progress: draw a bar on stderr, instead of showing a line now and then.

    Returns:
        Whichever of the two below.
    """
    return counting_bar if progress else partial(counting_lines, show=show)


@contextmanager
def counting_bar(job: str, total: int) -> Iterator[Done]:
    """A bar on stderr with count, time so far and time left.

    Args:
        job: its name.
        total: parts of the job.

    Yields:
        A function that moves the bar by one part.
    """
    columns = (
        TextColumn("{task.fields[job]}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    # A part may take minutes, so the time left is judged by all parts. Drawing is seldom, for what
    # runs meanwhile may be a measurement of time.
    with Progress(
        *columns,
        console=Console(stderr=True),
        refresh_per_second=1,
        speed_estimate_period=_WHOLE_JOB_SECONDS,
    ) as bar:
        task = bar.add_task("", total=total, job=job)

        def done(part: str) -> None:
            bar.update(task, advance=1, description=part)

        yield done


@contextmanager
def counting_lines(
    job: str, total: int, show: Callable[[str], None], *, count: int = 10
) -> Iterator[Done]:
    """Where there is no terminal: a line after each of `count` equal shares of the parts.

    Args:
        job: its name.
        total: parts of the job.
        show: takes one line at a time.
        count: of lines.

    Yields:
        A function that takes the parts.

    Example:
        >>> with counting_lines("training", 4, print, count=2) as done:
        ...     for seed in range(4):
        ...         done(f"seed {seed}")
        training: 2/4, seed 1
        training: 4/4, seed 3
    """
    finished = 0

    def done(part: str) -> None:
        nonlocal finished
        finished += 1
        if finished * count // total > (finished - 1) * count // total:
            show(f"{job}: {finished}/{total}, {part}")

    yield done
