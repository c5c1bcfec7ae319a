"""Gradients whose lengths and directions are known."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals.gradients import SIGNALS, perpendicular_fraction
from grokwatch.monitor.snapshot import Snapshot

BY_NAME = {signal.name: signal for signal in SIGNALS}
WEIGHTS = {"a": torch.tensor([[3.0, 0.0]]), "b": torch.tensor([4.0])}


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def read(name: str, gradients: dict[str, Tensor], **fields: object) -> float:
    snapshot = Snapshot(step=1, weights=WEIGHTS, gradients=gradients, **fields)  # type: ignore[arg-type]
    return float(BY_NAME[name].read(snapshot)[name])


def along(factor: float) -> dict[str, Tensor]:
    return {name: factor * weight for name, weight in WEIGHTS.items()}


def test_norm_joins_parameters() -> None:
    assert read("gradient_norm", along(2.0)) == 10


@pytest.mark.parametrize(("factor", "expected"), [(-0.1, 1.0), (2.0, -1.0), (0.0, 0.0)])
def test_gradient_along_the_weights(factor: float, expected: float) -> None:
    gradients = along(factor)
    assert read("gradient_weight_cosine", gradients) == pytest.approx(expected)
    assert read("gradient_perpendicular_fraction", gradients) == pytest.approx(0, abs=1e-6)
    assert read("weight_slope", gradients) == pytest.approx(25 * factor)


def test_gradient_that_did_not_reach_all_parameters() -> None:
    gradients = {"b": torch.tensor([-1.0])}
    assert read("gradient_weight_cosine", gradients) == pytest.approx(0.8)
    assert read("gradient_perpendicular_fraction", gradients) == pytest.approx(0.6)
    assert read("weight_slope", gradients) == -4


def test_perpendicular_fraction_is_the_sine() -> None:
    x, y = normal(1000), normal(1000, seed=1)
    cosine = float(x @ y / x.norm() / y.norm())
    assert float(perpendicular_fraction(x, y)) == pytest.approx(math.sqrt(1 - cosine**2))
    assert float(perpendicular_fraction(x, 0 * y)) == pytest.approx(1)
    small = perpendicular_fraction((y + 1e-6 * x).float(), y.float())
    assert 0.5e-6 < float(small) < 2e-6  # where 1 - cos^2 would be rounding


@pytest.mark.parametrize("name", ["weight_slope"])
def test_slope_along_weights_is_the_derivative(name: str) -> None:
    def loss(growth: float) -> Tensor:
        joined = torch.cat([w.reshape(-1) for w in WEIGHTS.values()]).double() * (1 + growth)
        return torch.sin(joined).sum()

    gradients = {key: torch.cos(weight) for key, weight in WEIGHTS.items()}
    derivative = (loss(1e-5) - loss(-1e-5)) / 2e-5
    assert read(name, gradients) == pytest.approx(float(derivative), rel=1e-5)


def test_gradient_cosine_is_that_with_the_reading_before() -> None:
    memory: dict[str, Tensor] = {}
    path = [[1.0, 0.0], [1.0, 1.0], [math.nan, 0.0], [-1.0, -1.0], [0.0, 0.0], [1.0, 0.0]]
    found = [
        read("gradient_cosine", {"a": torch.tensor([g]), "b": torch.zeros(1)}, memory=memory)
        for g in path
    ]
    assert found == pytest.approx([0, math.sqrt(0.5), math.nan, -1, 0, 0], nan_ok=True)


def test_memory_of_another_model_is_left_aside() -> None:
    memory = {"gradient_cosine": torch.ones(7)}
    assert read("gradient_cosine", along(1.0), memory=memory) == 0
    assert read("gradient_cosine", along(3.0), memory=memory) == pytest.approx(1)


@pytest.mark.parametrize("beta", [0.9, 0.98])
def test_momentum_ratio_of_noise(beta: float) -> None:
    """A running mean of independent gradients has (1 - beta) / (1 + beta) of their energy."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.zeros(4000)
    for _ in range(400):
        gradient = torch.randn(4000, generator=generator)
        mean = beta * mean + (1 - beta) * gradient
    found = read("momentum_ratio", {"a": gradient}, momentum={"a": mean})
    assert found == pytest.approx(math.sqrt((1 - beta) / (1 + beta)), rel=0.08)


def test_momentum_ratio_of_a_steady_gradient() -> None:
    assert read("momentum_ratio", along(2.0), momentum=along(2.0)) == pytest.approx(1)
    assert read("momentum_ratio", along(0.0), momentum=along(2.0)) == 0
