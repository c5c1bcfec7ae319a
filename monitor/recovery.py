"""Taking up a journal that was left behind: what it ends with, and torn ends moved aside."""

import contextlib
import os
from pathlib import Path

from grokwatch.monitor.folder import create
from grokwatch.monitor.history import Problem, entries
from grokwatch.monitor.segment import TORN, Gap, Segment, segments


def recover(directory: Path) -> tuple[int, int]:
    """Find the newest record of a run, and move unfinished ends aside.

    Args:
        directory: the run's directory, locked.

    Returns:
        The record's `seq`, 0 where there is none, and the bytes of the unfinished ends.
    """
    last_seq, torn_bytes = 0, 0
    for segment in reversed(segments(directory)):
        for entry in entries(segment):
            if isinstance(entry.content, Gap):
                torn_bytes += entry.content.end - entry.content.offset
                _move_aside(segment, entry.content)
            elif not isinstance(entry.content, Problem):
                last_seq = max(last_seq, entry.content.seq)
        if last_seq:
            break
    return last_seq, torn_bytes


def _move_aside(segment: Segment, tail: Gap) -> None:
    """Append a torn tail to the file beside its segment, then cut it off."""
    # where the disk is too full even for that, the tail may stay: reading steps over it
    with contextlib.suppress(OSError), segment.path.open("r+b") as file:
        file.seek(tail.offset)
        torn = file.read(tail.end - tail.offset)
        with os.fdopen(create(segment.path.with_name(segment.path.name + TORN)), "ab") as aside:
            aside.write(torn)
        file.truncate(tail.offset)
