"""`grokwatch overhead`: what watching costs, interleaved with bare training in one run."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch

from grokwatch.experiments.overhead import Comparison, compare, holds, measure
from grokwatch.experiments.workloads import (
    BARE,
    EMPTY,
    WATCHED,
    Workload,
    arms,
    demo_workload,
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


def overhead(name: str | None, *, blocks: int | None, show: Callable[[str], None]) -> Report:
    """Measure one workload, or all.

    Args:
        name: `demo` or `transformer`, None for both.
        blocks: of each trainer, None for the workload's own number.
        show: takes lines of progress.

    Returns:
        A row per trainer; `holds` where the watched trainer meets the bar on every workload.

    Raises:
        ConfigurationError: no such workload.
    """
    if name is not None and name not in _WORKLOADS:
        msg = f"Expected a workload among {', '.join(_WORKLOADS)}, got {name!r}. Try 'demo'."
        raise ConfigurationError(msg)
    torch.set_num_threads(1)
    names = tuple(_WORKLOADS) if name is None else (name,)
    measured = [_measure(_WORKLOADS[each](), blocks, show) for each in names]
    return Report(
        data=measured,
        lines=tuple(line for each in measured for line in _describe(each)),
        holds=all(each.holds for each in measured),
    )


def _measure(workload: Workload, blocks: int | None, show: Callable[[str], None]) -> Overhead:
    blocks = workload.blocks if blocks is None else blocks
    with tempfile.TemporaryDirectory() as directory:
        running = arms(workload, Path(directory))
        measure(
            running,
            blocks=blocks,
            warm_up=workload.warm_up,
            report=lambda line: show(f"{workload.name}: {line}"),
        )
    by_name = {arm.name: arm for arm in running}
    against_empty = tuple(
        compare(arm, by_name[EMPTY]) for arm in running if arm.name not in {BARE, EMPTY}
    )
    watched = next(row for row in against_empty if row.arm == WATCHED)
    return Overhead(
        workload=workload.name,
        blocks=blocks,
        against_bare=tuple(compare(arm, by_name[BARE]) for arm in running),
        against_empty=against_empty,
        holds=holds(watched),
    )


def _describe(measured: Overhead) -> tuple[str, ...]:
    empty = {row.arm: row for row in measured.against_empty}
    rows = [
        (
            row.arm,
            f"{row.step_seconds * 1e3:.3f} ms",
            _share(row),
            _share(empty[row.arm]) if row.arm in empty else "-",
            f"{empty[row.arm].extra_seconds * 1e6:+.0f} us" if row.arm in empty else "-",
            ("met" if holds(empty[row.arm]) else "missed") if "watched" in row.arm else "-",
        )
        for row in measured.against_bare
    ]
    columns = (
        "trainer",
        "step",
        "over bare (95 %)",
        "over empty callback (95 %)",
        "a step",
        "bar: max(1 %, 20 us)",
    )
    heading = f"{measured.workload}; {measured.blocks} blocks per trainer, interleaved, 1 thread"
    return (heading, *table(columns, rows), "")


def _share(row: Comparison) -> str:
    return f"{row.share:+.2%} ({row.low:+.2%} to {row.high:+.2%})"
