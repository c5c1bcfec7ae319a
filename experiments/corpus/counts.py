"""How many runs of which kind, beside how many there should be."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from grokwatch.experiments.corpus.rows import RunRow
from grokwatch.monitor.vocabulary import Phase

NUM_SEEDS = 9

MIXED = (
    "a cell is mixed where some of its seeds reached test accuracy .95, held, by T_max and some "
    "did not; cells of random labels are not counted"
)


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One figure and what it should be."""

    what: str
    found: float
    bar: float
    unit: str = ""
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it is."""
        return self.found <= self.bar if self.at_most else self.found >= self.bar


def mixed_cells(rows: Sequence[RunRow]) -> set[str]:
    """Cells whose seeds ended differently; see `MIXED`."""
    ends = defaultdict(set)
    for row in rows:
        if not row.random_labels and not row.diverged:
            ends[row.cell].add(row.generalized)
    return {cell for cell, found in ends.items() if len(found) > 1}


def twins(rows: Sequence[RunRow]) -> list[RunRow]:
    """Runs of random labels whose sibling with real labels is here too."""
    known = {row.run_id for row in rows}
    return [row for row in rows if row.random_labels and row.twin_id in known]


def negatives(rows: Sequence[RunRow]) -> dict[str, int]:
    """Runs of each family of negatives; a run may be of several."""
    mixed = mixed_cells(rows)
    real = [row for row in rows if not row.random_labels]
    return {
        "no decay": sum(_has_no_decay(row) and not row.generalized for row in real),
        "random labels, sibling here": len(twins(rows)),
        "comprehension": _in_phase(real, Phase.COMPREHENSION),
        "confusion": _in_phase(real, Phase.CONFUSION),
        "memorization": _in_phase(real, Phase.MEMORIZATION),
        "partial": _in_phase(real, Phase.PARTIAL),
        "label noise": sum(bool(row.hyper_parameters.get("task.label_noise")) for row in real),
        "collapse": sum(row.outcome.collapse for row in real),
        "relapse": sum(row.outcome.relapse for row in real),
        "siblings that did not": sum(
            row.cell in mixed and not row.generalized and not row.diverged for row in real
        ),
    }


def bars(rows: Sequence[RunRow], num_bytes: int) -> list[Bar]:
    """What the corpus should hold.

    Args:
        rows: all runs.
        num_bytes: of all its files.

    Returns:
        A figure each.
    """
    real = {row.cell for row in rows if not row.random_labels}
    seeds = defaultdict(set)
    for row in rows:
        seeds[row.cell].add(row.seed)
    in_test = sum(row.split == "test" for row in twins(rows))
    transformers = sum(row.architecture == "transformer" for row in rows)
    share = 100 * len(mixed_cells(rows)) / max(len(real), 1)
    full = 100 * sum(len(found) >= NUM_SEEDS for found in seeds.values()) / max(len(seeds), 1)
    kinds = negatives(rows)
    return [
        Bar(what="runs", found=len(rows), bar=2_500),
        Bar(what="runs of transformers", found=transformers, bar=60),
        Bar(what="random-label twins in the test split", found=in_test, bar=300),
        Bar(what="mixed cells", found=share, bar=40, unit="%"),
        Bar(what=f"cells of at least {NUM_SEEDS} seeds", found=full, bar=100, unit="%"),
        Bar(what="families of negatives", found=sum(map(bool, kinds.values())), bar=len(kinds)),
        Bar(what="size", found=num_bytes / 1e6, bar=40, unit="MB", at_most=True),
    ]


def _has_no_decay(row: RunRow) -> bool:
    """Whether nothing keeps its weights small."""
    return not any(row.hyper_parameters.get(f"optimizer.{key}") for key in ("decay", "l1"))


def _in_phase(rows: Sequence[RunRow], phase: Phase) -> int:
    return sum(row.outcome.phase is phase for row in rows)
