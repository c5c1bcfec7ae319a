"""Walsh coefficients: exact on all inputs, right on average on random ones, bounded in size."""

import itertools
import math
from unittest import mock

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals import walsh
from grokwatch.monitor.signals.walsh import (
    MOST_SETS,
    greatest_degree,
    soft_answer,
    top_ratio,
    unbiased_squares,
    walsh_coefficients,
)
from grokwatch.monitor.snapshot import FreshInputs, Readings, Snapshot

CERTAIN = 1e3  # a margin at which tanh is 1


def all_signs(n: int) -> Tensor:
    return torch.tensor(list(itertools.product((1.0, -1.0), repeat=n)), dtype=torch.float64)


def random_signs(M: int, n: int, seed: int = 0) -> Tensor:
    bits = torch.randint(2, (M, n), generator=torch.Generator().manual_seed(seed))
    return (1 - 2 * bits).double()


def read(signs: Tensor, margins: Tensor, *models: int) -> Readings:
    fresh = FreshInputs(signs=signs, margins=margins)
    readings = walsh.SIGNALS[0].read(Snapshot(step=1, models=models, fresh=lambda: fresh))
    return {key.removeprefix("walsh_concentration."): value for key, value in readings.items()}


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_every_set_by_itself(n: int) -> None:
    signs = all_signs(n)
    for degree in range(1, min(4, n) + 1):
        sets = list(itertools.combinations(range(n), degree))
        for place, chosen in enumerate(sets):
            found = walsh_coefficients(signs, signs[:, chosen].prod(-1))
            for size, values in enumerate(found, start=1):
                expected = torch.zeros(math.comb(n, size), dtype=torch.float64)
                if size == degree:
                    expected[place] = 1.0
                torch.testing.assert_close(values, expected)


@pytest.mark.parametrize("most", [1, 100, 1 << 22])
def test_cutting_inputs_into_blocks_changes_nothing(most: int) -> None:
    signs = random_signs(50, 6)
    answers = torch.randn(50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sets = [s for d in range(1, 5) for s in itertools.combinations(range(6), d)]
    expected = torch.stack([(answers * signs[:, chosen].prod(-1)).mean() for chosen in sets])
    with mock.patch.object(walsh, "_MOST_HELD", most):
        torch.testing.assert_close(torch.cat(walsh_coefficients(signs, answers)), expected)


@pytest.mark.parametrize("chosen", [(2,), (0, 5), (1, 3, 8), (0, 2, 4, 9)])
def test_parity_is_one_coefficient(chosen: tuple[int, ...]) -> None:
    M = 2000
    signs = random_signs(M, 10)
    values = read(signs, CERTAIN * signs[:, chosen].prod(-1))
    words = ("one", "two", "three", "four")
    assert float(values["top"]) == pytest.approx(1)
    assert float(values[f"degree_{words[len(chosen) - 1]}"]) == pytest.approx(1, abs=0.05)
    for word in words:
        if word != words[len(chosen) - 1]:
            assert abs(float(values[f"degree_{word}"])) < 0.05
    assert float(values["top_ratio"]) > 100
    assert float(values["gini"]) > 0.9


def test_parity_of_five_bits_is_not_seen() -> None:
    signs = random_signs(4000, 10)
    values = read(signs, CERTAIN * signs[:, :5].prod(-1))
    assert float(values["top"]) < 0.01
    assert float(values["gini"]) == pytest.approx(2 / math.pi, abs=0.05)  # squares of normals
    assert float(values["top_ratio"]) < 3


def test_squares_are_right_on_average_where_plain_ones_are_not() -> None:
    """The function (x_0 + x_1 x_2) / 2 has a quarter at each of two sets."""
    runs, M, n = 300, 60, 5
    masses = []
    for seed in range(runs):
        signs = random_signs(M, n, seed)
        answers = (signs[:, 0] + signs[:, 1] * signs[:, 2]) / 2
        found = walsh_coefficients(signs, answers)
        masses.append([float(unbiased_squares(each, answers).sum()) for each in found])
    mean = torch.tensor(masses).mean(0)
    error = torch.tensor(masses).std(0) / runs**0.5
    expected = torch.tensor([0.25, 0.25, 0.0, 0.0])
    assert ((mean - expected).abs() < 4 * error).all()
    plain = 0.5 / M * torch.tensor([5.0, 10, 10, 5])  # what chance adds to each degree
    assert (plain > 4 * error)[2:].all()


def test_degrees_are_dropped_where_sets_are_too_many() -> None:
    for n in (1, 2, 4, 30, 40, 42, 43, 92, 93, 511, 512, 10_000):
        degree = greatest_degree(n)
        assert degree == 1 or sum(math.comb(n, d) for d in range(1, degree + 1)) <= MOST_SETS
        if degree < min(4, n):
            assert sum(math.comb(n, d) for d in range(1, degree + 2)) > MOST_SETS
    assert [greatest_degree(n) for n in (40, 50, 100, 600)] == [4, 3, 2, 1]
    signs = random_signs(20, 95)
    assert [len(each) for each in walsh_coefficients(signs, signs[:, 0])] == [95, 95 * 94 // 2]
    assert set(read(signs, signs[:, 0])) == {"degree_one", "degree_two", "top", "top_ratio", "gini"}


def test_answers_are_chances_on_a_scale_from_minus_one() -> None:
    margins = torch.tensor([-2.0, 0.0, 0.7], dtype=torch.float64)
    torch.testing.assert_close(soft_answer(margins), 2 * torch.sigmoid(margins) - 1)
    assert soft_answer(torch.tensor([math.inf, -math.inf, math.nan])).isnan().all()


def test_ratio_where_there_is_no_second_set() -> None:
    assert float(top_ratio(torch.tensor([0.5]), torch.tensor(0.1))) == pytest.approx(5)
    assert float(top_ratio(torch.zeros(3), torch.tensor(0.0))) == 1
    signs = all_signs(4)  # all other coefficients are exactly 0
    assert float(read(signs, CERTAIN * signs[:, 0])["top_ratio"]) == pytest.approx(16)


def test_models_differ_by_their_answers() -> None:
    signs = random_signs(500, 8)
    margins = CERTAIN * torch.stack([signs[:, :3].prod(-1), signs[:, 0]])
    values = read(signs, margins, 2)
    torch.testing.assert_close(values["top"], torch.ones(2, dtype=torch.float64))
    assert (values["degree_three"][0] > 0.9).item()
    assert (values["degree_three"][1] < 0.1).item()
