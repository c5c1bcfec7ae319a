"""Peaks between valleys, and least squares as a smoother, on what can be known by hand."""

import math

import numpy as np
import pytest

from grokwatch.experiments.reproduce.descents import num_parameters
from grokwatch.experiments.reproduce.peaks import Curve, ascents, find_peak
from grokwatch.experiments.reproduce.random_features import (
    Setting,
    over_components,
    over_features,
    over_samples,
)
from grokwatch.experiments.reproduce.smoother import (
    decompose,
    draw_features,
    effective_parameters,
    weights,
)


def curve(*seeds: list[float]) -> Curve:
    losses = np.array(seeds)
    return Curve(np.arange(1.0, losses.shape[1] + 1), losses, losses / 10)


def test_a_peak_is_where_both_valleys_are_farthest_below() -> None:
    peak = find_peak(curve([0.5, 0.2, 0.8, 0.4, 0.9, 0.85], [0.5, 0.2, 0.8, 0.4, 0.9, 0.85]))
    assert (peak.before, peak.place, peak.after) == (2.0, 3.0, 4.0)
    assert peak.rises.tolist() == pytest.approx([4.0, 4.0])
    assert peak.falls.tolist() == pytest.approx([2.0, 2.0])
    assert peak.errors[0].tolist() == pytest.approx([0.02, 0.08, 0.04])


def test_a_peak_stands_out_where_every_seed_has_it() -> None:
    high, flat = [0.2, 0.8, 0.2], [0.5, 0.45, 0.3]
    assert find_peak(curve(high, high)).stands_out(1.5)
    assert not find_peak(curve(high, high)).stands_out(4.5)
    assert not find_peak(curve(high, high, flat)).stands_out(1.5)


def test_a_falling_curve_has_no_peak() -> None:
    assert not find_peak(curve([0.9, 0.5, 0.3, 0.2])).stands_out(1.0)


def test_ascents_are_counted() -> None:
    assert ascents([3, 2, 1]) == 0.0
    assert ascents([1, 2, 1]) == 0.5


def test_smoother_weights_predict_as_least_squares_does() -> None:
    generator = np.random.default_rng(0)
    for num_features in (3, 8, 20):
        train, other = (
            generator.normal(size=(8, num_features)),
            generator.normal(size=(5, num_features)),
        )
        answers = generator.normal(size=(8, 2))
        solution = np.linalg.lstsq(train, answers, rcond=None)[0]
        found = weights(decompose(train), other) @ answers
        assert np.allclose(found, other @ solution)


def test_effective_parameters_on_train_inputs_are_the_rank() -> None:
    generator = np.random.default_rng(0)
    for num_features, rank in ((3, 3), (8, 8), (20, 8)):
        train = generator.normal(size=(8, num_features))
        smoothing = weights(decompose(train), train)
        assert effective_parameters(smoothing) == pytest.approx(rank)
        first = weights(decompose(train), train, 2)
        assert effective_parameters(first) == pytest.approx(2)


def test_the_mean_of_all_answers_is_one_parameter() -> None:
    assert effective_parameters(np.full((3, 7), 1 / 7)) == pytest.approx(1)


def test_features_are_cosines_and_the_first_ones_stay() -> None:
    features = draw_features(2, 6, 1.0, seed=1)
    inputs = np.array([[0.3, -1.0]])
    found = features(inputs, 6)
    first = math.cos(float(inputs[0] @ features.directions[:, 0]) + features.phases[0])
    assert found[0, 0] == pytest.approx(first)
    assert np.array_equal(features(inputs, 4), found[:, :4])


def test_fits_use_as_many_parameters_as_they_have_features_or_examples() -> None:
    ticks: list[int] = []
    setting = Setting(label_noise=0.2, num_seeds=2, tick=lambda: ticks.append(1))
    fits = over_features(setting, (5, 20, 40), num_train=20)
    assert np.allclose(fits.train_parameters, [[5, 20, 20]] * 2)
    assert (fits.parameters[:, 1] > fits.parameters[:, 2]).all()
    components = over_components(setting, (5, 20), num_train=20, num_features=40)
    assert np.allclose(components.train_parameters, [[5, 20]] * 2)
    assert np.allclose(components.losses[:, 1], fits.losses[:, 2])
    samples = over_samples(setting, (10, 20), num_features=40)
    assert np.allclose(samples.train_parameters, [[10, 20]] * 2)
    assert np.allclose(samples.errors[:, 1], fits.errors[:, 2])
    assert len(ticks) == 6


def test_parameters_of_a_network_are_counted() -> None:
    assert num_parameters(40) == 65 * 40 + 41 * 10
