"""Least squares on random features as a smoother: its predictions and its effective parameters.

A prediction is a weighted sum of the train answers, and the weights depend on inputs alone. How
many parameters are in use can be read off them, for inputs seen and unseen.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NEGLIGIBLE = 1e-10


@dataclass(frozen=True)
class FourierFeatures:
    """Cosines of random projections.

    Attributes:
        directions: `(D, P)`.
        phases: `(P,)`, radians.
    """

    directions: Floats
    phases: Floats

    def __call__(self, inputs: Floats, count: int) -> Floats:
        """The first `count` features `(N, count)` of inputs `(N, D)`.

        Source:
            Rahimi & Recht 2007, algorithm 1.
        """
        return np.cos(inputs @ self.directions[:, :count] + self.phases[:count])


def draw_features(num_inputs: int, count: int, deviation: float, seed: int) -> FourierFeatures:
    """Draw features: normal directions, even phases.

    Args:
        num_inputs: D.
        count: P.
        deviation: of each entry of the directions, the inverse of the kernel's width.
        seed: of the draw.

    Returns:
        The features.
    """
    generator = np.random.default_rng(seed)
    return FourierFeatures(
        generator.normal(scale=deviation, size=(num_inputs, count)),
        generator.uniform(0, 2 * np.pi, size=count),
    )


class Parts(NamedTuple):
    """Singular value decomposition of train features: `(N, K)`, `(K,)` descending, `(K, P)`."""

    left: Floats
    sizes: Floats
    right: Floats


def decompose(train: Floats) -> Parts:
    """Take features of the train inputs `(N, P)` apart, without what rounding made.

    Example:
        >>> decompose(np.array([[2.0, 0.0], [0.0, 0.0]])).sizes
        array([2.])
    """
    left, sizes, right = np.linalg.svd(train, full_matrices=False)
    rank = int((sizes > _NEGLIGIBLE * sizes[0]).sum())
    return Parts(left[:, :rank], sizes[:rank], right[:rank])


def weights(train: Parts, other: Floats, num_components: int | None = None) -> Floats:
    """How much each train answer counts in each prediction of least squares.

    S = B A^+, with the minimum-norm solution where there are more features than examples.

    Args:
        train: A taken apart, `(N, P)`.
        other: B, features of the inputs to predict at, `(M, P)`.
        num_components: use the strongest principal components of A only; all by default.

    Returns:
        `(M, N)`; predictions are this times the train answers.

    Example:
        >>> weights(decompose(np.eye(2)), np.array([[3.0, 1.0]])).round(6)
        array([[3., 1.]])

    Source:
        Curth, Jeffares & van der Schaar 2023, on least squares with random features.
    """
    left, sizes, right = train
    kept = slice(num_components)
    return (other @ right[kept].T / sizes[kept]) @ left[:, kept].T


def effective_parameters(smoothing: Floats) -> float:
    """How many parameters a smoother uses at the inputs it predicts at.

    p = (N / M) sum_x |s(x)|^2.

    Args:
        smoothing: s, `(M, N)`.

    Returns:
        > 0; on the train inputs of least squares the number of features, at most N.

    Example:
        >>> effective_parameters(np.full((5, 4), 1 / 4)), effective_parameters(np.eye(4))
        (1.0, 4.0)

    Source:
        Curth, Jeffares & van der Schaar 2023, their generalised effective number of parameters.
    """
    num_predictions, num_train = smoothing.shape
    squares = float(np.square(smoothing).sum())
    return squares * int(num_train) / int(num_predictions)
