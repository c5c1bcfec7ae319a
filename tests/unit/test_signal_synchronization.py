"""Frequency synchronization in closed form, and its score against a null built another way."""

import math
from unittest import mock

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals import synchronization
from grokwatch.monitor.signals.fourier import power_spectrum
from grokwatch.monitor.signals.sparsity import energy_shares
from grokwatch.monitor.signals.synchronization import (
    dominant_frequency,
    synchronization_degree,
    synchronization_score,
)
from grokwatch.monitor.snapshot import Readings, Snapshot


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def waves(P: int, frequencies: list[int]) -> Tensor:
    tokens = torch.arange(P, dtype=torch.float64)
    return torch.stack(
        [(2 * math.pi * k * tokens / P + i).cos() for i, k in enumerate(frequencies)], -1
    )


def read(W: Tensor) -> Readings:
    (signal,) = synchronization.SIGNALS
    values = signal.read(Snapshot(step=1, tokens={"embedding": W}))
    return {key.removeprefix("frequency_synchronization"): value for key, value in values.items()}


def degree(W: Tensor) -> float:
    return float(read(W)["@embedding"])


def test_all_agree() -> None:
    assert degree(waves(67, [5] * 8)) == pytest.approx(1)
    assert float(read(waves(67, [5] * 8))[".z@embedding"]) > 4


def test_no_two_agree() -> None:
    assert degree(waves(67, list(range(1, 34)))) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_equal_groups(groups: int) -> None:
    K = 33
    expected = (1 / groups - 1 / K) / (1 - 1 / K)
    assert degree(waves(67, [1 + 3 * (i % groups) for i in range(30)])) == pytest.approx(expected)


def test_votes_count_by_their_weight() -> None:
    frequency = torch.tensor([0, 1, 1, 2])
    weight = torch.tensor([0.5, 0.25, 0.5, 0.75], dtype=torch.float64)
    shares = torch.tensor([0.25, 0.375, 0.375], dtype=torch.float64)
    expected = (shares.square().sum() - 1 / 4) / (1 - 1 / 4)
    torch.testing.assert_close(synchronization_degree(frequency, weight, 4), expected)


def test_neurons_without_a_strongest_frequency_do_not_vote() -> None:
    one_hot = torch.zeros(11, 3, dtype=torch.float64)
    one_hot[4] = 1.0
    assert degree(one_hot) == pytest.approx(0)  # an impulse has a flat spectrum
    assert degree(torch.zeros(11, 3)) == pytest.approx(0, abs=1e-6)
    silent = torch.cat([waves(11, [2, 2]), torch.zeros(11, 5, dtype=torch.float64)], -1)
    assert degree(silent) == pytest.approx(1)


@pytest.mark.parametrize("P", [2, 3])
def test_a_single_frequency_leaves_no_room(P: int) -> None:
    assert degree(normal(P, 4)) == 0
    assert float(synchronization_score(normal(P, 4))) == 0


def test_score_is_that_of_permuting_each_neuron_by_itself() -> None:
    W = waves(31, [4, 4, 9, 9, 9, 2]) + 0.5 * normal(31, 6)
    generator = torch.Generator().manual_seed(9)
    keys = torch.rand(2000, 31, 6, generator=generator)
    moved = W.expand(2000, -1, -1).gather(-2, keys.argsort(-2))
    shares = energy_shares(power_spectrum(moved))
    null = synchronization_degree(*dominant_frequency(shares), 15)
    expected = (degree(W) - float(null.mean())) / float(null.std())
    assert expected > 3
    assert float(synchronization_score(W)) == pytest.approx(expected, rel=0.2)


def test_score_is_about_zero_on_noise() -> None:
    runs = 200
    scores = synchronization_score(normal(runs, 31, 12, seed=2))
    assert float(scores.mean()) == pytest.approx(0, abs=4 / runs**0.5 + 0.1)
    assert float(scores.std()) == pytest.approx(1, abs=0.3)


def test_synchrony_without_waves_is_not_hidden() -> None:
    """Neurons that are copies of one random vector agree; a joint permutation would keep that."""
    assert float(synchronization_score(normal(31, 1).expand(31, 12))) > 4


def test_each_draw_gives_every_neuron_another_permutation() -> None:
    draws = synchronization._draws(64)
    assert draws.shape == (200, 64)
    assert (draws.sort(-1).values == torch.arange(64)).all()
    assert len({tuple(draw.tolist()) for draw in draws}) == 200


@pytest.mark.parametrize("most", [1, 1000])
def test_permuting_a_few_at_a_time_changes_nothing(most: int) -> None:
    W = normal(11, 3)
    expected = synchronization_score(W)
    with mock.patch.object(synchronization, "_MOST_MOVED", most):
        torch.testing.assert_close(synchronization_score(W), expected)


def test_wide_layers_are_scored_by_a_sample_of_neurons() -> None:
    W = waves(67, [1 + i % 3 for i in range(130)])
    torch.testing.assert_close(synchronization_score(W), synchronization_score(W[:, ::3]))
