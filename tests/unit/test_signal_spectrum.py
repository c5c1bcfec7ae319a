"""Spectra and norms in closed form."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals import spectrum, weights
from grokwatch.monitor.signals.sparsity import energy_shares
from grokwatch.monitor.signals.spectrum import (
    MOST_DIRECTIONS,
    spectral_entropy,
    spectral_entropy_rank,
    squared_singular_values,
    stable_rank,
)
from grokwatch.monitor.signals.weights import parameter_norm
from grokwatch.monitor.snapshot import Snapshot


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def read(matrix: Tensor) -> dict[str, float]:
    snapshot = Snapshot(step=1, matrices={"hidden": matrix})
    values = [signal.read(snapshot) for signal in spectrum.SIGNALS]
    return {key: float(value) for each in values for key, value in each.items()}


@pytest.mark.parametrize("shape", [(7, 7), (3, 9), (9, 3), (1, 5)])
def test_squares_agree_with_svd(shape: tuple[int, int]) -> None:
    W = normal(2, *shape)
    expected = torch.linalg.svdvals(W).square().flip(-1)
    torch.testing.assert_close(squared_singular_values(W), expected, rtol=1e-9, atol=1e-12)


def test_squares_are_found_once() -> None:
    snapshot = Snapshot(step=1, matrices={"hidden": normal(3, 4)})
    squares = spectrum.squares_of_role(snapshot, "hidden")
    assert torch.equal(squares, squared_singular_values(normal(3, 4)))
    assert spectrum.squares_of_role(snapshot, "hidden") is squares


def test_outer_product_has_rank_one() -> None:
    values = read(torch.outer(normal(9), normal(5, seed=1)))
    assert values["stable_rank@hidden"] == pytest.approx(1)
    assert values["spectral_entropy_rank@hidden"] == pytest.approx(1, abs=1e-9)
    assert values["spectral_entropy@hidden"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_orthogonal_rows_and_no_rows_use_all_directions(fill: float) -> None:
    values = read(torch.eye(4, 6) * fill)
    assert values["stable_rank@hidden"] == pytest.approx(4)
    assert values["spectral_entropy_rank@hidden"] == pytest.approx(4)
    assert values["spectral_entropy@hidden"] == pytest.approx(1)


def test_two_unequal_directions() -> None:
    values = read(torch.diag(torch.tensor([1.0, math.sqrt(3.0), 0.0])))
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert values["spectral_entropy@hidden"] == pytest.approx(entropy / math.log(3))
    assert values["spectral_entropy_rank@hidden"] == pytest.approx(math.exp(entropy))
    assert values["stable_rank@hidden"] == pytest.approx(4 / 3)


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_ranks_are_ordered(values: list[float]) -> None:
    """Renyi entropies fall with their order: stable rank <= spectral-entropy rank <= r."""
    shares = energy_shares(torch.tensor(values, dtype=torch.float64))
    low, high = float(stable_rank(shares)), float(spectral_entropy_rank(shares))
    assert 1 - 1e-9 <= low <= high + 1e-9 <= len(values) + 1e-8
    assert float(spectral_entropy(shares)) <= 1 + 1e-9


def test_one_model_that_diverged_leaves_the_others_alone() -> None:
    W = normal(3, 5, 4)
    W[1, 0, 0] = math.nan
    squares = squared_singular_values(W)
    assert squares.isnan().any(-1).tolist() == [False, True, False]
    torch.testing.assert_close(squares[2], squared_singular_values(W[2]))


def test_matrix_too_large_to_decompose() -> None:
    side = MOST_DIRECTIONS + 1
    with pytest.raises(SignalError, match=r"Expected .* at most 1024, got 1025 x 1025. Try"):
        squared_singular_values(torch.empty(side, side))


@pytest.mark.parametrize(("order", "expected"), [(2.0, 13.0), (1.0, 19.0)])
def test_norm_of_all_parameters(order: float, expected: float) -> None:
    parameters = [torch.tensor([[3.0, -4.0]]), torch.tensor(12.0)]
    assert float(parameter_norm(parameters, order=order)) == pytest.approx(expected)
    twice = [torch.stack([p, 2 * p]) for p in parameters]
    both = parameter_norm(twice, models=(2,), order=order)
    torch.testing.assert_close(both, torch.tensor([expected, 2 * expected]))


def test_weight_norm_in_total_and_by_role() -> None:
    snapshot = Snapshot(
        step=1,
        weights={"a": torch.tensor([3.0]), "b": torch.tensor([4.0])},
        matrices={"hidden": torch.full((2, 2), 2.0)},
    )
    readings = {
        key: float(value)
        for signal in weights.SIGNALS
        if signal.name.startswith("weight_norm")
        for key, value in signal.read(snapshot).items()
    }
    assert readings == {
        "weight_norm": 5.0,
        "weight_norm@hidden": 4.0,
        "weight_norm_l1": 7.0,
        "weight_norm_l1@hidden": 8.0,
    }
