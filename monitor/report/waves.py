"""Weights as waves over the tokens: frequencies, phases, and tokens on a circle; pure.

A row of weights m_t over p tokens is its mean plus a wave for each frequency k from 1 to p/2,
m_t = mean + sum_k A_k cos(2 pi k t / p + phi_k). The complex number A_k e^(i phi_k) stands for one.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Real: TypeAlias = npt.NDArray[np.float64]
Whole: TypeAlias = npt.NDArray[np.intp]
Complex: TypeAlias = npt.NDArray[np.complex128]

_ROUNDING = 1e-9


def finite(values: npt.ArrayLike) -> Real:
    """Numbers as they are, and 0 in the place of those that are not finite."""
    numbers = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, 0.0)


def harmonics(rows: npt.ArrayLike) -> Complex:
    """The waves of each row.

    Args:
        rows: weights `(..., p)`; those that are not finite count as 0.

    Returns:
        A_k e^(i phi_k), `(..., p // 2)`, from frequency 1 on.

    Example:
        >>> tokens = np.arange(7)
        >>> wave = 3 * np.cos(2 * np.pi * 2 * tokens / 7 + 0.5)
        >>> found = harmonics(wave)
        >>> np.abs(found).round(6).tolist(), round(float(np.angle(found[1])), 6)
        ([0.0, 3.0, 0.0], 0.5)
    """
    weights = finite(rows)
    order = weights.shape[-1]
    waves: Complex = np.fft.rfft(weights, axis=-1)[..., 1:] * (2 / order)
    if order % 2 == 0:
        waves[..., -1] /= 2
    return waves


def power(waves: Complex, order: int) -> Real:
    """Mean square of each wave over the tokens: half of A_k^2, all of it where k = p/2.

    Args:
        waves: from `harmonics`, `(..., p // 2)`.
        order: p.

    Returns:
        Of the same shape; their sum is the variance of a row.
    """
    squares: Real = np.abs(waves) ** 2 / 2
    if order % 2 == 0:
        squares[..., -1] *= 2
    return squares


def shares(powers: Real) -> Real:
    """Each frequency's part of the whole.

    Args:
        powers: `(..., K)`, not negative.

    Returns:
        Of the same shape, each row sums to 1; 0 where there is no power at all.
    """
    total = powers.sum(axis=-1, keepdims=True)
    parts: Real = np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)
    return parts


def loudest(powers: Real) -> Whole:
    """The frequency with the most power in each row, from 1 on.

    Args:
        powers: `(..., K)`.
    """
    found: Whole = powers.argmax(axis=-1) + 1
    return found


def by_wave(frequencies: Whole, phases: Real) -> Whole:
    """Rows in the order of their frequency, and of their phase within one.

    Args:
        frequencies: `(N,)`.
        phases: `(N,)`, radians.
    """
    return np.lexsort((phases, frequencies))


def stars(waves: Complex, frequencies: Whole) -> Real:
    """Each row's wave of one frequency as a point at its phase, as far out as it is loud.

    Args:
        waves: `(..., N, K)`.
        frequencies: `(N,)`, from 1 on.

    Returns:
        `(..., N, 2)`: A cos(phi) and A sin(phi).
    """
    own = waves[..., np.arange(len(frequencies)), frequencies - 1]
    return np.stack([own.real, own.imag], axis=-1)


def circle(tokens: npt.ArrayLike, frequency: int) -> Real:
    """Each token's vector along the two directions in which a frequency lies.

    The directions are the sums of all vectors, weighted with cos(2 pi k t / p) and with
    sin(2 pi k t / p); where tokens stand on a circle of this frequency, they are its axes.

    Args:
        tokens: vectors `(p, width)`; the mean vector is left out.
        frequency: k.

    Returns:
        `(p, 2)`.
    """
    vectors = finite(tokens)
    vectors = vectors - vectors.mean(axis=0)
    order = len(vectors)
    angles = 2 * np.pi * (frequency * np.arange(order) % order) / order
    axes = np.stack([np.cos(angles), np.sin(angles)]) @ vectors
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    is_there = lengths > _ROUNDING * np.linalg.norm(vectors)
    axes = np.divide(axes, lengths, out=np.zeros_like(axes), where=is_there)
    points: Real = vectors @ axes.T
    return points
