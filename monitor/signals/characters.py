"""Multiplicative characters: the Fourier transform of tokens that are multiplied modulo a prime.

The numbers 1 .. p-1 form a cyclic group under multiplication modulo p: each is a power of one of
them, a primitive root g. In the order of those powers, a = g^0, g^1, ..., multiplication is
addition of exponents, and the characters are waves over the exponent. The number 0 is no member
and is left out.
"""

import functools
import math

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals.fourier import power_spectrum


def is_prime(p: int) -> bool:
    """Whether a number is prime.

    No number from 2 to sqrt(p) divides p.

    Args:
        p: any integer.

    Returns:
        Whether it is.

    Example:
        >>> [p for p in range(12) if is_prime(p)]
        [2, 3, 5, 7, 11]

    Source:
        definition.
    """
    return p > 1 and all(p % divisor for divisor in range(2, math.isqrt(p) + 1))


@functools.lru_cache(maxsize=16)
def powers_of_primitive_root(p: int) -> tuple[int, ...]:
    """The numbers 1 .. p-1 as successive powers of the least primitive root modulo p.

    g^0, g^1, ..., g^(p-2) modulo p, for the least g whose powers are all of them.

    Args:
        p: an odd prime.

    Returns:
        p - 1 numbers, beginning with 1 and g (1 alone is followed by nothing).

    Raises:
        SignalError: p is no odd prime.

    Example:
        >>> powers_of_primitive_root(7)  # 2 comes back to 1 after three steps, 3 does not
        (1, 3, 2, 6, 4, 5)

    Source:
        Gauss 1801, articles 52-57.
    """
    if p < 3 or not is_prime(p):
        msg = (
            f"Expected an odd prime as the number of tokens, got {p}. "
            "Try the additive spectrum, which every number of tokens has."
        )
        raise SignalError(msg)
    for g in range(2, p):
        powers = [1]
        while (power := powers[-1] * g % p) != 1:
            powers.append(power)
        if len(powers) == p - 1:
            break
    return tuple(powers)


def multiplicative_spectrum(W: Float[Tensor, "*models P D"]) -> Float[Tensor, "*models D F"]:
    """Power of each neuron at each multiplicative character, without the trivial one.

    The power spectrum of W_a over the exponent x in a = g^x, with the characters
    chi_k(a) = exp(2 pi i k x / (P - 1)), k = 1 .. (P - 1)/2. The last is the Legendre symbol, which
    has one degree of freedom. Token 0 is left out.

    Args:
        W: weights, the tokens 0 .. P-1 on axis -2, P an odd prime, neurons on axis -1.

    Returns:
        Non-negative power, neurons on axis -2, the F = (P - 1)/2 characters on axis -1; unit of W
        squared.

    Example:
        >>> legendre = torch.tensor([0.0, 1, 1, -1, 1, -1, -1])  # squares modulo 7 are 1, 2, 4
        >>> multiplicative_spectrum(legendre[:, None]).round(decimals=4).abs()
        tensor([[0., 0., 6.]])

    Source:
        Gauss 1801; Gromov 2023 (characters of modular multiplication).
    """
    order = torch.tensor(powers_of_primitive_root(W.shape[-2]), device=W.device)
    return power_spectrum(W.index_select(-2, order))
