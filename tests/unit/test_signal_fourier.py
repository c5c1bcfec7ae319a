"""Fourier sparsity in closed form and against torch's own transform."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals import coordinates, fourier
from grokwatch.monitor.signals.coordinates import coordinate_energy
from grokwatch.monitor.signals.fourier import (
    MOST_DENSE_TOKENS,
    power_spectrum,
    spectrum_components,
)
from grokwatch.monitor.snapshot import Readings, Signal, Snapshot


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def read_all(signals: tuple[Signal, ...], snapshot: Snapshot) -> Readings:
    return {key: value for signal in signals for key, value in signal.read(snapshot).items()}


def waves(P: int, frequencies: list[int]) -> Tensor:
    """One neuron per frequency, each with a phase and a size of its own."""
    tokens = torch.arange(P, dtype=torch.float64)
    return torch.stack(
        [(i + 1) * torch.cos(2 * math.pi * k * tokens / P + i) for i, k in enumerate(frequencies)],
        -1,
    )


@pytest.mark.parametrize("P", [2, 3, 8, 67, 68, 127, 128, 129, 130, 256])
def test_power_is_the_fourier_transform_squared(P: int) -> None:
    W = normal(2, P, 3)
    expected = torch.fft.rfft(W, dim=-2).abs().square().mT[..., 1:] * 2 / P
    if P % 2 == 0:
        expected[..., -1] /= 2
    torch.testing.assert_close(power_spectrum(W), expected)


@pytest.mark.parametrize("P", [2, 5, 8, MOST_DENSE_TOKENS + 1, MOST_DENSE_TOKENS + 2])
def test_power_sums_to_the_deviation_from_the_mean(P: int) -> None:
    W = normal(P, 4) + 3
    torch.testing.assert_close(power_spectrum(W).sum(-1), (W - W.mean(0)).square().sum(0))


def test_power_may_be_cached_in_inference_and_used_with_gradients() -> None:
    fourier._basis.cache_clear()
    with torch.inference_mode():
        power_spectrum(normal(7, 2))
    W = normal(7, 2).requires_grad_()
    power_spectrum(W).sum().backward()  # type: ignore[no-untyped-call]
    assert W.grad is not None
    torch.testing.assert_close(W.grad, 2 * (W - W.mean(0)).detach())


@pytest.mark.parametrize("P", [67, 151])
def test_neurons_with_one_frequency_each(P: int) -> None:
    values = read_all(
        fourier.SIGNALS, Snapshot(step=1, tokens={"embedding": waves(P, [3, 9, 9, 14])})
    )
    K = P // 2
    for name, spike in [
        ("gini_coefficient", 1 - 1 / K),
        ("inverse_participation_ratio", 1),
        ("top_share", 1),
        ("dominant_share", 1),
        ("fourier_entropy", 0),
    ]:
        assert float(values[f"{name}@embedding"]) == pytest.approx(spike, abs=1e-9)
        assert float(values[f"{name}.excess@embedding"]) == pytest.approx(1)
    power = torch.tensor([1.0, 4 + 9, 16])  # sizes 1, 2 and 3, 4 at frequencies 3, 9, 14
    share = power / power.sum()
    aggregate = float(values["inverse_participation_ratio.aggregate@embedding"])
    assert aggregate == pytest.approx(float(share.square().sum()))
    assert float(values["top_share.aggregate_excess@embedding"]) == pytest.approx(1)
    assert float(values["dominant_share.aggregate@embedding"]) == pytest.approx(16 / 30)


@pytest.mark.parametrize("P", [8, 67])
def test_excess_is_zero_on_gaussian_weights(P: int) -> None:
    runs, D = 300, 24
    snapshot = Snapshot(step=1, models=(runs,), tokens={"embedding": normal(runs, P, D, seed=2)})
    for key, value in read_all(fourier.SIGNALS, snapshot).items():
        if "excess" in key:
            assert float(value.mean()) == pytest.approx(
                0, abs=4 * float(value.std()) / runs**0.5
            ), key


def test_modulus_two_has_one_frequency_and_no_excess() -> None:
    values = read_all(fourier.SIGNALS, Snapshot(step=1, tokens={"embedding": normal(2, 5)}))
    assert all(math.isfinite(value) for value in values.values())
    assert float(values["inverse_participation_ratio@embedding"]) == 1
    assert float(values["inverse_participation_ratio.excess@embedding"]) == 0


def test_components_count_degrees_of_freedom() -> None:
    for P in range(2, 12):
        components = spectrum_components(P)
        assert 2 * components.pairs + components.singles == P - 1
        assert components.count == P // 2


def test_spectrum_is_computed_once_per_role(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(W: Tensor) -> Tensor:
        calls.append(1)
        return power_spectrum(W)

    monkeypatch.setattr(fourier, "power_spectrum", counted)
    read_all(fourier.SIGNALS, Snapshot(step=1, tokens={"a": normal(5, 2), "b": normal(7, 2)}))
    assert len(calls) == 2


def test_coordinate_energy_is_row_length_squared() -> None:
    W = normal(2, 5, 3)
    torch.testing.assert_close(coordinate_energy(W), torch.linalg.vector_norm(W, dim=-1).square())


def test_coordinates_of_a_parity_network() -> None:
    W = torch.zeros(30, 64, dtype=torch.float64)
    W[:3] = 1.0
    values = read_all(coordinates.SIGNALS, Snapshot(step=1, inputs={"input": W}))
    assert float(values["coordinate_gini_coefficient@input"]) == pytest.approx(1 - 3 / 30)
    assert float(values["coordinate_inverse_participation_ratio@input"]) == pytest.approx(1 / 3)
    assert float(values["coordinate_top_share.excess@input"]) == pytest.approx(1)


def test_neurons_that_read_one_input_each() -> None:
    """Together they read all inputs evenly; each by itself reads one."""
    values = read_all(coordinates.SIGNALS, Snapshot(step=1, inputs={"input": torch.eye(30) * 2}))
    ratio = "coordinate_inverse_participation_ratio"
    assert float(values[f"{ratio}@input"]) == pytest.approx(1 / 30)
    assert float(values[f"{ratio}.neuron@input"]) == pytest.approx(1)
    assert float(values["coordinate_gini_coefficient.neuron@input"]) == pytest.approx(1 - 1 / 30)
    for name in ("gini_coefficient", "inverse_participation_ratio", "top_share"):
        assert float(values[f"coordinate_{name}.neuron_excess@input"]) == pytest.approx(1)


def test_neurons_that_read_three_inputs() -> None:
    W = torch.zeros(30, 4, dtype=torch.float64)
    for neuron in range(4):
        W[3 * neuron : 3 * neuron + 3, neuron] = 1.0 + neuron
    values = read_all(coordinates.SIGNALS, Snapshot(step=1, inputs={"input": W}))
    ratio = values["coordinate_inverse_participation_ratio.neuron@input"]
    assert float(ratio) == pytest.approx(1 / 3)
    gini = values["coordinate_gini_coefficient.neuron@input"]
    assert float(gini) == pytest.approx(1 - 3 / 30)


def test_coordinate_excess_is_zero_on_gaussian_weights() -> None:
    runs = 2000
    snapshot = Snapshot(step=1, models=(runs,), inputs={"input": normal(runs, 30, 16, seed=3)})
    for key, value in read_all(coordinates.SIGNALS, snapshot).items():
        if "excess" in key:
            assert float(value.mean()) == pytest.approx(
                0, abs=4 * float(value.std()) / runs**0.5
            ), key
