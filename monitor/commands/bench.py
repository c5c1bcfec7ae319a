"""`grokwatch bench`: what signals cost, how right they are, and how others fare, in one run."""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from grokwatch.experiments.bench.accuracy import accuracy
from grokwatch.experiments.bench.costs import costs
from grokwatch.experiments.bench.curvature import curvature
from grokwatch.experiments.bench.loggers import loggers
from grokwatch.experiments.bench.machine import Machine, machine
from grokwatch.experiments.bench.memory import memory
from grokwatch.experiments.bench.predictors import predictors
from grokwatch.experiments.bench.presets import presets
from grokwatch.experiments.bench.report import report
from grokwatch.experiments.bench.rows import Row
from grokwatch.experiments.bench.service import service
from grokwatch.experiments.bench.sweep import sweep
from grokwatch.experiments.counting import Counting, counting
from grokwatch.monitor.commands import Report
from grokwatch.monitor.errors import ConfigurationError

_NEUTRALITY = (
    "That watching changes no bit of what is trained is a test: "
    "pytest tests/integration/test_neutrality.py"
)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the benchmark."""

    name: str
    question: str
    rows: tuple[Row, ...]


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """All that was measured, and where."""

    machine: Machine
    parts: tuple[Part, ...]


_Run = Callable[[Counting, int | None], list[Row]]

_PARTS: Mapping[str, tuple[str, _Run]] = {
    "costs": (
        "One reading of each signal, in training steps; processor time, median over rounds.",
        lambda count, rounds: costs(count, rounds=rounds),
    ),
    "presets": (
        "The whole monitor, the budget on (median over blocks).",
        lambda count, rounds: presets(count, blocks=rounds),
    ),
    "curvature": (
        "Sharpness and trace every 256 steps, over bare training (median over blocks).",
        lambda count, rounds: curvature(count, blocks=rounds),
    ),
    "accuracy": (
        "The same readings against converged values, along a training.",
        lambda count, rounds: accuracy(count, samples=rounds),
    ),
    "loggers": (
        "One reading of each, in training steps; processor time, median over rounds.",
        lambda count, rounds: loggers(count, rounds=rounds),
    ),
    "memory": (
        "Peak memory of training, in fresh processes (median; least to greatest).",
        lambda count, rounds: memory(count, repeats=rounds),
    ),
    "predictors": (
        "What judging costs, in processor time (median over rounds; least to greatest).",
        lambda count, rounds: predictors(count, rounds=rounds),
    ),
    "service": (
        "The service: throughput in processor time, latency and start in wall time (median).",
        lambda count, rounds: service(count, rounds=rounds),
    ),
    "report": (
        "The report of a run: wall time to write it, and its size (median; least to greatest).",
        lambda count, rounds: report(count, rounds=rounds),
    ),
    "sweep": (
        "Model-steps per second of many small models, interleaved (median over rounds).",
        lambda count, rounds: sweep(count, rounds=rounds),
    ),
}

_UNITS: Mapping[str, str] = {
    "steps": "{:,.0f}/s",
    "rate": "{:,.0f}/s",
    "seconds": "{:.1f} s",
    "milliseconds": "{:.1f} ms",
    "microseconds": "{:.2f} us",
    "difference": "{:.1e}",
}

_WHEN_NAMED = frozenset({"sweep", "service", "report"})


def bench(
    names: Sequence[str],
    *,
    rounds: int | None,
    show: Callable[[str], None],
    progress: bool,
    width: int = 80,
) -> Report:
    """Measure some parts, or all of those on signals.

    Args:
        names: of the parts, none for all but `sweep`, `service` and `report`.
        rounds: rounds, blocks, readings or repeats of each part, None for its own number.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.
        width: characters in a line, for a person.

    Returns:
        A row per figure; `holds` where no target is missed.

    Raises:
        ConfigurationError: no such part.
    """
    wrong = [name for name in names if name not in _PARTS]
    if wrong:
        msg = f"Expected parts among {', '.join(_PARTS)}, got {wrong[0]!r}. Try 'costs'."
        raise ConfigurationError(msg)
    here, count = machine(), counting(show, progress=progress)
    parts = []
    usual = [name for name in _PARTS if name not in _WHEN_NAMED]
    for name in dict.fromkeys(names or usual):
        question, run = _PARTS[name]
        parts.append(Part(name=name, question=question, rows=tuple(run(count, rounds))))
    found = Bench(machine=here, parts=tuple(parts))
    return Report(
        data=found,
        lines=(
            *textwrap.wrap(str(here), width),
            "",
            *(line for part in parts for line in _describe(part, width)),
            *textwrap.wrap(_NEUTRALITY, width),
        ),
        holds=all(row.is_met is not False for part in parts for row in part.rows),
    )


def _describe(part: Part, width: int) -> Iterator[str]:
    """A part's rows by what they were measured on."""
    yield from textwrap.wrap(f"{part.name}: {part.question}", width)
    for workload in dict.fromkeys(row.workload for row in part.rows):
        yield ""
        yield from textwrap.wrap(f"{workload}; 1 thread", width)
        for row in part.rows:
            if row.workload == workload:
                yield from _lines(row, width)
    yield ""


def _lines(row: Row, width: int) -> Iterator[str]:
    """Figure, interval and verdict in columns, and beside them in words what they are of."""
    verdict = {None: "", True: "met", False: "missed"}[row.is_met]
    between = ""
    if row.low is not None and row.high is not None:
        between = f"{_figure(row.low, row.unit)} to {_figure(row.high, row.unit)}"
    figure = "skipped" if row.value is None else _figure(row.value, row.unit)
    columns = f"{figure:>9}  {between:<20} {verdict:<6}  "
    target = f"target: {row.target}" if row.target else ""
    words = "; ".join(part for part in (row.what, target, row.note) if part)
    first, *others = textwrap.wrap(words, max(30, width - len(columns)), break_on_hyphens=False)
    yield columns + first
    yield from (" " * len(columns) + line for line in others)


def _figure(value: float, unit: str) -> str:
    """A figure for a person.

    Example:
        >>> _figure(0.0123, "share"), _figure(0.04, "ratio"), _figure(2**21, "bytes")
        ('1.23%', '1/25', '2.0 MiB')
        >>> _figure(2.5, "ratio"), _figure(-0.1, "ratio"), _figure(250.0, "share")
        ('2.50', '-0.10', '25,000%')
        >>> _figure(0.00001234, "share"), _figure(0.0, "share")
        ('0.0012%', '0.00%')
        >>> _figure(48374.2, "steps"), _figure(7.25, "seconds"), _figure(2.1e-7, "difference")
        ('48,374/s', '7.2 s', '2.1e-07')
        >>> _figure(80_000.0, "bytes")
        '78.1 KiB'
    """
    if unit in _UNITS:
        return _UNITS[unit].format(value)
    if unit == "bytes":
        return f"{value / 2**20:.1f} MiB" if abs(value) >= 2**17 else f"{value / 2**10:.1f} KiB"
    if unit == "ratio":
        return f"1/{1 / value:,.3g}" if 0 < value < 1 else f"{value:.2f}"
    if abs(value) >= 1:
        return f"{value:,.0%}"
    return f"{value:.4%}" if 0 < abs(value) < 0.001 else f"{value:.2%}"
