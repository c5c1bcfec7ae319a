"""Vectors of parameters: samples, angles and sketches that are known."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals.vectors import (
    angle,
    cosine,
    count_sketch,
    flatten,
    sample,
    unit,
)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def rotated(x: Tensor, y: Tensor, degrees: float) -> Tensor:
    """One vector turned towards another by an angle."""
    upright = y - (x @ y) / (x @ x) * x
    turn = math.radians(degrees)
    return math.cos(turn) * x + math.sin(turn) * (x.square().sum() ** 0.5) * unit(upright)


def test_flatten_keeps_order_and_models() -> None:
    tensors = {"a": normal(2, 3, 4), "b": normal(2, seed=1)}
    flat = flatten(tensors, (2,))
    assert flat.shape == (2, 13)
    assert torch.equal(flat[1], torch.cat([tensors["a"][1].reshape(-1), tensors["b"][1:]]))


def test_sample_keeps_the_length_on_average() -> None:
    tensors = {"a": normal(300, 70), "b": normal(9000, seed=1)}
    few = sample(tensors, most=3000)
    assert len(few) <= 3002
    assert float(few.square().sum()) == pytest.approx(30_000, rel=0.08)
    assert torch.equal(sample(tensors, most=30_000), flatten(tensors))


@pytest.mark.parametrize("degrees", [0.0, 1e-3, 0.5, 47.0, 90.0, 179.9, 180.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_angle_of_a_known_rotation(degrees: float, dtype: torch.dtype) -> None:
    x, y = normal(500), normal(500, seed=1)
    z = 3 * rotated(x, y, degrees)
    rounding = 1e-5 if dtype == torch.float32 else 1e-10
    assert float(angle(x.to(dtype), z.to(dtype))) == pytest.approx(degrees, abs=rounding)
    expected = math.cos(math.radians(degrees))
    assert float(cosine(x.to(dtype), z.to(dtype))) == pytest.approx(expected, abs=rounding)


def test_directions_of_tiny_gradients_survive() -> None:
    x = 1e-30 * normal(100, dtype=torch.float32)
    assert float(torch.linalg.vector_norm(unit(x))) == pytest.approx(1)
    assert float(cosine(x, -2 * x)) == pytest.approx(-1)


def test_vectors_without_length() -> None:
    zero, one = torch.zeros(3), torch.ones(3)
    assert float(cosine(zero, one)) == float(cosine(zero, zero)) == 0
    assert float(angle(zero, zero)) == 0
    assert float(angle(zero, one)) == 90


def test_sketch_is_linear() -> None:
    x, y = normal(3, 5000), normal(3, 5000, seed=1)
    torch.testing.assert_close(
        count_sketch(2 * x - y), 2 * count_sketch(x) - count_sketch(y), rtol=0, atol=1e-12
    )


def test_sketch_keeps_inner_products_within_its_stated_error() -> None:
    errors, size = [], 1021  # so that twenty entries share a bucket, as in larger models
    for seed in range(300):
        x, y = unit(normal(20_000, seed=2 * seed)), unit(normal(20_000, seed=2 * seed + 1))
        z = unit(x + y)
        errors.append(
            [
                float(count_sketch(a, size) @ count_sketch(b, size) - a @ b)
                for a, b in ((x, y), (x, x), (x, z))
            ]
        )
    deviation = torch.tensor(errors).square().mean(0).sqrt()
    stated = torch.tensor([1.0, 2.0, 1.5]).div(size).sqrt()
    torch.testing.assert_close(deviation, stated, rtol=0.15, atol=0)
    assert torch.tensor(errors).mean(0).abs().amax() < 4 * stated.amax() / math.sqrt(300)


@pytest.mark.parametrize("width", [128, 500, 512, 1024])
def test_sketch_spreads_the_columns_of_a_matrix(width: int) -> None:
    column = torch.zeros(400, width, dtype=torch.float64)
    column[:, 7] = 1 / 20
    buckets = count_sketch(column.reshape(-1)).square()
    assert float(buckets.amax()) <= 4 / 400 + 1e-9
    assert float(buckets.sum()) == pytest.approx(1, abs=0.25)
