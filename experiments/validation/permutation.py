"""The label-permutation null: outcomes dealt anew within each split, and everything done again.

Baselines are fitted on the permuted outcomes. A predictor whose model was fitted elsewhere is not:
for it, the null shows only that judging does not favor it.
"""

from collections.abc import Iterable

import numpy as np

from grokwatch.experiments.validation.problems import Labels
from grokwatch.experiments.validation.trace import Facts


def permuted(facts: Iterable[Facts], *, seed: int = 0) -> Labels:
    """Deal the outcomes of runs anew, within each split.

    Args:
        facts: of all runs.
        seed: of the deal.

    Returns:
        Run id -> whether it is said to have generalized.
    """
    random = np.random.default_rng(seed)
    found: dict[str, bool] = {}
    by_split: dict[str, list[Facts]] = {}
    for each in facts:
        by_split.setdefault(each.split, []).append(each)
    for split in sorted(by_split):
        runs = by_split[split]
        outcomes = np.array([each.generalized for each in runs])
        dealt = random.permutation(outcomes)
        found |= {each.run_id: bool(label) for each, label in zip(runs, dealt, strict=True)}
    return found
