"""Files of past runs as a source: CSV, JSON Lines or Parquet, one run each, one row per logging.

A file becomes the records that the run would have given, in the order of its steps. Rows of one
step are one; of two values of one column the later is taken. Cells that are no numbers are blanks.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.service.sources._memory import MetricCursor, SourceMemory
from grokwatch.monitor.service.sources._rows import Scribe
from grokwatch.monitor.service.sources._values import find_percents, fraction
from grokwatch.monitor.service.sources.names import (
    STEPS,
    check,
    plain,
    shown,
    understand,
)
from grokwatch.monitor.vocabulary import RunStatus

FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
STEP = "step"
"""What a column is said to be that counts steps."""

_LARGEST_STEP = 2**63 - 1
_LONGEST_FIELD = 2**20

_Row = Mapping[str, object]
_Course = dict[int, dict[str, float]]


def past(path: Path, *, names: Mapping[str, str]) -> list[AnyRecord]:
    """Read the run in a file.

    Args:
        path: of a file that ends in one of `FORMATS`.
        names: what columns mean, their name -> ours, or `step`; else it is guessed.

    Returns:
        Its records, with a start that says what was guessed, and an end.

    Raises:
        ConfigurationError: no such file, or nothing in it means anything to us.
    """
    said = {name: ours for name, ours in names.items() if ours != STEP}
    check(said)
    rows = _rows(path)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    counter, sentence = _counter(columns, names)
    found = understand((name for name in columns if name != counter), said)
    if not found.ours:
        shown_columns = ", ".join(map(shown, columns[:12])) or "none"
        msg = (
            f"Expected a column that means something in {path}, got {shown_columns}. "
            "Try --map COLUMN=train_loss."
        )
        raise ConfigurationError(msg)
    cursors = {name: MetricCursor(ours=ours) for name, ours in found.ours.items()}
    find_percents(cursors, {name: _numbers(rows, name) for name in cursors})
    memory = SourceMemory(metrics=cursors)
    scribe = Scribe(re.sub(r"[^A-Za-z0-9._-]|^\.", "_", path.name)[:128], memory)
    course, num_replaced = _course(rows, counter, memory)
    repeated = f"{num_replaced:,} values came again at their step: the last of each is taken"
    guesses = (*sentence, *found.guesses, *([repeated] if num_replaced else []))
    records: list[AnyRecord] = [
        scribe.start(time=0.0, name=path.name, guesses=guesses, hyper_parameters={})
    ]
    for step, values in sorted(course.items()):
        records += scribe.row(step, 0.0, values)
    return [*records, scribe.end(time=0.0, status=RunStatus.FINISHED)]


def _counter(columns: list[str], names: Mapping[str, str]) -> tuple[str | None, tuple[str, ...]]:
    """The column that counts steps, None where rows are counted; and the sentence on a guess."""
    for name in columns:
        if names.get(name) == STEP:
            return name, ()
    for wanted in STEPS:
        for name in columns:
            if plain(name) == wanted and name not in names:
                is_said = wanted == STEP
                return name, () if is_said else (f"{shown(name)} is taken for the step",)
    return None, ("no column counts steps, so rows are counted",)


def _numbers(rows: Iterable[_Row], name: str) -> Iterator[float]:
    for row in rows:
        number = _number(row.get(name))
        if number is not None:
            yield number


def _course(rows: Iterable[_Row], counter: str | None, memory: SourceMemory) -> tuple[_Course, int]:
    """Step -> our key -> value; and how many values came after another of their step."""
    course: _Course = {}
    num_replaced = 0
    for index, row in enumerate(rows):
        step = float(index) if counter is None else _number(row.get(counter))
        if step is None or not abs(step) < _LARGEST_STEP:
            continue
        values = course.setdefault(int(step), {})
        for name, cursor in memory.metrics.items():
            number = _number(row.get(name))
            if number is None:
                continue
            share = fraction(cursor.ours, number, percent=cursor.is_percent)
            if share is not None:
                num_replaced += cursor.ours in values
                values[cursor.ours] = share
    return {step: values for step, values in course.items() if values}, num_replaced


def _number(cell: object) -> float | None:
    """A cell's number; None for a blank, and for what is none."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    try:
        return float(cell.strip().removesuffix("%") if isinstance(cell, str) else cell)
    except (ValueError, OverflowError):
        return None


def _rows(path: Path) -> list[_Row]:
    """Rows of a file, by its ending.

    Raises:
        ConfigurationError: it cannot be read.
    """
    readers = {".parquet": _parquet, ".jsonl": _json_lines, ".ndjson": _json_lines}
    try:
        return list(readers.get(path.suffix.lower(), _separated)(path))
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        reason = str(error).partition("\n")[0][:300]
        msg = (
            f"Expected a run in {path}, got {reason}. "
            "Try a CSV file with a heading, JSON Lines, or Parquet."
        )
        raise ConfigurationError(msg) from error


def _separated(path: Path) -> Iterator[_Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        for row in csv.DictReader(file, delimiter=delimiter):
            yield {name: cell for name, cell in row.items() if isinstance(name, str)}


def _json_lines(path: Path) -> Iterator[_Row]:
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            row = json.loads(line) if line.strip() else {}
            if isinstance(row, dict):
                yield _flat(row)


def _flat(row: Mapping[str, object]) -> _Row:
    """A row with the fields of its parts, as in `{"train": {"loss": 1}}`, beside its own."""
    flat: dict[str, object] = {}
    for name, cell in row.items():
        if isinstance(cell, dict):
            flat |= {f"{name}/{inner}": value for inner, value in cell.items()}
        else:
            flat[name] = cell
    return flat


def _parquet(path: Path) -> Iterator[_Row]:
    import pyarrow.parquet  # type: ignore[import-untyped]

    for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
        yield from batch.to_pylist()
