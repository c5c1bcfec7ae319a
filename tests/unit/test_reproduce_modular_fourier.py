"""Taking apart a network whose waves are written down: what went in comes out."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from grokwatch.experiments.reproduce import fourier
from grokwatch.experiments.reproduce.anatomy import dissect, key_frequencies
from grokwatch.experiments.reproduce.trajectory import Trajectory
from grokwatch.experiments.reproduce.waves import (
    doubling_gaps,
    random_gaps,
    strongest,
    turned,
    waves_at,
)
from grokwatch.experiments.sweep import Cell, Part, Run
from grokwatch.experiments.threads import one_thread

P, NEURONS, KEYS = 67, 21, (4, 18, 31)
FREQUENCIES = np.repeat(KEYS, NEURONS // 3)
PHASES = 2 * np.pi * (np.arange(NEURONS) % 7) / 7 + 0.1

TASK = Part(
    name="modular_addition",
    options={"modulus": P, "train_fraction": 0.4, "symmetric": False, "random_labels": False},
    chosen={},
)
CHOSEN = Run(
    Cell(
        task=TASK,
        model=Part(name="modular_mlp", options={}, chosen={}),
        optimizer=Part(name="adamw", options={}, chosen={}),
        loss="cross_entropy",
        steps=1,
        per_decade=1,
    ),
    seed=0,
)


def written(phases_out: NDArray[np.float64], scale: float = 30.0) -> Trajectory:
    """A network with P-wide embeddings, so that any two matrices can be written down."""
    tokens = 2 * np.pi * np.arange(P)[:, None] * FREQUENCIES / P
    reading, writing = np.cos(tokens + PHASES), scale * np.cos(tokens + phases_out)
    weights = {"embed": np.eye(P), "hidden": reading.T, "output": writing}
    scores = dict.fromkeys(("train_loss", "test_loss"), np.zeros((1, 1)))
    scores |= dict.fromkeys(("train_accuracy", "test_accuracy"), np.ones((1, 1)))
    named = {f"{k}.weight": v.astype(np.float32)[None, None] for k, v in weights.items()}
    return Trajectory(np.array([100]), scores, named)


def test_waves_are_found_in_the_matrices() -> None:
    with one_thread():
        found = dissect(written(2 * PHASES), CHOSEN)
    assert set(found.keys) == set(KEYS)
    np.testing.assert_array_equal(found.inputs.frequencies, FREQUENCIES)
    np.testing.assert_allclose(turned(found.inputs.phases - PHASES), 0, atol=1e-6)
    np.testing.assert_allclose(found.outputs.amplitudes, 30, rtol=1e-5)
    assert found.gaps.max() < 1e-5


def test_votes_of_all_frequencies_add_up_to_the_logits() -> None:
    with one_thread():
        found = dissect(written(2 * PHASES), CHOSEN)
    np.testing.assert_allclose(sum(found.votes.values()), found.logits, atol=1e-5)
    assert found.logits.argmax() == sum(found.pair) % P


def test_key_frequencies_do_all_the_work_of_waves() -> None:
    with one_thread():
        found = dissect(written(2 * PHASES), CHOSEN)
    assert found.losses.excluded[-1] > math.log(P)
    assert found.losses.restricted[-1] < 0.1
    assert fourier.holds(found)


def test_phases_that_do_not_double_are_not_taken_for_it() -> None:
    with one_thread():
        found = dissect(written(2 * PHASES + 1), CHOSEN)
    assert np.median(found.gaps) == pytest.approx(1, abs=1e-5)
    assert not fourier.holds(found)


def test_random_deals_are_a_right_angle_off() -> None:
    random = np.random.default_rng(0)
    phases = random.uniform(-np.pi, np.pi, size=(2, 200))
    dealt = random_gaps(*phases, draws=300, seed=1)
    assert np.median(dealt) == pytest.approx(np.pi / 2, abs=0.05)
    assert np.median(doubling_gaps(phases[0], 2 * phases[0])) == pytest.approx(0, abs=1e-9)


def test_shares_are_those_of_the_power_without_the_mean() -> None:
    tokens = 2 * np.pi * np.arange(P)[:, None] / P
    weights = 5 + 2 * np.cos(3 * tokens) + np.sin(9 * tokens)
    assert strongest(weights) == [3]
    assert waves_at(weights, np.array([3])).shares == pytest.approx(4 / 5)
    assert waves_at(weights, np.array([9])).phases == pytest.approx(-np.pi / 2)


def test_a_weak_frequency_is_no_key() -> None:
    tokens = 2 * np.pi * np.arange(P)[:, None] / P
    weights = np.hstack([2 * np.cos(3 * tokens), 0.5 * np.cos(9 * tokens)])
    assert key_frequencies(waves_at(weights, strongest(weights))) == (3,)
