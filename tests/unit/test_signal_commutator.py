"""The commutator defect against its closed form and against paths of two steps."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals.commutator import SIGNALS, commutator_defect, disjoint_pairs
from grokwatch.monitor.snapshot import WHOLE, Part, Readings, Snapshot

SIZE = 6


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Quartic:
    """The mean over examples of (x . theta)^4 / 4 - y x . theta, at a given theta."""

    num_examples = 24
    dtype = torch.float64

    def __init__(self, theta: Tensor, scale: float = 1.0) -> None:
        self.theta = theta
        self.scale = scale
        self.x, self.y = normal(24, SIZE), normal(24, seed=1)

    def gradient(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        x, y = self._rows(part)
        z = x @ (self.theta if offset is None else self.theta + offset)
        return self.scale * ((z**3 - y)[:, None] * x).mean(0)

    loss = gradient

    def hessian(self, part: Part) -> Tensor:
        x, _ = self._rows(part)
        return x.T * (3 * (x @ self.theta) ** 2) @ x / len(x)

    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        return self.hessian(part) @ vector

    def _rows(self, part: Part) -> tuple[Tensor, Tensor]:
        return self.x[part[0] :: part[1]], self.y[part[0] :: part[1]]


def defect(landscape: Quartic, pair: tuple[Part, Part]) -> float:
    value = commutator_defect(
        lambda part: landscape.gradient(part=part),
        lambda vector, part: landscape.product(vector, part=part),
        pair,
    )
    return float(value)


def exact(landscape: Quartic, a: Part, b: Part) -> float:
    g, h = landscape.gradient(part=a), landscape.gradient(part=b)
    difference = landscape.hessian(b) @ g - landscape.hessian(a) @ h
    return float(difference.norm() / (g.norm() * h.norm()))


def read(landscape: Quartic) -> Readings:
    snapshot = Snapshot(step=1, weights={"w": landscape.theta}, landscape=landscape)
    return SIGNALS[0].read(snapshot)


def test_closed_form() -> None:
    landscape = Quartic(normal(SIZE, seed=2))
    for a, b in disjoint_pairs(24):
        assert defect(landscape, (a, b)) == pytest.approx(exact(landscape, a, b))
        assert defect(landscape, (b, a)) == pytest.approx(exact(landscape, a, b))


def test_leading_term_of_two_steps_in_either_order() -> None:
    landscape, (a, b), lr = Quartic(normal(SIZE, seed=2)), ((0, 2), (1, 2)), 1e-4

    def path(first: Part, second: Part) -> Tensor:
        step = -lr * landscape.gradient(part=first)
        return step - lr * landscape.gradient(step, part=second)

    lengths = [landscape.gradient(part=part).norm() * lr for part in (a, b)]
    apart = (path(a, b) - path(b, a)).norm() / (lengths[0] * lengths[1])
    assert defect(landscape, (a, b)) == pytest.approx(float(apart), rel=1e-2)


def test_short_gradients_lose_nothing() -> None:
    theta, pair = normal(SIZE, seed=2), ((0, 2), (1, 2))
    short = defect(Quartic(theta, scale=1e-120), pair)
    assert short == pytest.approx(1e120 * defect(Quartic(theta), pair))


def test_steps_that_commute() -> None:
    g, h = normal(SIZE), normal(SIZE, seed=1)
    slopes = {(0, 2): g, (1, 2): 5 * g}
    curvature = torch.outer(h, h)
    hessians = {(0, 2): curvature, (1, 2): 5 * curvature}
    value = commutator_defect(
        lambda part: slopes[part], lambda v, part: hessians[part] @ v, ((0, 2), (1, 2))
    )
    assert float(value) == pytest.approx(0, abs=1e-12)


def test_no_gradient_is_no_defect() -> None:
    slopes = {(0, 2): torch.zeros(2, 3), (1, 2): torch.tensor([[0.0, 0, 0], [1, 2, 3]])}
    value = commutator_defect(lambda part: slopes[part], lambda v, _: 2 * v, ((0, 2), (1, 2)))
    assert value.tolist() == [0.0, 0.0]


def test_median_and_logarithm() -> None:
    landscape = Quartic(normal(SIZE, seed=2))
    median = sorted(exact(landscape, a, b) for a, b in disjoint_pairs(24))[1]
    readings = read(landscape)
    assert float(readings["commutator_defect"]) == pytest.approx(median)
    log = math.log(median * float(landscape.theta.norm()))
    assert float(readings["commutator_defect.log"]) == pytest.approx(log)


@pytest.mark.parametrize("num_examples", [2, 3, 5, 6, 100])
def test_pairs_have_no_example_in_common(num_examples: int) -> None:
    pairs = disjoint_pairs(num_examples)
    used = [i for pair in pairs for first, n in pair for i in range(first, num_examples, n)]
    assert sorted(used) == list(range(num_examples))
    assert len(pairs) == min(3, num_examples // 2)


def test_one_example_is_no_pair() -> None:
    with pytest.raises(SignalError, match=r"Expected at least 2 examples.*got 1.*Try a larger"):
        disjoint_pairs(1)
