"""Sparsity measures in closed form, as properties, and their nulls against independent oracles."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special  # type: ignore[import-untyped]
from torch import Tensor

from grokwatch.monitor.signals.nulls import (
    Components,
    entropy_null,
    gini_null,
    participation_null,
    top_null,
)
from grokwatch.monitor.signals.sparsity import (
    DOMINANT_SHARE,
    ENTROPY,
    GINI,
    PARTICIPATION,
    TOP_SHARE,
    Measure,
    dominant_share,
    energy_shares,
    entropy_of_shares,
    excess,
    gini_coefficient,
    inverse_participation_ratio,
    top_share,
)

MEASURES = {
    "gini": GINI,
    "participation": PARTICIPATION,
    "top": TOP_SHARE,
    "dominant": DOMINANT_SHARE,
    "entropy": ENTROPY,
}
each_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
energies = st.lists(st.floats(0, 1e6, width=32), min_size=2, max_size=40)


def spikes(number: int, n: int) -> Tensor:
    return energy_shares((torch.arange(n) < number).double())


@pytest.mark.parametrize("n", [6, 33, 100])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_k_equal_spikes(k: int, n: int) -> None:
    shares = spikes(k, n)
    assert float(gini_coefficient(shares)) == pytest.approx(1 - k / n)
    assert float(inverse_participation_ratio(shares)) == pytest.approx(1 / k)
    assert float(top_share(shares)) == pytest.approx(1)
    assert float(dominant_share(shares)) == pytest.approx(1 / k)
    assert float(entropy_of_shares(shares)) == pytest.approx(math.log(k) / math.log(n))


@pytest.mark.parametrize("level", [0.0, 1e-30, 7.0])
def test_even_energy_is_flat_and_so_is_none(level: float) -> None:
    shares = energy_shares(torch.full((3, 20), level))
    torch.testing.assert_close(shares, torch.full((3, 20), 0.05))
    assert float(gini_coefficient(shares).amax()) == pytest.approx(0, abs=1e-6)
    assert float(inverse_participation_ratio(shares).amax()) == pytest.approx(1 / 20)
    assert float(top_share(shares).amax()) == pytest.approx(5 / 20)
    assert float(dominant_share(shares).amax()) == pytest.approx(1 / 20)
    assert float(entropy_of_shares(shares).amin()) == pytest.approx(1)


def test_gini_of_a_ramp() -> None:
    n = 9  # shares proportional to 1 .. n have a Gini coefficient of (n - 1) / (3 n)
    shares = energy_shares(torch.arange(1.0, n + 1))
    assert float(gini_coefficient(shares)) == pytest.approx((n - 1) / (3 * n))


def test_gini_is_the_mean_distance_of_all_pairs() -> None:
    shares = energy_shares(torch.rand(4, 17, generator=torch.Generator().manual_seed(0)))
    distances = (shares[:, :, None] - shares[:, None, :]).abs().sum((-1, -2))
    torch.testing.assert_close(gini_coefficient(shares), distances / (2 * 17))


def test_top_share_of_fewer_components_than_the_top() -> None:
    assert float(top_share(torch.tensor([0.25, 0.75]))) == 1


def test_gini_off_the_cpu_sorts_there() -> None:
    assert gini_coefficient(torch.empty(4, 9, device="meta")).shape == (4,)


@each_measure
@given(values=energies, scale=st.sampled_from([2.0**-20, 8.0, 2.0**30]))
@settings(max_examples=50, deadline=None)
def test_scale_and_order_do_not_matter(measure: Measure, values: list[float], scale: float) -> None:
    energy = torch.tensor(values, dtype=torch.float64)
    expected = measure.of(energy_shares(energy))
    torch.testing.assert_close(measure.of(energy_shares(energy.flip(0) * scale)), expected)


@each_measure
@given(values=energies)
@settings(max_examples=50, deadline=None)
def test_between_flat_and_spike(measure: Measure, values: list[float]) -> None:
    n = len(values)
    value = float(measure.of(energy_shares(torch.tensor(values, dtype=torch.float64))))
    ends = sorted(float(measure.of(spikes(k, n))) for k in (1, n))
    assert ends[0] - 1e-9 <= value <= ends[1] + 1e-9


@each_measure
def test_spike_is_what_one_component_reads(measure: Measure) -> None:
    value = measure.of(spikes(1, 33))
    assert float(value) == pytest.approx(measure.spike(33))
    assert float(measure.excess(value, Components(pairs=33))) == pytest.approx(1)


@pytest.mark.parametrize(
    "components",
    [
        Components(33),
        Components(33, copies=24),
        Components(4, 1),
        Components(4, 1, copies=3),
        Components(0, 30),
        Components(0, 30, copies=64),
        Components(6, 0),
    ],
    ids=str,
)
@each_measure
def test_null_is_the_mean_over_gaussian_weights(measure: Measure, components: Components) -> None:
    draws, generator = 4000, torch.Generator().manual_seed(1)
    normal = torch.randn(
        draws,
        components.copies,
        2 * components.pairs + components.singles,
        generator=generator,
        dtype=torch.float64,
    )
    squares = normal.square().sum(1)
    paired = squares[:, : 2 * components.pairs].reshape(draws, -1, 2).sum(-1)
    energy = torch.cat([paired, squares[:, 2 * components.pairs :]], -1)
    values = measure.of(energy_shares(energy))
    null = measure.null(components)
    assert float(values.mean()) == pytest.approx(null, abs=5 * float(values.std()) / draws**0.5)
    assert float(values.std()) > 0


@pytest.mark.parametrize("copies", [1, 2, 24, 500])
def test_gini_null_has_a_closed_form_for_components_of_one_kind(copies: int) -> None:
    for components, shape in (
        (Components(33, copies=copies), copies),
        (Components(0, 30, copies), copies / 2),
    ):
        n = components.count
        ratio = math.exp(special.gammaln(shape + 0.5) - special.gammaln(shape + 1))
        expected = (1 - 1 / n) * ratio / math.sqrt(math.pi)
        assert gini_null(components) == pytest.approx(expected, rel=1e-6)


def test_published_nulls_at_modulus_67() -> None:
    neuron, layer = Components(33), Components(33, copies=24)
    assert gini_null(neuron) == pytest.approx(0.5 * (1 - 1 / 33), rel=1e-6)
    assert participation_null(neuron) == pytest.approx(2 / 34)
    assert participation_null(layer) == pytest.approx(25 / (33 * 24 + 1))
    assert gini_null(layer) == pytest.approx(0.11, abs=0.002)


def test_top_null_has_a_closed_form_for_one_neuron() -> None:
    for k in (1, 2, 5):  # the j-th greatest of n exponential shares has mean (1/n) sum_{i=j}^n 1/i
        expected = sum(1 / i for j in range(1, k + 1) for i in range(j, 34)) / 33
        assert top_null(Components(33), k) == pytest.approx(expected, rel=1e-6)


def test_nulls_of_a_single_component_leave_no_room() -> None:
    only = Components(0, 1)
    assert entropy_null(only) == 0
    assert top_null(only, 5) == 1
    for measure in MEASURES.values():
        value = measure.of(torch.tensor([1.0]))
        assert float(measure.excess(value, only)) == 0


def test_excess_is_linear_between_null_and_spike() -> None:
    values = excess(torch.tensor([0.2, 0.6, 1.0]), null=0.2, spike=1.0)
    torch.testing.assert_close(values, torch.tensor([0.0, 0.5, 1.0]))
    assert float(excess(torch.tensor(0.0), null=0.2, spike=1.0)) == pytest.approx(-0.25)


@pytest.mark.parametrize("exponent", [-14, -19, -22.7, -22.8, -23])
def test_weights_that_decayed_to_almost_nothing_are_no_structure(exponent: float) -> None:
    generator = torch.Generator().manual_seed(0)
    energy = (torch.randn(30, 33, generator=generator) * 10**exponent).square()
    readings = inverse_participation_ratio(energy_shares(energy))
    assert readings.max() < 0.25  # among few rounded squares it would come to 1
