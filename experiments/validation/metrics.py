"""How good probabilities and rankings are: pure functions on columns.

Where a figure is not defined (one class is missing, no pairs) it is None, never a number made up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata  # type: ignore[import-untyped]

from grokwatch.experiments.validation.trace import Floats, Mask, Whole


@dataclass(frozen=True)
class Concordance:
    """Pairs of one cell with different outcomes, and how many are in the right order.

    Attributes:
        right: pairs, a tie counts half.
        pairs: all of them.
        cells: that have any; of one alone no interval can be given.
    """

    right: float
    pairs: int
    cells: int = 0

    @property
    def share(self) -> float | None:
        """In [0, 1], .5 for guessing; None where there are no pairs."""
        return self.right / self.pairs if self.pairs else None


@dataclass(frozen=True)
class Bin:
    """Examples of about the same score.

    Attributes:
        count: of examples.
        mean_score: what was said.
        share: what came true.
    """

    count: int
    mean_score: float
    share: float


def auroc(scores: Floats, labels: Mask) -> float | None:
    """Chance that a positive scores above a negative; ties count half.

    Args:
        scores: `(N,)`, finite.
        labels: `(N,)`.

    Returns:
        In [0, 1]; None where one class is missing.

    Example:
        >>> auroc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
        0.875

    Source:
        Hanley and McNeil 1982.
    """
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    ranks = rankdata(scores)
    above = ranks[labels].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def auprc(scores: Floats, labels: Mask) -> float | None:
    """Average precision: mean precision over the positives, by descending score; ties as one step.

    Args:
        scores: `(N,)`, finite.
        labels: `(N,)`.

    Returns:
        In (0, 1], the base rate for guessing; None where there is no positive.

    Example:
        >>> auprc(np.array([0.1, 0.4, 0.8]), np.array([True, False, True]))
        0.8333333333333333
    """
    if not labels.any():
        return None
    order = np.argsort(-scores, kind="stable")
    sorted_scores, sorted_labels = scores[order], labels[order]
    is_last = np.append(sorted_scores[1:] != sorted_scores[:-1], True)
    hits = np.cumsum(sorted_labels)[is_last]
    seen = np.flatnonzero(is_last) + 1
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / seen).sum() / labels.sum())


def concordance(scores: Floats, labels: Mask, cells: Whole) -> Concordance:
    """Order of runs that have all but the seed in common.

    Args:
        scores: `(N,)`, finite.
        labels: `(N,)`.
        cells: `(N,)` number of the cell.

    Returns:
        Pairs, and how many are right; hyper-parameters alone get half of them.
    """
    found = list(pairs_by_cell(scores, labels, cells))
    right, pairs = sum(each[1] for each in found), sum(each[2] for each in found)
    return Concordance(right, pairs, len(found))


def pairs_by_cell(scores: Floats, labels: Mask, cells: Whole) -> Iterator[tuple[int, float, int]]:
    """Of each cell with both outcomes: its number, right pairs, all pairs."""
    for cell in np.unique(cells):
        chosen = cells == cell
        share = auroc(scores[chosen], labels[chosen])
        if share is not None:
            positives = int(labels[chosen].sum())
            pairs = positives * (int(chosen.sum()) - positives)
            yield int(cell), share * pairs, pairs


def brier(scores: Floats, labels: Mask) -> float | None:
    """Mean squared distance of a probability from what came true.

    Args:
        scores: `(N,)` in [0, 1].
        labels: `(N,)`.

    Returns:
        In [0, 1], 0 best; None where there are no examples.
    """
    return float(np.mean((scores - labels) ** 2)) if len(labels) else None


def brier_skill(scores: Floats, reference: Floats, labels: Mask) -> float | None:
    """Share of the reference's Brier score that is saved: 1 - B / B_ref.

    Args:
        scores: `(N,)` in [0, 1].
        reference: `(N,)` of who is to be beaten.
        labels: `(N,)`.

    Returns:
        At most 1, negative where it is worse; None where the reference leaves nothing to save.
    """
    own, other = brier(scores, labels), brier(reference, labels)
    return None if own is None or not other else 1 - own / other


def reliability(scores: Floats, labels: Mask, *, num_bins: int = 10) -> list[Bin]:
    """What was said beside what came true, in bins of equal counts.

    Args:
        scores: `(N,)` in [0, 1].
        labels: `(N,)`.
        num_bins: at most; equal scores stay together.

    Returns:
        Bins by ascending score, none of them empty.
    """
    if not len(scores):
        return []
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, num_bins + 1)[1:-1]))
    places = np.searchsorted(edges, scores, side="left")
    return [
        Bin(
            count=int((places == place).sum()),
            mean_score=float(scores[places == place].mean()),
            share=float(labels[places == place].mean()),
        )
        for place in np.unique(places)
    ]


def calibration_error(scores: Floats, labels: Mask, *, num_bins: int = 10) -> float | None:
    """Expected calibration error over `reliability`'s bins; a perfect model scores .04 at N = 300.

    Args:
        scores: `(N,)` in [0, 1].
        labels: `(N,)`.
        num_bins: at most.
    """
    if not len(scores):
        return None
    found = reliability(scores, labels, num_bins=num_bins)
    return sum(each.count * abs(each.mean_score - each.share) for each in found) / len(scores)


def rule_of_three(alarmed: int, total: int) -> float | None:
    """Upper end of the 95 % interval of a rate none of which was seen: 3 / n.

    Args:
        alarmed: how often it was seen.
        total: n.

    Returns:
        The bound; None where it was seen, or nothing could be.

    Example:
        >>> rule_of_three(0, 300)
        0.01
    """
    return min(1.0, 3 / total) if total and not alarmed else None


def censored_median(values: Floats, is_censored: Mask) -> float | None:
    """Median where some values are only known to be at least so large (Kaplan and Meier 1958).

    Args:
        values: `(N,)`, at least 0.
        is_censored: `(N,)` whether the value is a lower bound.

    Returns:
        The least value that half of all stay at or below; None where it is not reached.
    """
    left = 1.0
    for value in np.unique(values[~is_censored]):
        at_risk = int((values >= value).sum())
        events = int(((values == value) & ~is_censored).sum())
        left *= 1 - events / at_risk
        if left <= 0.5 + 1e-12:
            return float(value)
    return None
