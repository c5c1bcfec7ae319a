"""Hyper-parameters as numbers: what a baseline may know before a run has begun."""

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

from grokwatch.experiments.corpus.folds import RANDOM_LABELS
from grokwatch.experiments.validation.trace import Facts, Floats
from grokwatch.monitor.records import HyperParameter

_HIDDEN = frozenset(
    {
        "seed",
        "cell",
        f"task.{RANDOM_LABELS}",  # nobody is told that a run has nothing to learn
        "dear_every",  # how often a run is looked at tells nothing of it
        "per_decade",
        "stop_below",
        "num_test",
    }
)


class Settings:
    """Standardized logarithms of sizes, and a column for each other value.

    What varies is learnt from the runs that it is made from; a setting that a run lacks is at the
    mean, and a value that was not seen is in no column.

    Args:
        facts: of runs that may be fitted on.
    """

    def __init__(self, facts: Sequence[Facts]) -> None:
        keys = sorted({key for each in facts for key in each.hyper_parameters} - _HIDDEN)
        self._sizes: dict[str, tuple[float, float, float]] = {}
        self._kinds: list[tuple[str, str]] = []
        for key in keys:
            values = [each.hyper_parameters.get(key) for each in facts]
            if len({repr(value) for value in values}) < 2:
                continue
            sizes = [float(value) for value in values if _is_size(value)]
            if len({*sizes}) > 1:
                self._sizes[key] = _scale(sizes)
            kinds = sorted({repr(value) for value in values if not _is_size(value)})
            self._kinds += [(key, kind) for kind in kinds]

    def columns(self, facts: Sequence[Facts]) -> Floats:
        """`(runs, features)` of any runs, at least one feature."""
        found = np.zeros((len(facts), max(len(self._sizes) + len(self._kinds), 1)))
        for place, each in enumerate(facts):
            for column, (key, (least, mean, spread)) in enumerate(self._sizes.items()):
                value = each.hyper_parameters.get(key)
                if _is_size(value):
                    found[place, column] = (np.log(max(float(value), least)) - mean) / spread
            for column, (key, kind) in enumerate(self._kinds, start=len(self._sizes)):
                found[place, column] = repr(each.hyper_parameters.get(key)) == kind
        return found


def _is_size(value: HyperParameter) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _scale(sizes: Sequence[float]) -> tuple[float, float, float]:
    """Stand-in for zero, a factor of ten below the least size; mean and spread of logarithms."""
    least = min((size for size in sizes if size > 0), default=1.0) / 10
    logs = np.log(np.maximum(sizes, least))
    return least, float(logs.mean()), float(logs.std()) or 1.0
