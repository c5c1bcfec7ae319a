"""Random-direction sharpness on losses whose rise is known."""

import itertools
import math

import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

from grokwatch.monitor.signals.perturbation import (
    NUM_LINES,
    RADII,
    SIGNALS,
    filter_directions,
    mean_rise,
)
from grokwatch.monitor.snapshot import WHOLE, Part, Readings, Snapshot


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


WEIGHTS = {"W": normal(4, 6), "kernel": normal(2, 3, 2, 2, seed=1), "b": normal(5, seed=2)}
FILTERS = [6] * 4 + [12] * 2 + [5]
SIZE = sum(FILTERS)


def expected_rise(hessian: Tensor, rho: float) -> float:
    """rho^2 / 2 of the sum over filters of |theta_f|^2 tr(H_ff) / n_f."""
    theta = torch.cat([w.reshape(-1) for w in WEIGHTS.values()])
    blocks = zip(torch.split(theta, FILTERS), torch.split(hessian.diagonal(), FILTERS), strict=True)
    return rho**2 / 2 * sum(float(w @ w * d.mean()) for w, d in blocks)


def test_each_filter_has_the_length_of_its_weights() -> None:
    theta = torch.cat([w.reshape(-1) for w in WEIGHTS.values()])
    lengths = [float(part.norm()) for part in torch.split(theta, FILTERS)]
    directions = list(filter_directions(WEIGHTS, 2, torch.float64))
    for direction in directions:
        drawn = [float(part.norm()) for part in torch.split(direction, FILTERS)]
        assert drawn == pytest.approx(lengths)
    assert abs(float(torch.corrcoef(torch.stack(directions))[0, 1])) < 0.5


def test_intervals_cover_the_rise_of_a_quadratic() -> None:
    root, slope, rho = normal(SIZE, SIZE, seed=3), normal(SIZE, seed=4), 0.1
    hessian = root @ root.T / SIZE

    def loss(d: Tensor) -> Tensor:
        return d @ hessian @ d / 2 + slope @ d

    lines = filter_directions(WEIGHTS, 200 * NUM_LINES, torch.float64)
    width, covered, values = stats.t.ppf(0.975, NUM_LINES - 1), 0, []
    truth = expected_rise(hessian, rho)
    for _ in range(200):
        chunk = itertools.islice(lines, NUM_LINES)
        value, error = mean_rise(loss, torch.tensor(0.0), chunk, [rho])
        values.append(value[0])
        covered += abs(float(value[0]) - truth) <= width * float(error[0])
    assert 0.90 <= covered / 200 <= 0.99
    spread = torch.stack(values)
    assert abs(float(spread.mean()) - truth) < 3 * float(spread.std()) / math.sqrt(200)


def test_slope_alone_is_no_rise() -> None:
    slope = normal(SIZE, seed=5)
    lines = filter_directions(WEIGHTS, 3, torch.float64)
    rise = mean_rise(lambda d: slope @ d, torch.tensor(0.0), lines, [0.1])
    assert float(rise.value) == pytest.approx(0, abs=1e-12)


class Relu:
    """Mean squared output of a network with one hidden layer."""

    num_examples = 30
    dtype = torch.float64

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights
        self.inputs = normal(30, 3)

    def loss(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        first, second = self.weights.values()
        d = torch.zeros(16) if offset is None else offset
        hidden = (self.inputs @ (first + d[:12].view(4, 3)).T).relu()
        return (hidden @ (second + d[12:].view(1, 4)).T).square().mean()

    gradient = loss

    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        raise NotImplementedError


def read(scale: float) -> Readings:
    weights = {"first": normal(4, 3, seed=1) * scale, "second": normal(1, 4, seed=2) / scale}
    return SIGNALS[0].read(Snapshot(step=1, weights=weights, landscape=Relu(weights)))


def test_scaling_a_layer_and_undoing_it_in_the_next_changes_nothing() -> None:
    here, there = read(1.0), read(8.0)
    assert all(float(here[key]) == pytest.approx(float(there[key])) for key in here)


def test_rise_grows_with_the_square_of_a_small_radius_and_is_given_per_loss() -> None:
    readings = read(1.0)
    rises = [float(readings[f"perturbation_sharpness.{part}"]) for part in RADII]
    assert rises[1] / rises[0] == pytest.approx(25, rel=0.1)
    assert rises[2] / rises[1] == pytest.approx(4, rel=0.2)
    weights = {"first": normal(4, 3, seed=1), "second": normal(1, 4, seed=2)}
    ratio = rises[1] / float(Relu(weights).loss())
    assert float(readings["perturbation_sharpness.per_loss"]) == pytest.approx(ratio)
    assert 0 < float(readings["perturbation_sharpness.error"]) < rises[1]
