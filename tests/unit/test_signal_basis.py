"""Evidence for a basis: found where it is there, none on noise, and the null is the right one."""

import itertools
import math
from collections.abc import Callable
from unittest import mock

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals import basis
from grokwatch.monitor.signals.basis import LEAST_EVIDENCE, basis_evidence, known_basis
from grokwatch.monitor.signals.characters import powers_of_primitive_root
from grokwatch.monitor.signals.fourier import power_spectrum
from grokwatch.monitor.signals.sparsity import energy_shares, gini_coefficient


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def additive(P: int, frequencies: list[int]) -> Tensor:
    tokens = torch.arange(P, dtype=torch.float64)
    return torch.stack([(2 * math.pi * k * tokens / P + k).cos() for k in frequencies], -1)


def multiplicative(P: int, frequencies: list[int]) -> Tensor:
    waves = torch.zeros(P, len(frequencies), dtype=torch.float64)
    waves[list(powers_of_primitive_root(P))] = additive(P - 1, frequencies)
    return waves


def found(W: Tensor) -> str | None:
    return known_basis({name: float(z) for name, z in basis_evidence(W).items()})


@pytest.mark.parametrize("frequencies", [[3], [1, 4, 9], list(range(1, 16))])
@pytest.mark.parametrize(
    ("name", "waves"), [("additive", additive), ("multiplicative", multiplicative)]
)
def test_pure_waves_are_found(
    name: str, waves: Callable[[int, list[int]], Tensor], frequencies: list[int]
) -> None:
    """Also where neurons use all frequencies, so that their sum has none that stands out."""
    evidence = basis_evidence(waves(31, frequencies))
    (other,) = {"additive", "multiplicative"} - {name}
    assert float(evidence["best"]) > LEAST_EVIDENCE
    assert float(evidence[name]) > LEAST_EVIDENCE > float(evidence[other])
    assert found(waves(31, frequencies)) == name


def test_faint_waves_are_found_in_a_layer_too_wide_to_read_whole() -> None:
    W = additive(67, [5, 9, 21]) @ normal(3, 500) + 0.8 * normal(67, 500, seed=1)
    assert found(W) == "additive"
    assert found(normal(67, 500)) is None


def test_waves_with_labels_shuffled_are_no_known_basis() -> None:
    order = torch.randperm(31, generator=torch.Generator().manual_seed(3))
    assert found(additive(31, [1, 4, 9])[order]) is None


def test_noise_has_mean_zero_and_spread_one_and_no_basis() -> None:
    runs = 200
    evidence = basis_evidence(normal(runs, 31, 8, seed=5))
    for name, z in evidence.items():
        assert float(z.mean()) == pytest.approx(0, abs=4 / runs**0.5 + 0.1), (
            name
        )  # the draws err too
        assert float(z.std()) == pytest.approx(1, abs=0.25), name
    assert (evidence["best"] < LEAST_EVIDENCE).all()


def test_maximum_is_paid_for() -> None:
    """The greater of two independent scores is above zero on average; the corrected one is not."""
    evidence = basis_evidence(normal(200, 31, 8, seed=6))
    greater = torch.maximum(evidence["additive"], evidence["multiplicative"])
    assert float(greater.mean()) > 0.35
    assert float(evidence["best"].mean()) < 0.35


def test_null_is_that_of_all_permutations_on_a_small_group() -> None:
    W = normal(5, 3)
    orders = torch.tensor(list(itertools.permutations(range(5))))
    ginis = gini_coefficient(energy_shares(power_spectrum(W[orders]))).mean(-1)
    exact = (ginis[0] - ginis.mean()) / ginis.std()
    assert float(basis_evidence(W)["additive"]) == pytest.approx(float(exact), abs=0.3)


@pytest.mark.parametrize("P", [2, 3, 4, 9])
def test_without_multiplicative_characters_there_is_one_basis(P: int) -> None:
    evidence = basis_evidence(normal(P, 4))
    assert set(evidence) == {"best", "additive"}
    assert all(math.isfinite(z) for z in evidence.values())


@pytest.mark.parametrize("W", [torch.zeros(11, 3), torch.ones(11, 3), torch.eye(11)[:, 1:2]])
def test_weights_that_no_permutation_changes_have_no_basis(W: Tensor) -> None:
    evidence = basis_evidence(W)
    assert all(abs(float(z)) < 1 for z in evidence.values())


@pytest.mark.parametrize("most", [1, 1000])
def test_permuting_a_few_at_a_time_changes_nothing(most: int) -> None:
    W = normal(11, 3)
    expected = basis_evidence(W)
    with mock.patch.object(basis, "_MOST_MOVED", most):
        for name, z in basis_evidence(W).items():
            torch.testing.assert_close(z, expected[name])


def test_no_known_basis_below_four_deviations() -> None:
    assert known_basis({"best": 3.9, "additive": 4.2, "multiplicative": 1.0}) is None
    assert known_basis({"best": 4.0, "additive": 4.2, "multiplicative": 1.0}) == "additive"
    assert known_basis({"best": math.nan, "additive": math.nan}) is None
