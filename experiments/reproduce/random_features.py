"""Digits by least squares on more and more random features: test error and effective parameters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from grokwatch.experiments.reproduce.smoother import (
    Floats,
    Parts,
    decompose,
    draw_features,
    effective_parameters,
    weights,
)
from grokwatch.experiments.tasks import Digits

DEVIATION = 0.3
"""Of the directions: the kernel is as wide as digits are apart."""


class Fit(NamedTuple):
    """Squared error, share wrong and effective parameters on held-out digits; those on train."""

    loss: float
    error: float
    parameters: float
    train_parameters: float


@dataclass(frozen=True)
class Fits:
    """Fits of several seeds along one axis.

    Attributes:
        places: number of features, of components or of examples, ascending.
        losses: squared error of held-out answers, mean over classes, `(seeds, places)`.
        errors: share of held-out answers that are wrong, `(seeds, places)`.
        parameters: effective, on held-out inputs, `(seeds, places)`.
        train_parameters: effective, on train inputs, `(seeds, places)`.
    """

    places: tuple[int, ...]
    losses: Floats
    errors: Floats
    parameters: Floats
    train_parameters: Floats


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all fits have in common.

    Attributes:
        label_noise: share of train answers that are wrong.
        num_seeds: how often examples and features are drawn.
        tick: called after each seed.
    """

    label_noise: float
    num_seeds: int
    tick: Callable[[], None]


def over_features(setting: Setting, counts: Sequence[int], num_train: int) -> Fits:
    """Least squares on more and more of the same random features; `counts` ascends."""

    def fit(seed: int) -> list[Fit]:
        examples = _examples(setting, num_train, seed, counts[-1])
        return [_fit(examples, decompose(examples.train[:, :p]), p) for p in counts]

    return _gathered(setting, counts, fit)


def over_components(
    setting: Setting, counts: Sequence[int], num_train: int, num_features: int
) -> Fits:
    """Least squares on more and more principal components of as many features as there are."""

    def fit(seed: int) -> list[Fit]:
        examples = _examples(setting, num_train, seed, num_features)
        parts = decompose(examples.train)
        return [_fit(examples, parts, num_features, count) for count in counts]

    return _gathered(setting, counts, fit)


def over_samples(setting: Setting, counts: Sequence[int], num_features: int) -> Fits:
    """Least squares on the same features and more and more examples; `counts` ascends."""

    def fit(seed: int) -> list[Fit]:
        found = []
        for num_train in counts:
            examples = _examples(setting, num_train, seed, num_features)
            found.append(_fit(examples, decompose(examples.train), num_features))
        return found

    return _gathered(setting, counts, fit)


class _Examples(NamedTuple):
    """Features and answers: train `(N, P)` and `(N, C)`, test `(M, P)` and `(M, C)`."""

    train: Floats
    answers: Floats
    test: Floats
    test_answers: Floats


def _examples(setting: Setting, num_train: int, seed: int, num_features: int) -> _Examples:
    """Digits as random features, with answers as one-hot vectors of mean 0."""
    fraction = (num_train + 0.5) / Digits.num_examples
    task = Digits(train_fraction=fraction, label_noise=setting.label_noise, seed=seed)
    split = task.split()
    inputs, targets, test_inputs, test_targets = (part.double().numpy() for part in split)
    features = draw_features(inputs.shape[1], num_features, DEVIATION, seed)
    vectors = np.eye(task.num_classes) - 1 / task.num_classes
    return _Examples(
        features(inputs, num_features),
        vectors[targets.astype(int)],
        features(test_inputs, num_features),
        vectors[test_targets.astype(int)],
    )


def _fit(
    examples: _Examples, parts: Parts, num_features: int, num_components: int | None = None
) -> Fit:
    """Predict at all inputs."""
    smoothing = weights(parts, examples.test[:, :num_features], num_components)
    found, right = smoothing @ examples.answers, examples.test_answers
    fitting = weights(parts, examples.train[:, :num_features], num_components)
    return Fit(
        float(np.square(found - right).mean()),
        float((found.argmax(axis=1) != right.argmax(axis=1)).mean()),
        effective_parameters(smoothing),
        effective_parameters(fitting),
    )


def _gathered(setting: Setting, places: Sequence[int], fit: Callable[[int], list[Fit]]) -> Fits:
    """The fits of all seeds."""
    rows = []
    for seed in range(setting.num_seeds):
        rows.append(fit(seed))
        setting.tick()
    return Fits(tuple(places), *np.moveaxis(np.array(rows), 2, 0))
