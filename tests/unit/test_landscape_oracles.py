"""Landscape signals against closed forms, the whole train set, and an independent library.

Autograd checked against autograd would share its mistakes, so the Hessians of linear, logistic and
softmax regression are written down by hand, and curvlinops multiplies with those of a network.
"""

import dataclasses
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from scipy.sparse.linalg import eigsh  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from grokwatch.monitor.curvature import Curvature
from grokwatch.monitor.signals.commutator import commutator_defect
from grokwatch.monitor.signals.noise_scale import gradient_noise
from grokwatch.monitor.signals.sharpness import SIGNALS as SHARPNESS
from grokwatch.monitor.signals.sharpness import top_eigenvalue
from grokwatch.monitor.signals.trace import SIGNALS as TRACE
from grokwatch.monitor.signals.trace import hutchinson_trace, random_signs
from grokwatch.monitor.snapshot import Part, Snapshot

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its imports use what torch has deprecated
    import curvlinops  # type: ignore[import-untyped]

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # curvlinops

N, D, C = 60, 5, 3


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(outputs: int) -> nn.Linear:
    module = nn.Linear(D, outputs, bias=False).double()
    module.weight.data = normal(outputs, D, seed=7)
    return module


def linear_regression() -> tuple[Curvature, Tensor, Tensor]:
    """Mean squared error: gradient (2/N) X^T (Xw - y), Hessian (2/N) X^T X."""
    X, y, module = normal(N, D), normal(N, seed=1), linear(1)
    w = module.weight.detach()[0]
    landscape = Curvature(module, lambda m, b: mse_loss(m(b[0])[:, 0], b[1]), (X, y))
    return landscape, 2 / N * X.T @ (X @ w - y), 2 / N * X.T @ X


def logistic_regression() -> tuple[Curvature, Tensor, Tensor]:
    """Mean log loss: gradient X^T (p - y) / N, Hessian X^T diag(p (1 - p)) X / N."""
    X, y, module = normal(N, D), (normal(N, seed=1) > 0).double(), linear(1)
    p = (X @ module.weight.detach()[0]).sigmoid()

    def loss(m: nn.Module, b: tuple[Tensor, Tensor]) -> Tensor:
        return binary_cross_entropy_with_logits(m(b[0])[:, 0], b[1])

    return Curvature(module, loss, (X, y)), X.T @ (p - y) / N, X.T * (p * (1 - p)) @ X / N


def softmax_regression() -> tuple[Curvature, Tensor, Tensor]:
    """Mean cross-entropy: sum over rows of (diag(p) - p p^T) kron x x^T, over N."""
    X, y, module = normal(N, D), torch.arange(N) % C, linear(C)
    p = (X @ module.weight.detach().T).softmax(-1)
    gradient = (p - torch.eye(C, dtype=p.dtype)[y]).T @ X / N
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    hessian = sum(torch.kron(a, torch.outer(x, x)) for a, x in zip(inner, X, strict=True))
    landscape = Curvature(module, lambda m, b: cross_entropy(m(b[0]), b[1]), (X, y))
    return landscape, gradient.reshape(-1), torch.as_tensor(hessian) / N


Record = Callable[[str, object], None]
Regression = Callable[[], tuple[Curvature, Tensor, Tensor]]
regressions = pytest.mark.parametrize(
    "regression", [linear_regression, logistic_regression, softmax_regression]
)


@regressions
def test_gradient_and_products_have_their_closed_form(regression: Regression) -> None:
    landscape, gradient, hessian = regression()
    torch.testing.assert_close(landscape.gradient(), gradient)
    columns = [landscape.product(e) for e in torch.eye(len(hessian), dtype=torch.float64)]
    torch.testing.assert_close(torch.stack(columns), hessian)


@regressions
def test_sharpness_has_its_closed_form(regression: Regression) -> None:
    landscape, _, hessian = regression()
    snapshot = snapshot_of(landscape, len(hessian))
    readings = [SHARPNESS[0].read(snapshot)["sharpness"] for _ in range(8)]
    assert float(readings[-1]) == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]))


@regressions
def test_trace_has_its_closed_form(regression: Regression) -> None:
    landscape, _, hessian = regression()
    count = 400
    signs = random_signs(len(hessian), count, hessian)
    estimate = hutchinson_trace(landscape.product, signs)
    assert abs(float(estimate.value - hessian.trace())) < 3 * float(estimate.error)
    assert float(estimate.error) < 0.1 * float(hessian.trace())


@regressions
def test_slope_of_the_loss_is_its_gradient(regression: Regression) -> None:
    landscape, gradient, hessian = regression()
    d = normal(len(gradient), seed=3) * 1e-3
    rise = landscape.loss(d) - landscape.loss()
    expected = gradient @ d + d @ hessian @ d / 2
    assert float(rise) == pytest.approx(float(expected), rel=1e-5)


def test_noise_scale_of_linear_regression() -> None:
    """Each example's gradient is 2 x (x . w - y)."""
    landscape, gradient, _ = linear_regression()
    X, y = normal(N, D), normal(N, seed=1)
    each = 2 * X * (X @ linear(1).weight.detach()[0] - y)[:, None]
    noise = gradient_noise(lambda part: landscape.gradient(part=part), N, N)
    assert float(noise.variance) == pytest.approx(float((each - gradient).square().sum(-1).mean()))
    assert float(noise.squared_mean) == pytest.approx(float(gradient @ gradient))


def snapshot_of(landscape: Curvature, size: int) -> Snapshot:
    return Snapshot(step=1, weights={"w": torch.ones(size).double()}, landscape=landscape)


def test_sharpness_of_sub_batches_is_biased_upward(
    record_property: Callable[[str, object], None],
) -> None:
    """A maximum is convex in the Hessian, so its mean over sub-batches is above its value."""
    biases = []
    for seed in range(20):
        X = normal(512, 20, seed=seed)
        w, full = normal(20, seed=99), top_of(X)
        whole = Curvature(linear_of(w), squared_error, (X, X @ w))
        parts = [top_of_landscape(whole, 20, (i, 8)) for i in range(8)]
        assert parts == pytest.approx([top_of(X[i::8]) for i in range(8)], rel=1e-3)
        biases.append(sum(parts) / 8 / full - 1)
    bias = torch.tensor(biases)
    record_property("relative bias of sharpness on 64 of 512 examples", float(bias.mean()))
    assert float(bias.min()) > 0
    assert 0.2 < float(bias.mean()) < 0.7


def test_trace_of_sub_batches_is_not_biased() -> None:
    """The trace is linear in the Hessian: sub-batches agree with the train set on average."""
    X, w = normal(512, 20), normal(20, seed=99)
    whole = Curvature(linear_of(w), squared_error, (X, X @ w))
    signs = list(random_signs(20, 10, X))

    def trace_of(part: Part) -> Tensor:
        return hutchinson_trace(lambda v: whole.product(v, part=part), signs).value

    parts = torch.stack([trace_of((i, 8)) for i in range(8)])
    assert float(parts.mean()) == pytest.approx(float(trace_of((0, 1))))


def top_of(X: Tensor) -> float:
    return float(torch.linalg.eigvalsh(2 / len(X) * X.T @ X)[-1])


def top_of_landscape(landscape: Curvature, size: int, part: Part) -> float:
    start = torch.ones(size, dtype=torch.float64)
    return float(top_eigenvalue(lambda v: landscape.product(v, part=part), start, 20, 1e-9).value)


def linear_of(w: Tensor) -> nn.Linear:
    module = nn.Linear(len(w), 1, bias=False).double()
    module.weight.data = w[None].clone()
    return module


def squared_error(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return mse_loss(module(batch[0])[:, 0], batch[1])


class Oracle:
    """A small trained network, its landscape here, and curvlinops' operator on the same loss."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        batch = (torch.randn(96, 6).double(), torch.randint(4, (96,)))
        self.module = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 4)).double()
        optimizer = torch.optim.AdamW(self.module.parameters(), lr=1e-2)
        for _ in range(60):
            optimizer.zero_grad()
            loss: Tensor = cross_entropy(self.module(batch[0]), batch[1])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        self.landscape = Curvature(self.module, lambda m, b: cross_entropy(m(b[0]), b[1]), batch)
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        self.batch, self.parameters = batch, parameters
        self.operator = self.operate(*batch)
        self.size = sum(p.numel() for p in parameters)
        self.hessian = self.operator @ torch.eye(self.size, dtype=torch.float64)

    def operate(self, inputs: Tensor, targets: Tensor) -> Any:
        data = [(inputs, targets)]
        loss = nn.CrossEntropyLoss()
        return curvlinops.HessianLinearOperator(self.module, loss, self.parameters, data)

    def half(self, index: int) -> tuple[Tensor, Any]:
        operator = self.operate(*(x[index::2] for x in self.batch))
        gradients, _ = operator.gradient_and_loss()
        return torch.cat([g.reshape(-1) for g in gradients]), operator

    def snapshot(self) -> Snapshot:
        weights = {name: p.detach() for name, p in self.module.named_parameters()}
        return Snapshot(step=1, weights=weights, landscape=self.landscape)


@cache
def oracle() -> Oracle:
    with torch.random.fork_rng():
        return Oracle()


def test_loss_gradient_and_product_agree_with_curvlinops() -> None:
    gradients, loss = oracle().operator.gradient_and_loss()
    torch.testing.assert_close(oracle().landscape.loss(), loss)
    flat = torch.cat([g.reshape(-1) for g in gradients])
    torch.testing.assert_close(oracle().landscape.gradient(), flat)
    vector = normal(oracle().size)
    torch.testing.assert_close(oracle().landscape.product(vector), oracle().operator @ vector)


def test_sharpness_agrees_with_curvlinops() -> None:
    top = eigsh(oracle().operator.to_scipy(), k=1, which="LA", return_eigenvectors=False)[0]
    snapshot = oracle().snapshot()
    readings = [SHARPNESS[0].read(snapshot) for _ in range(20)]
    assert float(readings[-1]["sharpness"]) == pytest.approx(top, rel=1e-6)
    assert float(readings[4]["sharpness"]) == pytest.approx(top, rel=0.05)


def test_preconditioned_sharpness_agrees_with_curvlinops() -> None:
    scale = normal(oracle().size, seed=5).exp()
    shapes = {name: p.shape for name, p in oracle().module.named_parameters()}
    pieces = torch.split(scale, [shape.numel() for shape in shapes.values()])
    parts = {n: piece.view(s) for (n, s), piece in zip(shapes.items(), pieces, strict=True)}
    snapshot = dataclasses.replace(oracle().snapshot(), preconditioner=parts)
    for _ in range(20):
        readings = SHARPNESS[1].read(snapshot)
    top = torch.linalg.eigvals(oracle().hessian / scale[:, None]).real.max()
    value = float(readings["preconditioned_sharpness"])
    assert value == pytest.approx(float(top), rel=1e-5)


def test_trace_agrees_with_curvlinops() -> None:
    truth = float(oracle().hessian.trace())
    snapshot = oracle().snapshot()
    for _ in range(5):
        SHARPNESS[0].read(snapshot)
    readings = TRACE[0].read(snapshot)
    width = 2.31 * float(readings["hessian_trace.error"])  # 95 % of Student's t at 8 degrees
    assert abs(float(readings["hessian_trace"]) - truth) < width
    assert width < truth
    many = hutchinson_trace(
        oracle().landscape.product, random_signs(oracle().size, 300, oracle().hessian)
    )
    assert float(many.value) == pytest.approx(truth, rel=0.05)


def test_commutator_agrees_with_curvlinops_on_halves() -> None:
    landscape, pair = oracle().landscape, ((0, 2), (1, 2))
    value = commutator_defect(
        lambda part: landscape.gradient(part=part),
        lambda vector, part: landscape.product(vector, part=part),
        pair,
    )
    (g, H), (h, K) = (oracle().half(i) for i in range(2))
    expected = (K @ g - H @ h).norm() / (g.norm() * h.norm())
    assert float(value) == pytest.approx(float(expected))
