"""Whether a probability means what it says: slope and intercept of the outcome on its logit."""

from dataclasses import dataclass

import numpy as np

from grokwatch.experiments.validation.bootstrap import DRAWING, Drawing, Estimate, between, counts
from grokwatch.experiments.validation.trace import Floats, Mask, Whole

_NEAREST = 1e-6
_ROUNDS = 50
_FEW_ROUNDS = 12  # from the slope of all examples, that of a draw is not far
_STEP = 1e-7
_STEEPEST = 50.0
_UNSETTLED = 1e-4
_AT_ONCE = 100
_RIDGE = 1e-9


@dataclass(frozen=True)
class Calibration:
    """Logistic regression of the outcome on the logit of what was said (Cox 1958).

    Attributes:
        slope: 1 where it is right, below 1 where it says too much.
        intercept: of the same regression, 0 where it is right.
    """

    slope: Estimate
    intercept: Estimate


def calibration(
    scores: Floats, labels: Mask, groups: Whole, drawing: Drawing = DRAWING
) -> Calibration:
    """Slope and intercept, with intervals by drawing groups.

    Args:
        scores: `(N,)` in [0, 1]; cut to [1e-6, 1 - 1e-6] for the logit.
        labels: `(N,)`.
        groups: `(N,)` number of the group.
        drawing: how groups are drawn for intervals.

    Returns:
        Both; undefined where one class is missing, all scores are the same, or a line between the
        classes has no end to its slope.
    """
    nothing = Calibration(Estimate(None), Estimate(None))
    if not len(labels) or labels.all() or not labels.any() or np.ptp(scores) == 0:
        return nothing
    logits = logit(scores)
    begin = _fit(logits, labels, np.ones((1, len(labels))), np.array([0.0, 1.0]), _ROUNDS)[0]
    intercept, slope = begin
    if not np.isfinite(slope):
        return nothing
    num_groups = int(groups.max()) + 1
    drawn = counts(num_groups, drawing)
    parts = [
        _fit(logits, labels, drawn[first : first + _AT_ONCE][:, groups], begin, _FEW_ROUNDS)
        for first in range(0, drawing.draws, _AT_ONCE)
    ]
    found = np.concatenate(parts) if parts else np.zeros((0, 2))
    return Calibration(between(float(slope), found[:, 1]), between(float(intercept), found[:, 0]))


def logit(scores: Floats) -> Floats:
    """log(p / (1 - p)) of probabilities cut to [1e-6, 1 - 1e-6]."""
    kept = np.clip(scores, _NEAREST, 1 - _NEAREST)
    found: Floats = np.log(kept / (1 - kept))
    return found


def _fit(logits: Floats, labels: Mask, weights: Floats, begin: Floats, rounds: int) -> Floats:
    """Weighted logistic regressions, `(draws, 2)` of intercept and slope; NaN where none ends."""
    found = np.tile(begin, (len(weights), 1))
    for _ in range(rounds):
        expected = 1 / (1 + np.exp(-np.clip(found[:, :1] + found[:, 1:] * logits, -500, 500)))
        rest = weights * (labels - expected)
        spread = weights * expected * (1 - expected)
        first, second = rest.sum(axis=1), rest @ logits
        a, b, c = spread.sum(axis=1), spread @ logits, spread @ logits**2
        size = a * c - b * b + _RIDGE
        change = np.stack(
            [(c * first - b * second) / size, (a * second - b * first) / size], axis=1
        )
        # Whole Newton steps can overshoot where the start is far off.
        change /= np.maximum(1.0, np.abs(change).max(axis=1, keepdims=True))
        found = found + change
        if np.nanmax(np.abs(change)) < _STEP:
            break
    is_wild = np.abs(found).max(axis=1) > _STEEPEST
    found[is_wild | (np.abs(change).max(axis=1) > _UNSETTLED)] = np.nan
    return found
