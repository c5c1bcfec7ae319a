"""Floats as small whole numbers: fewer bits of fraction, then the difference from the one before.

A signal changes little from one look to the next, so differences are small and most of their bytes
are 0: a third less room than the floats themselves take. All columns of signals keep equally many
bits, for a precision of its own would tell a predictor where a column comes from.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int32]

LOSS_BITS = 14
"""Bits of the fraction that a loss keeps: a relative error of at most 2^-15."""

VALUE_BITS = 9
"""The same for the value of a signal: at most 2^-10."""

_FRACTION = 23
_INFINITY, _QUIET = 0x7F800000, 0x7FC00000
_MAGNITUDE = np.uint32(0x7FFFFFFF)


def encode(values: Floats, bits: int) -> Codes:
    """Numbers of floats with so many bits in their fraction, in the order of the floats.

    Each float goes to the nearest, half to even. Infinities and NaN stay; a number beyond the
    largest float32 is put to the largest there is, and one below 2^-126 loses bits.

    Args:
        values: `(T,)`.
        bits: of the fraction, 1 to 22.

    Returns:
        `(T,)`; `decode` gives floats within `error(bits)` of what they were.
    """
    bound = np.finfo(np.float32).max
    clipped = np.where(np.isfinite(values), np.clip(values, -bound, bound), values)
    words = clipped.astype(np.float32).view(np.uint32)
    magnitude = words & _MAGNITUDE
    shift, one = np.uint32(_FRACTION - bits), np.uint32(1)
    half = (one << (shift - one)) - one
    nearest = (magnitude + half + ((magnitude >> shift) & one)) >> shift
    infinity, not_a_number = np.uint32(_INFINITY) >> shift, np.uint32(_QUIET) >> shift
    nearest = np.where(nearest >= infinity, magnitude >> shift, nearest)
    nearest = np.where(np.isnan(values), not_a_number, nearest).astype(np.int32)
    is_negative = np.signbit(values) & ~np.isnan(values)
    return np.where(is_negative, -nearest - 1, nearest).astype(np.int32)


def decode(codes: Codes, bits: int) -> Singles:
    """Floats from their numbers.

    Example:
        >>> values = np.array([1.0, -1.0004, 0.3, -np.inf])
        >>> decode(encode(values, 9), 9).tolist()
        [1.0, -1.0, 0.2998046875, -inf]
    """
    is_negative = codes < 0
    magnitude = np.where(is_negative, -(codes + 1), codes).astype(np.uint32)
    words = (magnitude << np.uint32(_FRACTION - bits)) | (is_negative.astype(np.uint32) << 31)
    return words.astype(np.uint32).view(np.float32)


def error(bits: int) -> float:
    """Largest relative error, on the way through float32 included.

    Example:
        >>> round(error(9), 6)
        0.000977
    """
    return float(2.0 ** -(bits + 1) + 2.0**-24)


def differences(codes: Codes) -> Codes:
    """What each number adds to the one before, the sign in the last bit.

    Example:
        >>> differences(np.array([5, 6, 4], dtype=np.int32)).tolist()
        [10, 2, 3]
    """
    steps = np.diff(codes, prepend=np.int32(0)).astype(np.int32)
    return ((steps << 1) ^ (steps >> 31)).astype(np.int32)


def sums(steps: Codes) -> Codes:
    """The numbers again.

    Example:
        >>> sums(np.array([10, 2, 3], dtype=np.int32)).tolist()
        [5, 6, 4]
    """
    words = steps.view(np.uint32)
    signed = (words >> np.uint32(1)).astype(np.int32) ^ -(steps & 1)
    return np.cumsum(signed, dtype=np.int32)
