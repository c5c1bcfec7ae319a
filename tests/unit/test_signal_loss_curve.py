"""Loss-curve measures on series whose answers are known."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals.loss_curve import SIGNALS, WINDOW, log_loss
from grokwatch.monitor.signals.series import (
    detrend,
    drawdown,
    hjorth,
    oscillation_energy,
    slope,
    spectral_flatness,
    spike_count,
)
from grokwatch.monitor.snapshot import Snapshot

STEPS = torch.arange(WINDOW, dtype=torch.float64)


def read(losses: Tensor) -> dict[str, float]:
    snapshot = Snapshot(step=1, losses=losses)
    values = [signal.read(snapshot) for signal in SIGNALS]
    return {key: float(value) for each in values for key, value in each.items()}


def sine(frequency: float, n: int = WINDOW) -> Tensor:
    return torch.sin(2 * math.pi * frequency * torch.arange(n, dtype=torch.float64) + 0.3)


def test_exponential_decay() -> None:
    values = read(5 * torch.exp(-0.25 * STEPS))
    assert values["train_loss.log"] == pytest.approx(math.log(5) - 0.25 * 63)
    assert values["train_loss.slope"] == pytest.approx(-0.25)
    for key in values.keys() - {"train_loss.log", "train_loss.slope"}:
        assert values[key] == 0, key


def test_losses_far_below_float32() -> None:
    values = read(1e-60 * torch.exp(-0.01 * STEPS))
    assert values["train_loss.log"] == pytest.approx(-60 * math.log(10) - 0.63)
    assert values["train_loss.slope"] == pytest.approx(-0.01)


def test_loss_of_zero_counts_as_the_least_number() -> None:
    assert float(log_loss(torch.zeros(1))) == pytest.approx(-708.396, abs=1e-3)


def test_only_the_window_is_read() -> None:
    tail = torch.exp(sine(0.1))
    assert read(torch.cat([torch.full((100,), math.nan, dtype=torch.float64), tail])) == read(tail)


def test_slope_is_the_least_squares_one() -> None:
    x = torch.randn(3, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    design = torch.stack([torch.ones(20), torch.arange(20.0)], -1).double()
    expected = torch.linalg.lstsq(design, x.T).solution[1]
    torch.testing.assert_close(slope(x), expected)
    torch.testing.assert_close(slope(detrend(x)), torch.zeros(3).double(), atol=1e-12, rtol=0)


def test_hjorth_of_a_sine() -> None:
    amplitude, frequency, n = 3.0, 1 / 16, 1 << 14
    activity, mobility, complexity = (float(v) for v in hjorth(amplitude * sine(frequency, n)))
    assert activity == pytest.approx(amplitude**2 / 2, rel=1e-3)
    assert mobility == pytest.approx(2 * math.sin(math.pi * frequency), rel=1e-3)
    assert complexity == pytest.approx(1, rel=1e-3)


def test_hjorth_of_white_noise() -> None:
    noise = torch.randn(1 << 16, generator=torch.Generator().manual_seed(0))
    activity, mobility, complexity = (float(v) for v in hjorth(noise))
    assert activity == pytest.approx(1, rel=0.02)
    assert mobility == pytest.approx(math.sqrt(2), rel=0.02)
    assert complexity == pytest.approx(math.sqrt(3 / 2), rel=0.02)  # sqrt(6/2) / sqrt(2)


def test_activity_is_in_decades() -> None:
    values = read(10 ** sine(8 / WINDOW))
    assert values["loss_activity"] == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(("frequency", "expected"), [(4 / 64, 1.0), (16 / 64, 0.0)])
def test_oscillation_energy_of_one_wave(frequency: float, expected: float) -> None:
    assert float(oscillation_energy(sine(frequency))) == pytest.approx(expected, abs=1e-9)


def test_oscillation_energy_of_two_waves() -> None:
    x = sine(2 / 50, 50) + 2 * sine(20 / 50, 50)
    assert float(oscillation_energy(x)) == pytest.approx(1 / 5)
    edge = sine(5 / 50, 50) + sine(6 / 50, 50)  # 0.1 per step is low, 0.12 is not
    assert float(oscillation_energy(edge)) == pytest.approx(1 / 2)


def test_flatness_of_white_noise() -> None:
    """Powers are exponential: the mean of their logarithm is Euler's constant below 0."""
    noise = torch.randn(1 << 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert float(spectral_flatness(noise)) == pytest.approx(math.exp(-0.5772156649), rel=0.01)


def test_flatness_of_an_impulse_and_of_a_wave() -> None:
    impulse = torch.zeros(WINDOW + 1, dtype=torch.float64)
    impulse[20] = -2.0
    assert float(spectral_flatness(impulse)) == pytest.approx(1)
    assert float(spectral_flatness(sine(8 / WINDOW))) < 1e-20


@pytest.mark.parametrize("n", [1, 2, 3])
def test_flatness_of_few_samples(n: int) -> None:
    assert 0 <= float(spectral_flatness(torch.ones(n).cumsum(0))) <= 1
    assert float(spectral_flatness(torch.zeros(n))) == 0


def test_drawdown_is_the_deepest_fall() -> None:
    x = torch.tensor([[0.0, 5.0, 1.0, 6.0, 3.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    assert drawdown(x).tolist() == [4, 0]


def test_drawdown_is_in_decades() -> None:
    losses = torch.full((WINDOW,), 1e-3, dtype=torch.float64)
    losses[30] = 1e-1  # its line takes away little
    assert read(losses)["loss_drawdown"] == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("number", [0, 1, 4])
def test_spikes_are_counted(number: int) -> None:
    noise = torch.randn(WINDOW, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x = 0.01 * noise.clamp(-2, 2)
    x[3 : 3 + 2 * number : 2] += 1.0
    assert float(spike_count(x)) == number
    assert float(spike_count(-x)) == 0  # a dip is no spike


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_loss_that_is_not_finite_shows(value: float) -> None:
    losses = torch.exp(sine(0.1))
    losses[20] = value
    values = read(losses)
    assert values["train_loss.log"] == pytest.approx(float(losses[-1].log()))
    assert all(math.isnan(v) for key, v in values.items() if key != "train_loss.log")


def test_one_model_that_diverged_leaves_the_others_alone() -> None:
    losses = torch.exp(torch.stack([sine(0.1), sine(0.2)]))
    losses[0, 5] = math.nan
    together = {k: v for s in SIGNALS for k, v in s.read(Snapshot(step=1, losses=losses)).items()}
    for key, value in read(losses[1]).items():
        assert float(together[key][1]) == pytest.approx(value), key


def test_no_loss_yet() -> None:
    for signal in SIGNALS:
        for losses in (None, torch.zeros(0, dtype=torch.float64)):
            with pytest.raises(SignalError, match=r"Expected the train loss .* got none\. Try"):
                signal.read(Snapshot(step=0, losses=losses))
