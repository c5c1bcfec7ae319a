"""The trace's estimate: exact where it can be, right on average, and as far off as it says."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

from grokwatch.monitor.signals.trace import (
    NUM_PRODUCTS,
    SIGNALS,
    hutchinson_trace,
    random_signs,
)
from grokwatch.monitor.snapshot import WHOLE, Part, Readings, Snapshot


def power_law(size: int = 60, exponent: float = 1.0) -> tuple[Tensor, Tensor]:
    """A matrix with eigenvalues 1/k^exponent, and its top eigenvector."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))[0]
    values = torch.arange(1, size + 1, dtype=torch.float64) ** -exponent
    return basis * values @ basis.T, basis[:, 0]


def signs(seed: int, count: int, size: int) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        yield 2.0 * torch.randint(2, (size,), generator=generator).double() - 1


class Matrix:
    """A landscape of a given Hessian, where the loss is 1/4."""

    num_examples = 1
    dtype = torch.float64

    def __init__(self, hessian: Tensor) -> None:
        self.hessian = hessian
        self.products = 0

    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        self.products += 1
        return self.hessian @ vector

    def loss(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        return torch.tensor(0.25)

    gradient = loss


def read(hessian: Tensor, memory: dict[str, Tensor]) -> tuple[Readings, int]:
    landscape = Matrix(hessian)
    weights = {"w": torch.full((len(hessian),), 2.0)}
    snapshot = Snapshot(step=1, weights=weights, landscape=landscape, memory=memory)
    return SIGNALS[0].read(snapshot), landscape.products


def multiply(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda vector: matrix @ vector


def test_diagonal_is_exact_and_its_error_is_0() -> None:
    diagonal = torch.linspace(-3, 5, 9, dtype=torch.float64)
    estimate = hutchinson_trace(lambda v: diagonal * v, signs(0, 3, 9))
    assert float(estimate.value) == pytest.approx(9)
    assert float(estimate.error) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("is_deflated", [False, True])
def test_intervals_cover_the_trace(is_deflated: bool) -> None:
    matrix, top = power_law()
    count = NUM_PRODUCTS - is_deflated
    width = stats.t.ppf(0.975, count - 1)
    covered, errors = 0, []
    for seed in range(200):
        known = top if is_deflated else None
        value, error = hutchinson_trace(multiply(matrix), signs(seed, count, 60), known)
        errors.append(float(value - matrix.trace()))
        covered += abs(errors[-1]) <= width * float(error)
    assert 0.90 <= covered / 200 <= 0.99
    spread = torch.tensor(errors)
    assert abs(float(spread.mean())) < 3 * float(spread.std()) / math.sqrt(200)


def test_any_known_vector_leaves_the_mean_and_an_eigenvector_narrows_it() -> None:
    matrix, top = power_law(exponent=2.0)
    spreads = []
    for known in (None, torch.ones(60, dtype=torch.float64), 3 * top):
        values = torch.stack(
            [hutchinson_trace(multiply(matrix), signs(s, 9, 60), known).value for s in range(200)]
        )
        spreads.append(float(values.std()))
        assert abs(float(values.mean() - matrix.trace())) < 3 * spreads[-1] / math.sqrt(200)
    assert spreads[2] < spreads[0] / 2


def test_matrix_of_rank_one_is_exact_once_sharpness_has_its_vector() -> None:
    top = torch.linspace(-1, 2, 20, dtype=torch.float64)
    hessian = torch.outer(top, top)
    blind, num_blind = read(hessian, {})
    seeing, num_seeing = read(hessian, {"sharpness": top})
    assert num_blind == num_seeing == NUM_PRODUCTS
    assert float(blind["hessian_trace.error"]) > 1
    assert float(seeing["hessian_trace"]) == pytest.approx(float(top @ top))
    assert float(seeing["hessian_trace.error"]) == pytest.approx(0, abs=1e-9)


def test_vector_of_another_model_is_not_used() -> None:
    hessian = power_law()[0]
    expected, _ = read(hessian, {})
    for other in (torch.ones(3), torch.ones(2, 60), torch.ones(())):
        assert torch.equal(
            read(hessian, {"sharpness": other})[0]["hessian_trace"], expected["hessian_trace"]
        )


def test_normalized_by_weights_and_by_loss() -> None:
    readings, _ = read(torch.diag(torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)), {})
    assert float(readings["hessian_trace"]) == pytest.approx(9)
    assert float(readings["hessian_trace.normalized"]) == pytest.approx(9 * 12 / 3)
    assert float(readings["hessian_trace.per_loss"]) == pytest.approx(36)


def test_error_does_not_wander_while_the_matrix_stays() -> None:
    """The same signs every time: the change of an estimate is better known than its level."""
    hessian, _ = power_law()
    before, after = (read(hessian * scale, {})[0] for scale in (1.0, 1.01))
    change = float(after["hessian_trace"] / before["hessian_trace"])
    assert change == pytest.approx(1.01, rel=1e-9)
    assert float(before["hessian_trace.error"]) > 0.01 * float(before["hessian_trace"])


def test_signs_are_the_same_for_each_model_and_independent_of_each_other() -> None:
    one = torch.stack(list(random_signs(4000, 4, torch.ones(1))))
    two = torch.stack(list(random_signs(4000, 4, torch.ones(1), (2,))))
    assert torch.equal(one.abs(), torch.ones(4, 4000))
    assert torch.equal(two, torch.stack([one, one], 1))
    correlation = one @ one.T / 4000 - torch.eye(4)
    assert float(correlation.abs().max()) < 4 / math.sqrt(4000)
