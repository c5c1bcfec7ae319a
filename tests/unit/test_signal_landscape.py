"""The loss's height and its curvature along the update, on losses that are known."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals.landscape import per_loss, train_loss, update_curvature
from grokwatch.monitor.snapshot import WHOLE, Part, Snapshot


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def regression() -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets, and the Hessian (2/N) X^T X of the mean squared error."""
    X, y = normal(40, 6), normal(40, seed=1)
    return X, y, 2 / 40 * X.T @ X


def gradient(w: Tensor) -> Tensor:
    X, y, _ = regression()
    leaf = w.clone().requires_grad_()
    loss = (X @ leaf - y).square().mean()
    return torch.autograd.grad(loss, leaf)[0]


def test_update_curvature_of_linear_regression() -> None:
    hessian = regression()[2]
    old, d = normal(6, seed=2), normal(6, seed=3) * 1e-2
    value = update_curvature({"w": gradient(old + d)}, {"w": gradient(old)}, {"w": d})
    assert float(value) == pytest.approx(float(d @ hessian @ d / (d @ d)))


def test_update_curvature_joins_parameters() -> None:
    hessian = torch.diag(torch.tensor([1.0, 2.0, 10.0]))
    d = torch.tensor([1.0, -1.0, 2.0])

    def split(x: Tensor) -> dict[str, Tensor]:
        return {"a": x[:2], "b": x[2]}

    value = update_curvature(split(hessian @ d), split(torch.zeros(3)), split(d))
    assert float(value) == pytest.approx((1 + 2 + 40) / 6)


def test_update_curvature_where_nothing_moved() -> None:
    g = {"w": torch.tensor([[1.0, 2.0], [1.0, 2.0]])}
    before = {"w": torch.zeros(2, 2)}
    d = {"w": torch.tensor([[0.0, 0.0], [1.0, 0.0]])}
    assert update_curvature(g, before, d, models=(2,)).tolist() == [0.0, 1.0]


def test_update_curvature_of_a_model_with_a_parameter_that_nothing_reaches() -> None:
    old, new, idle = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 2.0]), torch.zeros(3)
    gradients, previous = {"w": 6 * new}, {"w": 6 * old}
    curvature = update_curvature(gradients, previous, {"w": new - old, "idle": idle})
    assert curvature == 6.0


def test_curvature_per_loss_is_finite_where_the_loss_is_0() -> None:
    ratio = per_loss(torch.tensor([6.0, 6.0, -1.0]), torch.tensor([2.0, 0.0, 4.0]))
    assert ratio.tolist() == [3.0, 0.0, -0.25]
    assert math.isnan(per_loss(torch.tensor(math.nan), torch.tensor(0.0)))


class Counted:
    """A landscape that counts how often its loss is evaluated."""

    num_examples = 1
    dtype = torch.float32
    evaluations = 0

    def loss(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        self.evaluations += 1
        return torch.tensor(0.25)

    gradient = loss

    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        return vector


def test_train_loss_is_evaluated_once_per_snapshot() -> None:
    landscape = Counted()
    snapshot = Snapshot(step=1, landscape=landscape)
    assert [float(train_loss(snapshot)) for _ in range(3)] == [0.25] * 3
    assert landscape.evaluations == 1
    assert train_loss(snapshot).dtype is torch.float64
