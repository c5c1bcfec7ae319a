"""Multiplicative characters: primitive roots, and spectra against their definition."""

import cmath
import itertools
import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals.characters import (
    is_prime,
    multiplicative_spectrum,
    powers_of_primitive_root,
)
from grokwatch.monitor.signals.fourier import power_spectrum

PRIMES = [3, 5, 7, 11, 67, 97, 113]


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_primes() -> None:
    sieve = [p for p in range(2, 500) if not any(p % d == 0 for d in range(2, p))]
    assert [p for p in range(-3, 500) if is_prime(p)] == sieve


@pytest.mark.parametrize(
    ("p", "root"), [(3, 2), (5, 2), (7, 3), (41, 6), (67, 2), (97, 5), (113, 3)]
)
def test_least_primitive_roots_are_the_tabulated_ones(p: int, root: int) -> None:
    powers = powers_of_primitive_root(p)
    assert powers[1] == root
    assert sorted(powers) == list(range(1, p))
    assert all(b == a * root % p for a, b in itertools.pairwise(powers))


@pytest.mark.parametrize("p", PRIMES)
def test_power_is_that_of_the_characters(p: int) -> None:
    W, powers = normal(p, 2), powers_of_primitive_root(p)
    power = multiplicative_spectrum(W)
    assert power.shape == (2, (p - 1) // 2)
    for k in (1, (p - 1) // 2):
        turns = [cmath.exp(2j * math.pi * k * x / (p - 1)) for x in range(p - 1)]
        found = sum(W[a, 0].item() * turn for a, turn in zip(powers, turns, strict=True))
        degrees = 1 if 2 * k == p - 1 else 2
        assert float(power[0, k - 1]) == pytest.approx(degrees * abs(found) ** 2 / (p - 1))
    kept = W[1:]
    torch.testing.assert_close(power.sum(-1), (kept - kept.mean(0)).square().sum(0))


@pytest.mark.parametrize("p", PRIMES[1:])
def test_last_character_is_the_legendre_symbol(p: int) -> None:
    squares = {a * a % p for a in range(1, p)}
    legendre = torch.tensor([0.0] + [1.0 if a in squares else -1.0 for a in range(1, p)])
    power = multiplicative_spectrum(legendre[:, None].double())[0]
    assert float(power[-1]) == pytest.approx(p - 1)
    assert float(power[:-1].sum()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("factor", [2, 3, 10])
def test_multiplying_tokens_changes_nothing_and_token_zero_is_not_read(factor: int) -> None:
    W = normal(11, 3)
    moved = W[torch.arange(11) * factor % 11]
    torch.testing.assert_close(multiplicative_spectrum(moved), multiplicative_spectrum(W))
    moved[0] = 1e6
    torch.testing.assert_close(multiplicative_spectrum(moved), multiplicative_spectrum(W))
    assert not torch.allclose(power_spectrum(W), multiplicative_spectrum(W))


@pytest.mark.parametrize("p", [1, 2, 4, 9, 91])
def test_other_numbers_of_tokens_are_refused(p: int) -> None:
    with pytest.raises(SignalError, match=rf"Expected an odd prime .*, got {p}\. Try "):
        powers_of_primitive_root(p)
