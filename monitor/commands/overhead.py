"""`grokwatch overhead`: what watching costs, interleaved with bare training in one run."""

from collections.abc import Callable
from dataclasses import replace

import msgspec

from grokwatch.experiments.counting import Counting, counting
from grokwatch.experiments.overhead import Comparison, compare, holds
from grokwatch.experiments.workloads import (
    BARE,
    EMPTY,
    WATCHED,
    Workload,
    demo_workload,
    measured,
    transformer_workload,
)
from grokwatch.monitor.commands import Report, table
from grokwatch.monitor.errors import ConfigurationError

_WORKLOADS = {"demo": demo_workload, "transformer": transformer_workload}


class Overhead(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on one workload: each arm against bare training and an empty callback."""

    workload: str
    blocks: int
    against_bare: tuple[Comparison, ...]
    against_empty: tuple[Comparison, ...]
    holds: bool


def overhead(
    name: str | None, *, blocks: int | None, show: Callable[[str], None], progress: bool
) -> Report:
    """Measure one workload, or all.

    Args:
        name: `demo` or `transformer`, None for both.
        blocks: of each trainer, None for the workload's own number.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.

    Returns:
        A row per trainer; `holds` where the watched trainer meets the bar on every workload.

    Raises:
        ConfigurationError: no such workload.
    """
    if name is not None and name not in _WORKLOADS:
        msg = f"Expected a workload among {', '.join(_WORKLOADS)}, got {name!r}. Try 'demo'."
        raise ConfigurationError(msg)
    names = tuple(_WORKLOADS) if name is None else (name,)
    rows = [
        _measure(_WORKLOADS[each](), blocks, counting(show, progress=progress)) for each in names
    ]
    return Report(
        data=rows,
        lines=tuple(line for each in rows for line in _describe(each)),
        holds=all(each.holds for each in rows),
    )


def _measure(workload: Workload, blocks: int | None, count: Counting) -> Overhead:
    workload = workload if blocks is None else replace(workload, blocks=blocks)
    arms = measured(workload, count)
    against_empty = tuple(
        compare(arm, arms[EMPTY]) for name, arm in arms.items() if name not in {BARE, EMPTY}
    )
    watched = next(row for row in against_empty if row.arm == WATCHED)
    return Overhead(
        workload=workload.name,
        blocks=workload.blocks,
        against_bare=tuple(compare(arm, arms[BARE]) for arm in arms.values()),
        against_empty=against_empty,
        holds=holds(watched),
    )


def _describe(found: Overhead) -> tuple[str, ...]:
    empty = {row.arm: row for row in found.against_empty}
    rows = [
        (
            row.arm,
            f"{row.step_seconds * 1e3:.3f} ms",
            _share(row),
            _share(empty[row.arm]) if row.arm in empty else "-",
            f"{empty[row.arm].extra_seconds * 1e6:+.0f} us" if row.arm in empty else "-",
            ("met" if holds(empty[row.arm]) else "missed") if "watched" in row.arm else "-",
        )
        for row in found.against_bare
    ]
    columns = (
        "trainer",
        "step",
        "over bare (95 %)",
        "over empty callback (95 %)",
        "a step",
        "bar: max(1 %, 20 us)",
    )
    heading = f"{found.workload}; {found.blocks} blocks per trainer, interleaved, 1 thread"
    return (heading, *table(columns, rows), "")


def _share(row: Comparison) -> str:
    return f"{row.share:+.2%} ({row.low:+.2%} to {row.high:+.2%})"
