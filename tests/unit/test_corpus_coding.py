"""Floats in fewer bits: how far off, and what is kept as it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.experiments.corpus.coding import decode, differences, encode, error, sums

LARGEST = float(np.finfo(np.float32).max)
NORMAL = st.floats(min_value=1.2e-38, max_value=LARGEST, allow_nan=False, width=64)


@pytest.mark.parametrize("bits", [9, 14])
@given(sizes=st.lists(NORMAL, min_size=1), sign=st.sampled_from([-1.0, 1.0]))
def test_a_number_is_within_the_stated_error(bits: int, sizes: list[float], sign: float) -> None:
    values = sign * np.array(sizes)
    kept = decode(encode(values, bits), bits).astype(np.float64)
    assert (np.abs(kept - values) <= error(bits) * np.abs(values)).all()


def test_half_the_error_would_not_do() -> None:
    values = np.linspace(1.0, 2.0, 10_000)
    kept = decode(encode(values, 9), 9).astype(np.float64)
    assert (np.abs(kept / values - 1) > error(9) / 2).any()


def test_what_has_no_bits_stays() -> None:
    values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -2.0])
    kept = decode(encode(values, 9), 9)
    assert [repr(float(each)) for each in kept] == [repr(float(each)) for each in values]


def test_a_number_too_large_is_the_largest_and_no_infinity() -> None:
    kept = decode(encode(np.array([1e300, -1e300, LARGEST]), 9), 9)
    assert np.isfinite(kept).all()
    assert kept[0] == kept[2] == -kept[1] > 0.99 * LARGEST


def test_rounding_twice_is_rounding_once() -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    once = decode(encode(values, 9), 9)
    assert (decode(encode(once.astype(np.float64), 9), 9) == once).all()


def test_larger_numbers_have_larger_codes() -> None:
    values = np.sort(np.random.default_rng(0).standard_normal(1000))
    assert (np.diff(encode(values, 9)) >= 0).all()


@given(codes=st.lists(st.integers(-(2**22), 2**22), min_size=1))
def test_differences_add_up_again(codes: list[int]) -> None:
    given = np.array(codes, dtype=np.int32)
    assert (sums(differences(given)) == given).all()
    assert (differences(given) >= 0).all()
