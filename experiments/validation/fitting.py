"""Fitting the baselines: small models of one outcome.

Where they are judged on what they were fitted on, they are cross-fitted over folds.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from grokwatch.experiments.validation.trace import Floats, Mask, Whole

NUM_PARTS = 4

Model: TypeAlias = Callable[[Floats], Floats]
"""Probabilities `(N,)` of columns `(N, features)`."""

Fit: TypeAlias = Callable[[Floats, Mask, Whole], Model]
"""A model from columns, outcomes and numbers of folds."""

_WIDTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
_PRIOR = 0.5
_LEAST = 1e-3
_FEWEST = 8


def base_rate(labels: Mask) -> float:
    """Share of positives, never quite 0 or 1 (Krichevsky and Trofimov 1981).

    Example:
        >>> base_rate(np.array([True, False, False, False]))
        0.3
    """
    return float((labels.sum() + 0.5) / (len(labels) + 1))


def constant(columns: Floats, labels: Mask, folds: Whole) -> Model:
    """The base rate, whatever the columns say."""
    rate = base_rate(labels)
    return lambda asked: np.full(len(asked), rate)


def kernel(columns: Floats, labels: Mask, folds: Whole) -> Model:
    """Kernel regression (Nadaraya 1964, Watson 1964); its width is chosen by leaving folds out."""
    if _is_too_few(labels):
        return constant(columns, labels, folds)
    distances = _distances(columns, columns)
    same = folds[:, None] == folds[None, :]
    rate = base_rate(labels)

    def loss(width: float) -> float:
        weights = np.where(same, 0.0, np.exp(-distances / (2 * width**2)))
        said = _smoothed(weights, labels, rate)
        return float(-np.log(np.where(labels, said, 1 - said)).mean())

    width = min(_WIDTHS, key=loss)
    return lambda asked: _smoothed(
        np.exp(-_distances(asked, columns) / (2 * width**2)), labels, rate
    )


def trees(columns: Floats, labels: Mask, folds: Whole) -> Model:
    """Boosted trees, small and few."""
    if _is_too_few(labels):
        return constant(columns, labels, folds)
    model = HistGradientBoostingClassifier(
        max_iter=30,
        max_leaf_nodes=7,
        min_samples_leaf=5,
        learning_rate=0.15,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,
    ).fit(columns, labels)
    return lambda asked: _second(model.predict_proba(asked))


def logistic(columns: Floats, labels: Mask, folds: Whole) -> Model:
    """Logistic regression: makes a probability of a score."""
    if _is_too_few(labels):
        return constant(columns, labels, folds)
    center, spread = columns.mean(axis=0), columns.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(max_iter=1000).fit((columns - center) / spread, labels)
    return lambda asked: _second(model.predict_proba((asked - center) / spread))


def cross_fitted(fit: Fit, columns: Floats, labels: Mask, folds: Whole) -> tuple[Model, Floats]:
    """A model of all, and what models that did not see a fold say of it.

    Args:
        fit: makes a model.
        columns: `(N, features)`.
        labels: `(N,)`.
        folds: `(N,)`.

    Returns:
        The model, and `(N,)` probabilities. A constant is not cross-fitted: rates without a fold
        run against that fold's own, and would rank it upside down.
    """
    if fit is constant:
        model = fit(columns, labels, folds)
        return model, model(columns)
    found = np.full(len(labels), base_rate(labels))
    parts = parts_of(folds)
    for part in np.unique(parts):
        rest = parts != part
        if rest.any():
            found[~rest] = fit(columns[rest], labels[rest], folds[rest])(columns[~rest])
    return fit(columns, labels, folds), found


def parts_of(folds: Whole) -> Whole:
    """Parts that folds are dealt into: what one part is told comes from models of the others."""
    order = np.random.default_rng(0).permutation(int(folds.max(initial=0)) + 1)
    found: Whole = (order[folds] % NUM_PARTS).astype(np.int64)
    return found


def _is_too_few(labels: Mask) -> bool:
    """Whether nothing but a rate can be learnt."""
    return len(labels) < _FEWEST or bool(labels.all() or not labels.any())


def _distances(these: Floats, those: Floats) -> Floats:
    """Squared, mean over features."""
    squares = (these**2).sum(1)[:, None] + (those**2).sum(1)[None, :] - 2 * these @ those.T
    found: Floats = np.maximum(squares, 0.0) / these.shape[1]
    return found


def _smoothed(weights: Floats, labels: Mask, rate: float) -> Floats:
    """Weighted shares, drawn to the base rate where there is little weight."""
    found: Floats = (weights @ labels + _PRIOR * rate) / (weights.sum(axis=1) + _PRIOR)
    return np.clip(found, _LEAST, 1 - _LEAST)


def _second(probabilities: Floats) -> Floats:
    found: Floats = np.clip(probabilities[:, 1], _LEAST, 1 - _LEAST)
    return found
