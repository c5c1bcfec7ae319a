"""Sharpness on losses whose Hessian is known."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from grokwatch.monitor.signals.sharpness import SIGNALS, preconditioned, top_eigenvalue
from grokwatch.monitor.snapshot import WHOLE, Part, Readings, Snapshot

SHARPNESS, PRECONDITIONED = SIGNALS


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Multiplies:
    """A landscape of which only products are known, and that the loss is 1/2."""

    num_examples = 1
    dtype = torch.float64

    def __init__(self, multiply: Callable[[Tensor], Tensor]) -> None:
        self.multiply = multiply

    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        return self.multiply(vector)

    def loss(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        return torch.tensor(0.5)

    gradient = loss


def sharpness(hessian: Tensor, memory: dict[str, Tensor]) -> Readings:
    snapshot = Snapshot(
        step=1,
        weights={"w": torch.full((len(hessian),), 2.0, dtype=hessian.dtype)},
        landscape=Multiplies(lambda vector: hessian @ vector),
        memory=memory,
    )
    return SHARPNESS.read(snapshot)


def regression() -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets, and the Hessian (2/N) X^T X of the mean squared error."""
    X, y = normal(40, 6), normal(40, seed=1)
    return X, y, 2 / 40 * X.T @ X


def test_sharpness_of_linear_regression_by_double_backward() -> None:
    X, y, hessian = regression()

    def product(vector: Tensor) -> Tensor:
        with torch.enable_grad():
            w = torch.zeros(6, dtype=torch.float64, requires_grad=True)
            (slope,) = torch.autograd.grad((X @ w - y).square().mean(), w, create_graph=True)
            return torch.autograd.grad(slope, w, vector)[0]

    memory: dict[str, Tensor] = {}
    snapshot = Snapshot(
        step=1,
        weights={"w": torch.zeros(6, dtype=torch.float64)},
        landscape=Multiplies(product),
        memory=memory,
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


def test_normalized_by_weights_and_by_loss() -> None:
    readings = sharpness(torch.diag(torch.tensor([1.0, -9.0, 5.0], dtype=torch.float64)), {})
    assert float(readings["sharpness"]) == pytest.approx(5)
    assert float(readings["sharpness.normalized"]) == pytest.approx(5 * 12)
    assert float(readings["sharpness.per_loss"]) == pytest.approx(10)


def adam_view(hessian: Tensor, preconditioner: dict[str, Tensor], steps: int) -> Readings:
    size = len(hessian) // 2
    snapshot = Snapshot(
        step=1,
        weights={"a": torch.ones(size).double(), "b": torch.ones(len(hessian) - size).double()},
        landscape=Multiplies(lambda vector: hessian @ vector),
        preconditioner=preconditioner,
        memory={},
    )
    for _ in range(steps):
        readings = PRECONDITIONED.read(snapshot)
    assert snapshot.memory.keys() == {"preconditioned_sharpness"}
    return readings


def test_preconditioned_sharpness_is_the_top_eigenvalue_of_p_inverse_h() -> None:
    root, scale = normal(12, 12), normal(12, seed=1).exp()
    hessian = root @ root.T / 12
    readings = adam_view(hessian, {"a": scale[:6], "b": scale[6:]}, 30)
    top = torch.linalg.eigvals(hessian / scale[:, None]).real.max()
    assert float(readings["preconditioned_sharpness"]) == pytest.approx(float(top), rel=1e-6)


def test_parameters_without_a_preconditioner_do_not_count() -> None:
    hessian = torch.diag(torch.tensor([2.0, 3.0, 100.0, 100.0], dtype=torch.float64))
    readings = adam_view(hessian, {"a": torch.full((2,), 0.5)}, 3)
    assert float(readings["preconditioned_sharpness"]) == pytest.approx(6)
    multiply = preconditioned(lambda v: hessian @ v, torch.zeros(4, dtype=torch.float64))
    assert multiply(torch.ones(4, dtype=torch.float64)).tolist() == [0.0] * 4


def test_gradient_descent_with_a_preconditioner_is_stable_up_to_two_over_sharpness() -> None:
    """The threshold that the signal is for: lr times preconditioned sharpness against 2."""
    root, scale = normal(8, 8), normal(8, seed=1).exp()
    hessian = root @ root.T / 8
    readings = adam_view(hessian, {"a": scale[:4], "b": scale[4:]}, 30)
    for share, grows in ((0.98, False), (1.02, True)):
        lr = share * 2 / float(readings["preconditioned_sharpness"])
        w = normal(8, seed=2)
        before = torch.linalg.vector_norm(w)
        for _ in range(2000):
            w = w - lr * (hessian @ w) / scale
        assert bool(torch.linalg.vector_norm(w) > before) == grows


def counted(spectrum: Tensor, start: Tensor, **options: float) -> tuple[float, float, int]:
    """Value and residual over the value, and how many products they took."""
    calls: list[Tensor] = []

    def multiply(vector: Tensor) -> Tensor:
        calls.append(vector)
        return spectrum * vector

    pair = top_eigenvalue(multiply, start, **options)  # type: ignore[arg-type]
    return float(pair.value), float(pair.residual / pair.value), len(calls)


def test_as_many_products_as_the_residual_asks_for() -> None:
    hard = torch.linspace(0, 10, 200, dtype=torch.float64)
    easy = torch.cat([hard[:-1] / 100, hard[-1:]])
    _, near, few = counted(easy, normal(200))
    _, far, more = counted(hard, normal(200))
    assert few == 4 < more <= 16
    assert max(near, far) <= 0.05
    _, rough, most = counted(hard, normal(200), tolerance=1e-9)
    assert most == 16
    assert rough > 1e-9


def test_a_stack_stops_each_model_where_it_would_stop_alone() -> None:
    hard = torch.linspace(0, 10, 200, dtype=torch.float64)
    spectra = torch.stack([torch.cat([hard[:-1] / 100, hard[-1:]]), hard])
    start = normal(200)
    together = top_eigenvalue(lambda v: spectra * v, start.expand(2, 200))
    for index, spectrum in enumerate(spectra):
        alone = top_eigenvalue(lambda v, s=spectrum: s * v, start)  # type: ignore[misc]
        assert float(together.value[index]) == pytest.approx(float(alone.value), rel=1e-12)
        assert float(together.residual[index]) == pytest.approx(float(alone.residual), rel=1e-6)
