"""Training a part of the corpus again, and comparing: to the bit, or within a tolerance.

Whole chunks are trained, for the last bits of a run depend on how many are beside it.
"""

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from grokwatch.experiments.corpus.columns import joined, looks_of
from grokwatch.experiments.corpus.machine import Machine, differences, this_machine
from grokwatch.experiments.corpus.manifest import SliceEntry
from grokwatch.experiments.corpus.parquet import read_looks, write_looks
from grokwatch.experiments.corpus.reading import Slice, StoredRun
from grokwatch.experiments.corpus.rows import RunRow, row_of
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.sweep import Chunk, Grid, plan, sweep

TOLERANCE: dict[str, float] = {
    "early_step": 30.0,
    "early_loss": 0.01,
    "same_phase": 0.6,
    "step_ratio_log2": 0.5,
}
"""What may differ elsewhere.

Two processors round differently and a training run is chaotic, so that only its beginning is
nearly the same: up to `early_step` each train loss is, relatively, within `early_loss`. Later it is
a draw from the same distribution: at least a share `same_phase` of the runs ends in the same phase,
and the median of |log2| of the ratio of grokking steps is at most `step_ratio_log2`.
"""


@dataclass(frozen=True)
class Rebuilt:
    """What came of training again.

    Attributes:
        runs: that were trained.
        because: why equality to the bit is not expected, empty where it is.
        problems: what is not as it should be.
        figures: what was compared within a tolerance; empty where that was not needed.
    """

    runs: int
    because: tuple[str, ...]
    problems: tuple[str, ...]
    figures: Mapping[str, float]


def rebuild(
    found: Slice, entry: SliceEntry, grid: Grid, bits: int, num_cells: int, count: Counting
) -> Rebuilt:
    """Train some cells of a slice again and compare.

    Args:
        found: the slice.
        entry: what the manifest says of it.
        grid: of the slice.
        bits: that a value was rounded to.
        num_cells: how many cells at least; which ones is drawn by hash.
        count: shows progress.

    Returns:
        What came of it.
    """
    cells = sorted({row.cell for row in found.rows})[:num_cells]
    chunks = [chunk for chunk in plan(grid.runs) if any(run.cell.id in cells for run in chunk.runs)]
    again = [run for chunk in chunks for run in _trained(chunk, grid, bits, count)]
    places = {row.run_id: place for place, row in enumerate(found.rows)}
    pairs = [(found.run(places[run.row.run_id]), run) for run in again]
    because = _because([pair[0].row for pair in pairs], [run.row for run in again], entry)
    differing = tuple(filter(None, (difference(*pair) for pair in pairs)))
    if not (differing and because):
        return Rebuilt(len(pairs), because, differing, {})
    figures = _compared(pairs)
    return Rebuilt(len(pairs), because, _beyond(figures), figures)


def difference(one: StoredRun, other: StoredRun) -> str:
    """The first number in which two runs differ, as a sentence; empty where they are the same."""
    for name in ("observations", "evaluations"):
        seen, again = getattr(one, name), getattr(other, name)
        for before, now in zip(seen, again, strict=False):
            for key in before.__struct_fields__:
                first, second = getattr(before, key), getattr(now, key)
                if repr(first) != repr(second):
                    return (
                        f"Expected {key} of run {one.row.run_id} at step {before.step} as "
                        f"{_short(first, second)}, got {_short(second, first)}. "
                        "Try the code and the machine that the manifest names."
                    )
        if len(seen) != len(again):
            return (
                f"Expected {len(seen)} {name} of run {one.row.run_id}, got {len(again)}. "
                "Try the code and the machine that the manifest names."
            )
    return ""


def _trained(chunk: Chunk, grid: Grid, bits: int, count: Counting) -> Iterator[StoredRun]:
    """Train a chunk as it was, and round what comes of it."""
    with tempfile.TemporaryDirectory(prefix="grokwatch-") as name:
        folder = Path(name)
        alone = replace(grid, runs=chunk.runs)
        trained = {records[0].run_id: records for records in sweep(alone, folder, count, _nobody)}
        rows = [
            row_of(run, trained[run.id], split="", chunk=chunk.id(grid.signals), machine=0)
            for run in chunk.runs
        ]
        looks = [looks_of(at, row, trained[row.run_id]) for at, row in enumerate(rows)]
        write_looks(folder / "again.parquet", joined(looks), bits)
        yield from Slice("again", tuple(rows), read_looks(folder / "again.parquet")).runs()


def _because(rows: Sequence[RunRow], again: Sequence[RunRow], entry: SliceEntry) -> tuple[str, ...]:
    """Why equality to the bit is not expected."""
    now = this_machine()
    found = [text for at in {row.machine for row in rows} for text in _other(entry, at, now)]
    if any(one.chunk != other.chunk for one, other in zip(rows, again, strict=True)):
        found.append("other models beside it, or other options")
    return tuple(dict.fromkeys(found))


def _other(entry: SliceEntry, at: int, now: Machine) -> Iterator[str]:
    """In what the machine of some runs differs from this one."""
    return differences(entry.machines[at], now)


def _compared(pairs: Sequence[tuple[StoredRun, StoredRun]]) -> dict[str, float]:
    """What `TOLERANCE` bounds."""
    early = max((_early(one, other) for one, other in pairs), default=0.0)
    same = [one.row.outcome.phase is other.row.outcome.phase for one, other in pairs]
    steps = [
        (one.row.outcome.grokking_step, other.row.outcome.grokking_step) for one, other in pairs
    ]
    ratios = [abs(math.log2(one / other)) for one, other in steps if one and other]
    return {
        "early_loss": early,
        "same_phase": sum(same) / len(same),
        "step_ratio_log2": median(ratios) if ratios else 0.0,
    }


def _early(one: StoredRun, other: StoredRun) -> float:
    """Largest relative difference of the train loss in the beginning."""
    errors = [
        abs(seen.train_loss - again.train_loss) / max(abs(seen.train_loss), 1e-12)
        for seen, again in zip(one.observations, other.observations, strict=False)
        if seen.step <= TOLERANCE["early_step"] and math.isfinite(seen.train_loss)
    ]
    return max((error if math.isfinite(error) else math.inf for error in errors), default=0.0)


def _beyond(figures: Mapping[str, float]) -> tuple[str, ...]:
    """Figures beyond their tolerance, as sentences."""
    found = []
    for name, figure in figures.items():
        bound, word = TOLERANCE[name], "at least" if name == "same_phase" else "at most"
        if figure < bound if name == "same_phase" else not figure <= bound:
            found.append(
                f"Expected {name} of {word} {bound:g}, got {figure:.3g}. "
                "Try more --cells: a few runs say little; then the code that the manifest names."
            )
    return tuple(found)


def _short(value: object, other: object) -> str:
    """A value, or only the part of a mapping that another one has not."""
    if isinstance(value, dict) and isinstance(other, dict):
        differing = (k for k, each in value.items() if repr(other.get(k)) != repr(each))
        key = next(differing, None)
        value = {key: value[key]} if key is not None else {}
    return repr(value)


def _nobody(_: str) -> None:
    """Takes a line that nobody needs: the folder is new."""
