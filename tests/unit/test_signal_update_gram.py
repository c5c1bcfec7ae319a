"""Paths of the weights whose geometry is known."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals.update_gram import (
    MOST_DOMINANT,
    NUM_UPDATES,
    SIGNALS,
    dominance,
    share_along,
    spectral_gap,
    top_direction,
)
from grokwatch.monitor.signals.vectors import SKETCHED
from grokwatch.monitor.snapshot import Snapshot

BY_NAME = {signal.name: signal for signal in SIGNALS}
SHAPE = (60, 50)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def snapshot(
    step: int, weight: Tensor, memory: dict[str, Tensor], decay: float | None = None
) -> Snapshot:
    weights = {"a": weight[..., 20:, :], "b": weight[..., :20, :]}
    rates = None if decay is None else {name: torch.tensor(decay) for name in weights}
    models = tuple(weight.shape[:-2])
    return Snapshot(step=step, models=models, weights=weights, decay=rates, memory=memory)


def walk(path: list[Tensor], *, name: str = "update_gram", stride: int = 10) -> dict[str, float]:
    """What a signal reads at the end of a path."""
    memory: dict[str, Tensor] = {}
    for index, weight in enumerate(path):
        found = BY_NAME[name].read(snapshot(index * stride, weight, memory))
    return {key.partition(".")[2]: float(value) for key, value in found.items()}


def test_straight_path() -> None:
    start, along = normal(*SHAPE), normal(*SHAPE, seed=1)
    path = [start + 0.01 * i**1.5 * along for i in range(15)]
    found = walk(path)
    assert found["top_share"] == pytest.approx(1)
    assert found["entropy_rank"] == pytest.approx(1)
    assert found["dominance"] > 1e5
    assert found["gap"] == pytest.approx(0, abs=1e-6)
    assert walk(path, name="update_cosine")[""] == pytest.approx(1)


def test_path_around_a_circle() -> None:
    east, north = normal(*SHAPE), normal(*SHAPE, seed=1)
    turns = [2 * math.pi * i / 8 for i in range(9)]
    path = [math.cos(t) * east + math.sin(t) * north for t in turns]
    found = walk(path)
    assert found["top_share"] == pytest.approx(0.5, abs=0.06)
    assert found["entropy_rank"] == pytest.approx(2, abs=0.03)
    assert found["dominance"] == pytest.approx(1, abs=0.13)
    assert found["gap"] == pytest.approx(1, abs=0.12)
    cosine = walk(path, name="update_cosine")[""]
    assert cosine == pytest.approx(math.cos(2 * math.pi / 8), abs=0.06)


def test_random_walk_has_no_direction() -> None:
    """Ten independent updates in many dimensions: equal singular values but for chance."""
    steps = normal(NUM_UPDATES + 1, *SHAPE)
    found = walk(list(steps.cumsum(0)))
    size = min(SKETCHED, math.prod(SHAPE))
    spread = math.sqrt(NUM_UPDATES / size)  # Marchenko and Pastur's edges are (1 +- this)^2
    assert found["top_share"] < (1 + 1.3 * spread) ** 2 / NUM_UPDATES
    assert found["entropy_rank"] > 9.7
    assert found["dominance"] < 1 + spread
    assert found["gap"] < spread
    assert abs(walk(list(steps.cumsum(0)), name="update_cosine")[""]) < 4 / math.sqrt(size)


def test_only_the_last_ten_updates_count() -> None:
    along = normal(*SHAPE, seed=1)
    path = [*normal(5, *SHAPE), *(i * along for i in range(11))]
    assert walk(path)["top_share"] == pytest.approx(1)
    assert walk(path[:-1])["top_share"] < 0.99


@pytest.mark.parametrize("number", [1, 2, 3, 12])
def test_too_few_updates_and_no_motion_count_as_even(number: int) -> None:
    neutral = {"dominance": 1, "gap": 0, "entropy_rank": pytest.approx(10), "top_share": 0.1}
    assert walk([normal(*SHAPE)] * number) == neutral
    assert walk(list(normal(3, *SHAPE))) == neutral
    assert walk(list(normal(4, *SHAPE))) != neutral
    assert walk(list(normal(2, *SHAPE)), name="update_cosine") == {"": 0}


def test_singular_values() -> None:
    values = torch.tensor([[0.0, 1.0, 2.0, 8.0], [0.0, 0.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    assert dominance(values.double()).tolist() == [4, pytest.approx(MOST_DOMINANT), 1]
    assert spectral_gap(values).tolist() == [0.125, 0, 0]


def test_top_direction_is_the_first_singular_vector() -> None:
    updates = normal(3, 10, 40)
    expected = torch.linalg.svd(updates, full_matrices=False).Vh[:, 0]
    torch.testing.assert_close(
        (top_direction(updates) * expected).sum(-1).abs(), torch.ones(3).double()
    )


def test_share_along_ignores_length_and_sign_of_the_direction() -> None:
    part, whole, v = normal(3, 20)
    expected = (part @ v) ** 2 / ((part @ v) ** 2 + ((whole - part) @ v) ** 2)
    assert float(share_along(part, whole, -7 * v)) == pytest.approx(float(expected))
    assert float(share_along(part, whole, 0 * v)) == 0


def descend(push: float, *, decay: float, stride: int = 50, missing: int = -1) -> list[float]:
    """Decoupled decay and a steady push along the weights, `push` times as strong."""
    memory: dict[str, Tensor] = {}
    start, found = normal(*SHAPE), []
    for index in range(12):
        step = index * stride
        factor = (1 - decay * (1 - push)) ** step
        weight = start * (math.nan if index == missing else factor)
        value = BY_NAME["decay_share"].read(snapshot(step, weight, memory, decay))["decay_share"]
        found.append(float(value))
    return found


@pytest.mark.parametrize("push", [0.0, 0.5, 2.0, -1.0, 0.9])
def test_decay_share_of_decay_and_a_push_along_the_weights(push: float) -> None:
    found = descend(push, decay=1e-3)
    assert found[0] == 0
    assert found[2:] == pytest.approx([1 / (1 + push**2)] * 10, abs=0.002)


def test_decay_share_without_decay() -> None:
    memory: dict[str, Tensor] = {}
    for step, weight in enumerate(normal(5, *SHAPE)):
        value = BY_NAME["decay_share"].read(snapshot(step, weight, memory, 0.0))["decay_share"]
    assert float(value) == 0


def test_decay_share_of_some_parameters() -> None:
    """Half the update's way down the first direction is decay's where one of two halves decays."""
    memory: dict[str, Tensor] = {}
    start = torch.ones(2, 2000, dtype=torch.float64)
    for step in range(5):
        weights = {"a": start[0] * 0.999**step, "b": start[1] * 0.999**step}
        found = BY_NAME["decay_share"].read(
            Snapshot(step=step, weights=weights, decay={"a": torch.tensor(1e-3)}, memory=memory)
        )
    assert float(found["decay_share"]) == pytest.approx(0.5, abs=0.12)


def test_reading_that_is_not_finite_is_left_out() -> None:
    found = descend(0.5, decay=1e-3, missing=5)
    assert math.isnan(found[5])
    assert found[6:] == pytest.approx([0.8] * 6, abs=0.01)  # the update after it spans the gap
    path = [0.1 * i * normal(*SHAPE) for i in range(9)]
    path[4] = path[4] * math.nan
    assert walk(path)["top_share"] == pytest.approx(1)
    assert math.isnan(walk(path[:5])["top_share"])
    assert math.isnan(walk(path[:5], name="update_cosine")[""])


def test_stack_of_paths_equals_the_loop() -> None:
    paths = normal(3, 13, *SHAPE)
    paths[1, 4] = math.nan
    paths[2] = paths[2, :1] + torch.arange(13.0)[:, None, None] * paths[2, 1]
    for name, signal in BY_NAME.items():
        together: dict[str, Tensor] = {}
        apart: list[dict[str, Tensor]] = [{}, {}, {}]
        for step in range(13):
            joint = signal.read(snapshot(step, paths[:, step], together, 1e-3))
            for model in range(3):
                alone = signal.read(snapshot(step, paths[model, step], apart[model], 1e-3))
                for key, value in alone.items():
                    torch.testing.assert_close(
                        joint[key][model], value, equal_nan=True, rtol=1e-6, atol=1e-6, msg=name
                    )


def test_signals_share_the_path() -> None:
    """Read together or alone, each sees every update once."""
    path = list(normal(8, *SHAPE).cumsum(0))
    memory: dict[str, Tensor] = {}
    for step, weight in enumerate(path):
        now = snapshot(step, weight, memory, 1e-3)
        found = {k: float(v) for signal in SIGNALS for k, v in signal.read(now).items()}
    assert found["update_gram.top_share"] == walk(path)["top_share"]
    assert found["update_cosine"] == walk(path, name="update_cosine")[""]


def test_memory_of_another_model_is_left_aside() -> None:
    memory = {"update_gram": torch.ones(4, 2), "update_gram.steps": torch.ones(5)}
    memory["decay_share"] = torch.ones(3)
    for step, weight in enumerate(normal(3, *SHAPE)):
        found = BY_NAME["decay_share"].read(snapshot(step, weight, memory, 1e-3))
    assert math.isfinite(found["decay_share"])
    assert memory["update_gram"].shape == (NUM_UPDATES + 1, min(SKETCHED, math.prod(SHAPE)))
    assert memory["update_gram"].numel() * 8 < 1_500_000
