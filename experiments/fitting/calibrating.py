"""Making a fitted hazard honest on runs that it was not fitted on."""

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]

from grokwatch.experiments.fitting.examples import Ends, Examples
from grokwatch.experiments.validation.trace import Floats, Whole

_LEAST = 1e-12


def log_loss(logits: Floats, data: Examples, ends: Ends) -> float:
    """Mean negative log-likelihood of what was seen, every run counting the same.

    Args:
        logits: `(N, K)`; the integrated hazard of a bin is softplus of its logit.
        data: looks at runs.
        ends: of which hazard: `data.grokked` or `data.risen`.
    """
    hazard, weights, (exposure, event) = np.logaddexp(0.0, logits), data.weights, data.seen(ends)
    each = (exposure * hazard - event * np.log(hazard + _LEAST)).sum(-1)
    return float((weights * each).sum() / weights.sum())


def calibrated(
    logits: Floats, data: Examples, ends: Ends, *, stay: float = 0.0
) -> tuple[float, float]:
    """Slope and intercept on the logits that make the likelihood greatest (after Platt 1999).

    Args:
        logits: `(N, K)` of runs that were not fitted on.
        data: looks at these.
        ends: what became of them.
        stay: weight of staying at slope 1 and intercept 0, in units of the mean log-loss.

    Returns:
        The slope, which is above 0, and the intercept.
    """

    def loss(found: Floats) -> float:
        slope, intercept = np.exp(found[0]), found[1]
        return log_loss(intercept + slope * logits, data, ends) + stay * float(found @ found)

    found = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    return float(np.exp(found[0])), float(found[1])


def arrival_levels(shares: Floats, groups: Whole, coverage: float) -> tuple[float, float]:
    """Shares of the chance between which so many arrivals lie, every cell counting the same.

    Args:
        shares: `(R,)` of runs that grokked: chance by then over chance by the last edge.
        groups: `(R,)` number of each run's cell.
        coverage: share of the runs that should lie within.

    Example:
        >>> arrival_levels(np.linspace(0, 1, 101), np.arange(101), 0.8)
        (0.096, 0.904)
    """
    _, where, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(shares)
    weights = (1.0 / counts[where])[order]
    passed = (np.cumsum(weights) - weights / 2) / weights.sum()
    low, high = np.interp([(1 - coverage) / 2, (1 + coverage) / 2], passed, shares[order])
    return round(float(low), 4), round(float(high), 4)
