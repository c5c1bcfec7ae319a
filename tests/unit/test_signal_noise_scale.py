"""Gradient noise where each example's gradient is known."""

import math

import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals.noise_scale import (
    KEPT,
    NUM_PARTS,
    SIGNALS,
    GradientNoise,
    gradient_noise,
    noise_scale,
)
from grokwatch.monitor.snapshot import WHOLE, Part, Readings, Snapshot


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exact_variance(gradients: Tensor) -> float:
    return float((gradients - gradients.mean(0)).square().sum(-1).mean())


def estimate(gradients: Tensor, parts: int = NUM_PARTS) -> GradientNoise:
    return gradient_noise(lambda part: gradients[part[0] :: part[1]].mean(0), len(gradients), parts)


def shuffled(gradients: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return gradients[torch.randperm(len(gradients), generator=generator)]


@pytest.mark.parametrize("num_examples", [24, 29])  # equal and unequal parts
def test_right_on_average_over_partitions_of_a_small_train_set(num_examples: int) -> None:
    """Parts are a large share of all examples: without the correction S is off by 1 part in 24."""
    gradients = normal(num_examples, 3) * torch.tensor([3.0, 1.0, 0.1]) + 1
    drawn = [estimate(shuffled(gradients, seed)) for seed in range(2000)]
    values = torch.stack([each.variance for each in drawn])
    error = float(values.std()) / math.sqrt(2000)
    truth = exact_variance(gradients)
    assert abs(float(values.mean()) - truth) < 3 * error
    assert abs(float(values.mean()) - truth * num_examples / (num_examples - 1)) > 3 * error
    length = float(gradients.mean(0).square().sum())
    assert all(float(each.squared_mean) == pytest.approx(length) for each in drawn[:20])


def test_intervals_cover_the_variance() -> None:
    gradients = normal(64, 40)
    truth, width = exact_variance(gradients), stats.t.ppf(0.975, NUM_PARTS - 2)
    drawn = [estimate(shuffled(gradients, seed)) for seed in range(200)]
    covered = sum(abs(float(n.variance) - truth) <= width * float(n.error) for n in drawn)
    assert 0.90 <= covered / 200 <= 0.99


def test_equals_the_two_batch_formula() -> None:
    gradients = normal(40, 7) + 0.5
    b, N = 5, 40
    parts = torch.stack([gradients[i::8].mean(0) for i in range(8)])
    G = gradients.mean(0).square().sum()
    formula = b * (N - 1) / (N - b) * (parts.square().sum(-1).mean() - G)
    assert float(estimate(gradients).variance) == pytest.approx(float(formula))


def test_exact_where_each_part_is_one_example() -> None:
    gradients = normal(6, 4)
    assert float(estimate(gradients).variance) == pytest.approx(exact_variance(gradients))


def test_small_noise_on_a_long_gradient_is_not_lost() -> None:
    gradients = 1e8 + normal(16, 4)
    assert float(estimate(gradients, 16).variance) == pytest.approx(
        exact_variance(gradients), rel=1e-6
    )


def test_scale_of_examples_that_have_nothing_in_common() -> None:
    noise = estimate(torch.eye(40, dtype=torch.float64))
    assert float(noise_scale(noise.variance, noise.squared_mean)) == pytest.approx(39)


def test_scale_of_what_has_no_noise_or_no_gradient() -> None:
    S, G = torch.tensor([6.0, 0.0, 1.0]), torch.tensor([3.0, 0.0, 0.0])
    assert noise_scale(S, G).tolist() == [2.0, 0.0, math.inf]


@pytest.mark.parametrize("num_examples", [1, 2])
def test_too_few_examples(num_examples: int) -> None:
    with pytest.raises(SignalError, match=r"Expected at least 3 examples.*got.*Try a larger"):
        estimate(normal(num_examples, 2))


class Centers:
    """The mean of |theta - x|^2 / 2 over examples x: the gradient of each is theta - x."""

    dtype = torch.float64

    def __init__(self, slopes: Tensor) -> None:
        self.slopes = slopes
        self.num_examples = len(slopes)

    def gradient(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        return self.slopes[part[0] :: part[1]].mean(0)

    loss = gradient

    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        return vector


def read(slopes: Tensor, memory: dict[str, Tensor]) -> Readings:
    weights = {"w": torch.zeros(slopes.shape[-1])}
    snapshot = Snapshot(step=1, weights=weights, landscape=Centers(slopes), memory=memory)
    return SIGNALS[0].read(snapshot)


def test_readings_are_averaged() -> None:
    first, second = normal(8, 3) + 1, 5 * normal(8, 3, seed=1)
    memory: dict[str, Tensor] = {}
    (S1, _, G1), (S2, _, G2) = estimate(first), estimate(second)
    assert float(read(first, memory)["gradient_noise_scale"]) == pytest.approx(float(S1 / G1))
    expected = 1 / (KEPT * G1 / S1 + (1 - KEPT) * G2 / S2)
    assert float(read(second, memory)["gradient_noise_scale"]) == pytest.approx(float(expected))
    assert memory.keys() == {"gradient_noise_scale"}


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_longer_gradients_count_no_more_than_shorter_ones(factor: float) -> None:
    """They shorten by decades after memorization: the reading must not stay what it was there."""
    noisy, even = normal(8, 3), normal(8, 3, seed=1) + 3
    alike: dict[str, Tensor] = {}
    read(noisy, alike)
    apart: dict[str, Tensor] = {}
    read(noisy * factor, apart)
    expected = float(read(even, alike)["gradient_noise_scale"])
    assert float(read(even, apart)["gradient_noise_scale"]) == pytest.approx(expected)
    for _ in range(20):
        settled = read(even, apart)
    now = estimate(even)
    assert float(settled["gradient_noise_scale"]) == pytest.approx(
        float(now.variance / now.squared_mean), rel=1e-4
    )


def test_what_is_not_finite_is_said_and_forgotten() -> None:
    slopes, memory = normal(8, 3) + 1, dict[str, Tensor]()
    before = float(read(slopes, memory)["gradient_noise_scale"])
    assert math.isnan(read(slopes * math.nan, memory)["gradient_noise_scale"])
    assert float(read(slopes, memory)["gradient_noise_scale"]) == pytest.approx(before)


def test_memory_of_another_stack_is_not_used() -> None:
    slopes = normal(8, 3) + 1
    expected = float(read(slopes, {})["gradient_noise_scale"])
    memory = {"gradient_noise_scale": torch.ones(4, 2)}
    assert float(read(slopes, memory)["gradient_noise_scale"]) == pytest.approx(expected)
