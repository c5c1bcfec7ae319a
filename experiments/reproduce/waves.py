"""Weights as waves over tokens: each neuron's frequency, its strength and its phase."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Waves:
    """One wave for each of H neurons, A cos(2 pi k t / P + phase) over tokens t.

    Attributes:
        frequencies: k, `(H,)`.
        amplitudes: A, `(H,)`.
        phases: radians in (-pi, pi], `(H,)`.
        shares: of a neuron's power without its mean that the wave has, `(H,)`.
    """

    frequencies: NDArray[np.int64]
    amplitudes: Array
    phases: Array
    shares: Array


def strongest(weights: Array) -> NDArray[np.int64]:
    """The frequency with most power of each neuron.

    Args:
        weights: `(P, H)`, tokens in the order of the group.

    Returns:
        `(H,)`, from 1 to P // 2.

    Example:
        >>> tokens = np.arange(7)[:, None]
        >>> strongest(np.cos(2 * np.pi * np.array([1, 3]) * tokens / 7))
        array([1, 3])

    Source:
        definition.
    """
    found: NDArray[np.int64] = np.abs(np.fft.rfft(weights, axis=0)[1:]).argmax(axis=0) + 1
    return found


def waves_at(weights: Array, frequencies: NDArray[np.int64]) -> Waves:
    """The wave of each neuron at a frequency of its own.

    Args:
        weights: `(P, H)` for odd P.
        frequencies: `(H,)`, from 1 to P // 2.

    Returns:
        The waves.

    Example:
        >>> tokens = np.arange(7)[:, None]
        >>> found = waves_at(2 * np.cos(2 * np.pi * 3 * tokens / 7 + 0.5), np.array([3]))
        >>> [round(float(x[0]), 3) for x in (found.amplitudes, found.phases, found.shares)]
        [2.0, 0.5, 1.0]

    Source:
        definition.
    """
    spectrum = np.fft.rfft(weights, axis=0)
    chosen = spectrum[frequencies, np.arange(weights.shape[1])]
    power = np.square(np.abs(spectrum[1:])).sum(axis=0)
    shares = np.square(np.abs(chosen)) / np.maximum(power, np.finfo(float).tiny)
    return Waves(frequencies, 2 * np.abs(chosen) / len(weights), np.angle(chosen), shares)


def turned(angles: Array) -> Array:
    """Angles brought into (-pi, pi].

    Example:
        >>> turned(np.array([0.0, 3 * np.pi / 2])).round(3)
        array([ 0.   , -1.571])
    """
    whole: Array = np.pi - (np.pi - angles) % (2 * np.pi)
    return whole


def doubling_gaps(phases_in: Array, phases_out: Array) -> Array:
    """How far each neuron's phase at the output is from twice its phase at the input.

    relu(cos u) has the part cos 2u: a neuron that reads cos(w a + p) + cos(w b + p), a wave of
    w (a + b) / 2 + p, gives the answer a vote of cos(w (a + b) + 2 p), which cos(w c + 2 p) takes.

    Args:
        phases_in: p, `(H,)`, radians.
        phases_out: `(H,)`.

    Returns:
        `(H,)` in [0, pi].

    Example:
        >>> doubling_gaps(np.array([3.0]), np.array([6.0 - 2 * np.pi])).round(6)
        array([0.])

    Source:
        Pearce et al. 2023 (Do machine learning models memorize or generalize?).
    """
    gaps: Array = np.abs(turned(phases_out - 2 * phases_in))
    return gaps


def random_gaps(phases_in: Array, phases_out: Array, *, draws: int, seed: int) -> Array:
    """The median gap where outputs are dealt to other neurons.

    Args:
        phases_in: `(H,)`, radians.
        phases_out: `(H,)`.
        draws: how many deals.
        seed: of the deals.

    Returns:
        `(draws,)` medians in [0, pi].
    """
    random = np.random.default_rng(seed)
    deals = [random.permutation(phases_out) for _ in range(draws)]
    return np.array([np.median(doubling_gaps(phases_in, dealt)) for dealt in deals])
