"""The circular solution of modular addition, written down instead of trained.

Tokens stand on a circle at the angles x_t = 2 pi f t / M. Neuron n of N looks in the direction
p_n = 2 pi n / N and reads s(cos(x_a + p_n) + cos(x_b + p_n)); it votes for answers c with
cos(x_c + 2 p_n). Where s squares, with d = x_a - x_b and u = x_a + x_b,

    sum_n s_n cos(x_c + 2 p_n) = sum_n 2 cos^2(d / 2) (1 + cos(u + 2 p_n)) cos(x_c + 2 p_n)
                               = N cos^2(d / 2) cos(u - x_c)

as long as evenly spaced directions cancel cos(x_c + 2 p_n), which takes N not in {1, 2}, and
cos(u + x_c + 4 p_n), which takes N not in {1, 2, 4} as well. The greatest logit is then that of
c = a + b, except where cos(d / 2) = 0: there all logits are 0. That is a - b = M / 2 for the M
ordered pairs of an even modulus, and no pair of an odd one.
"""

from typing import NamedTuple

import numpy as np

from grokwatch.experiments.models.layers import ACTIVATIONS
from grokwatch.experiments.reproduce.waves import Array
from grokwatch.monitor.errors import ConfigurationError

FIRMNESS = 1e-9
"""Logits nearer to each other are called equal: far above rounding, far below real margins."""


class Verdict(NamedTuple):
    """Of all M^2 ordered pairs: how many are right, wrong, and tied between all answers."""

    right: int
    wrong: int
    tied: int

    @property
    def accuracy(self) -> float:
        """Share of pairs that are right."""
        return self.right / sum(self)


def neurons(modulus: int, count: int, activation: str, frequency: int = 1) -> Array:
    """What each neuron makes of each pair.

    Args:
        modulus: M.
        count: N.
        activation: `relu` or `square`.
        frequency: f, prime to M.

    Returns:
        `(M, M, N)` by a, b and neuron.

    Raises:
        ConfigurationError: the activation is another one.
    """
    if activation not in ACTIVATIONS:
        msg = (
            f"Expected an activation among {', '.join(ACTIVATIONS)}, got {activation!r}. "
            "Try activation='square'."
        )
        raise ConfigurationError(msg)
    seen = np.cos(_angles(modulus, frequency)[:, None] + _angles(count))
    sums = seen[:, None] + seen[None, :]
    states: Array = np.square(sums) if activation == "square" else np.maximum(sums, 0)
    return states


def circular_logits(modulus: int, count: int, activation: str, frequency: int = 1) -> Array:
    """Logits of all ordered pairs.

    Args:
        modulus: M.
        count: N, number of neurons.
        activation: `relu` or `square`.
        frequency: f, prime to M.

    Returns:
        `(M, M, M)` by a, b and answer.

    Raises:
        ConfigurationError: the activation is another one.

    Example:
        >>> circular_logits(7, 5, "square")[3, 6].argmax()  # 3 + 6 = 2 modulo 7
        np.int64(2)

    Source:
        Pearce et al. 2023 (Do machine learning models memorize or generalize?).
    """
    votes = np.cos(_angles(modulus, frequency) + 2 * _angles(count)[:, None])
    logits: Array = neurons(modulus, count, activation, frequency) @ votes
    return logits


def judge(logits: Array) -> Verdict:
    """Look at every ordered pair.

    Args:
        logits: `(M, M, M)` by a, b and answer.

    Returns:
        How many pairs are right by more than `FIRMNESS`, tied within it, and neither.

    Example:
        >>> judge(circular_logits(6, 5, "square"))
        Verdict(right=30, wrong=0, tied=6)
    """
    modulus = len(logits)
    answers = np.add.outer(np.arange(modulus), np.arange(modulus)) % modulus
    own = np.take_along_axis(logits, answers[..., None], -1)
    others = logits.copy()
    np.put_along_axis(others, answers[..., None], -np.inf, -1)
    right = int((own[..., 0] > others.max(-1) + FIRMNESS).sum())
    tied = int((np.ptp(logits, axis=-1) < FIRMNESS).sum())
    return Verdict(right, modulus**2 - right - tied, tied)


def _angles(count: int, turns: int = 1) -> Array:
    """Angles of so many places, evenly spaced."""
    angles: Array = 2 * np.pi * (turns * np.arange(count) % count) / count
    return angles
