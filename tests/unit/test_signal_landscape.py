"""Curvature on losses whose Hessian is known."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from grokwatch.monitor.signals.landscape import SIGNALS, top_eigenvalue, update_curvature
from grokwatch.monitor.snapshot import Readings, Snapshot

SHARPNESS = next(signal for signal in SIGNALS if signal.name == "sharpness")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sharpness(hessian: Tensor, memory: dict[str, Tensor]) -> Readings:
    snapshot = Snapshot(
        step=1,
        weights={"w": torch.zeros(len(hessian), dtype=hessian.dtype)},
        hvp=lambda vector: hessian @ vector,
        memory=memory,
    )
    return SHARPNESS.read(snapshot)


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


def test_sharpness_of_linear_regression_by_double_backward() -> None:
    X, y, hessian = regression()

    def product(vector: Tensor) -> Tensor:
        with torch.enable_grad():
            w = torch.zeros(6, dtype=torch.float64, requires_grad=True)
            (slope,) = torch.autograd.grad((X @ w - y).square().mean(), w, create_graph=True)
            return torch.autograd.grad(slope, w, vector)[0]

    memory: dict[str, Tensor] = {}
    snapshot = Snapshot(
        step=1, weights={"w": torch.zeros(6, dtype=torch.float64)}, hvp=product, memory=memory
    )
    with torch.no_grad():
        values = [SHARPNESS.read(snapshot)["sharpness"] for _ in range(5)]
    top = torch.linalg.eigvalsh(hessian)[-1]
    assert float(values[-1]) == pytest.approx(float(top), rel=1e-6)


def test_sharpness_converges_from_below_with_its_residual() -> None:
    root = normal(50, 50)
    hessian = root @ root.T / 50
    memory: dict[str, Tensor] = {}
    top = float(torch.linalg.eigvalsh(hessian)[-1])
    readings = [sharpness(hessian, memory) for _ in range(30)]
    values = [float(r["sharpness"]) for r in readings]
    assert all(value <= top + 1e-9 for value in values)
    assert all(b >= a - 1e-9 for a, b in itertools.pairwise(values))
    assert values[-1] == pytest.approx(top, rel=1e-3)
    assert float(readings[-1]["sharpness.residual"]) < float(readings[0]["sharpness.residual"])


def test_sharpness_follows_a_slowly_turning_hessian() -> None:
    """Within 5% of the true eigenvalue in 95% of observations once warm."""
    start, end = (x @ x.T / 60 for x in (normal(60, 60), normal(60, 60, seed=1)))
    memory: dict[str, Tensor] = {}
    misses = 0
    for step in range(100):
        hessian = start * (1 - step / 100) + end * step / 100
        value = float(sharpness(hessian, memory)["sharpness"])
        top = float(torch.linalg.eigvalsh(hessian)[-1])
        misses += step >= 5 and abs(value / top - 1) > 0.05
    assert misses <= 4


@given(
    values=st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=12), seed=st.integers(0, 99)
)
@settings(max_examples=100, deadline=None)
def test_an_eigenvalue_lies_within_the_residual(values: list[float], seed: int) -> None:
    diagonal = torch.tensor(values, dtype=torch.float64)
    pair = top_eigenvalue(lambda v: diagonal * v, normal(len(values), seed=seed))
    assert float((diagonal - pair.value).abs().min()) <= float(pair.residual) + 1e-9
    assert float(pair.value) <= max(values) + 1e-9
    assert float(torch.linalg.vector_norm(pair.vector)) == pytest.approx(1)


@pytest.mark.parametrize("top", [-2.0, 0.0, 3.0])
def test_start_that_is_an_eigenvector_already(top: float) -> None:
    diagonal = torch.tensor([top, -5.0, -6.0])
    pair = top_eigenvalue(lambda v: diagonal * v, torch.tensor([1.0, 0.0, 0.0]))
    assert (float(pair.value), float(pair.residual)) == (top, 0.0)
    assert pair.vector.abs().tolist() == [1.0, 0.0, 0.0]


def test_four_products_find_a_matrix_of_four_eigenvalues() -> None:
    diagonal = torch.tensor([-9.0, -1.0, 2.0, 5.0], dtype=torch.float64).repeat(5)
    pair = top_eigenvalue(lambda v: diagonal * v, normal(20))
    assert float(pair.value) == pytest.approx(5)
    assert float(pair.residual) == pytest.approx(0, abs=1e-6)


def test_start_vector_is_used_again_only_where_it_fits() -> None:
    memory: dict[str, Tensor] = {"sharpness": torch.ones(3, dtype=torch.float64)}
    sharpness(torch.eye(4, dtype=torch.float64), memory)
    assert memory["sharpness"].shape == (4,)


def test_products_that_are_not_finite_keep_the_start() -> None:
    start = torch.tensor([1.0, 0.0])
    pair = top_eigenvalue(lambda v: v * math.nan, start)
    assert math.isnan(pair.value)
    assert math.isnan(pair.residual)
    assert torch.equal(pair.vector, start)


def test_update_curvature_of_a_model_with_a_parameter_that_nothing_reaches() -> None:
    old, new, idle = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 2.0]), torch.zeros(3)
    gradients, previous = {"w": 6 * new}, {"w": 6 * old}
    curvature = update_curvature(gradients, previous, {"w": new - old, "idle": idle})
    assert curvature == 6.0
