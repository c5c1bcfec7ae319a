"""Weights as waves: closed forms, and the circular solution as the truth."""

import numpy as np
import pytest

from grokwatch.experiments.reproduce.circle import circular_logits
from grokwatch.monitor.report.waves import (
    by_wave,
    circle,
    harmonics,
    loudest,
    power,
    shares,
    stars,
)

P = 67


def wave(frequency: int, phase: float, amplitude: float = 1.0, order: int = P) -> np.ndarray:
    return amplitude * np.cos(2 * np.pi * frequency * np.arange(order) / order + phase)


@pytest.mark.parametrize("order", [3, 8, 66, 67])
def test_waves_add_up_to_the_weights_and_their_power_to_the_variance(order: int) -> None:
    rows = np.random.default_rng(order).normal(size=(2, 5, order))
    waves = harmonics(rows)
    assert waves.shape == (2, 5, order // 2)
    angles = 2 * np.pi * np.outer(np.arange(1, order // 2 + 1), np.arange(order)) / order
    back = (waves[..., None] * np.exp(1j * angles)).real.sum(axis=-2)
    np.testing.assert_allclose(back + rows.mean(axis=-1, keepdims=True), rows, atol=1e-12)
    np.testing.assert_allclose(power(waves, order).sum(axis=-1), rows.var(axis=-1))


@pytest.mark.parametrize("frequency", [1, 5, 33])
@pytest.mark.parametrize("phase", [-3.0, 0.0, 2.5])
def test_a_planted_wave_is_found_with_its_frequency_phase_and_amplitude(
    frequency: int, phase: float
) -> None:
    noise = 0.1 * np.random.default_rng(0).normal(size=P)
    waves = harmonics([wave(frequency, phase, 3.0) + 7.0, wave(frequency, phase) + noise])
    found = loudest(power(waves, P))
    assert found.tolist() == [frequency, frequency]
    ray = stars(waves, found)
    np.testing.assert_allclose(ray[0], [3 * np.cos(phase), 3 * np.sin(phase)], atol=1e-12)
    np.testing.assert_allclose(ray[1], [np.cos(phase), np.sin(phase)], atol=0.05)


def test_the_highest_wave_of_an_even_order_is_not_counted_twice() -> None:
    waves = harmonics(wave(4, 0.0, 2.0, order=8))
    np.testing.assert_allclose(np.abs(waves), [0, 0, 0, 2], atol=1e-12)
    np.testing.assert_allclose(power(waves, 8).sum(), 4.0)


def test_shares_are_of_the_whole_and_nothing_of_nothing() -> None:
    assert shares(np.array([[1.0, 3.0], [0.0, 0.0]])).tolist() == [[0.25, 0.75], [0.0, 0.0]]


def test_weights_that_are_not_finite_count_as_nothing() -> None:
    rows = wave(3, 0.2)
    broken = rows.copy()
    broken[[4, 9, 11]] = [np.nan, np.inf, -np.inf]
    rows[[4, 9, 11]] = 0
    np.testing.assert_array_equal(harmonics(broken), harmonics(rows))
    assert np.isfinite(circle(broken[:, None], 3)).all()


def test_rows_are_sorted_by_frequency_and_then_by_phase() -> None:
    order = by_wave(np.array([9, 2, 9, 2]), np.array([0.1, 0.5, -0.1, 0.4]))
    assert order.tolist() == [3, 1, 2, 0]


@pytest.mark.parametrize("frequency", [1, 5])
def test_tokens_of_the_circular_solution_stand_on_a_circle(frequency: int) -> None:
    phases = 2 * np.pi * np.arange(7) / 7
    inward = np.stack([wave(frequency, phase) for phase in phases], axis=1) + 0.3
    points = circle(inward, frequency)
    angles = 2 * np.pi * frequency * np.arange(P) / P
    radius = np.sqrt(7 / 2)
    expected = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(points, expected, atol=1e-9)
    others = circle(inward, frequency + 1)
    np.testing.assert_allclose(others, 0, atol=1e-6)


def test_the_circular_solution_answers_by_twice_its_phases() -> None:
    phases = 2 * np.pi * np.arange(5) / 5
    inward = np.stack([wave(2, phase) for phase in phases])
    outward = np.stack([wave(2, 2 * phase) for phase in phases])
    sums = np.maximum(inward[:, :, None] + inward[:, None, :], 0)
    logits = np.einsum("nab,nc->abc", sums, outward)
    np.testing.assert_allclose(logits, circular_logits(P, 5, "relu", frequency=2), atol=1e-9)
    frequencies = np.full(5, 2)
    rays_in = stars(harmonics(inward), frequencies)
    rays_out = stars(harmonics(outward), frequencies)
    turned = (rays_in[:, 0] + 1j * rays_in[:, 1]) ** 2
    np.testing.assert_allclose(rays_out[:, 0] + 1j * rays_out[:, 1], turned, atol=1e-12)
