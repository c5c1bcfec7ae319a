"""Updates and angles that are known."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals.updates import SIGNALS, zero_fraction
from grokwatch.monitor.snapshot import Readings, Snapshot

BY_NAME = {signal.name: signal for signal in SIGNALS}
RATIO, FROZEN, ANGLE = "update_ratio", "frozen_update_fraction", "angle_since_memorization"


def read(name: str, **fields: object) -> dict[str, float]:
    readings: Readings = BY_NAME[name].read(Snapshot(step=1, **fields))  # type: ignore[arg-type]
    return {key: float(value) for key, value in readings.items()}


def test_ratio_in_total_and_by_role() -> None:
    weights = {"a": torch.full((2, 2), 3.0), "b": torch.tensor([8.0])}
    update = {"a": torch.full((2, 2), 0.6), "b": torch.tensor([-1.6])}
    matrices = {"input": weights["a"], "output": weights["a"] * 2}
    found = read(RATIO, weights=weights, update=update, matrices=matrices)
    assert found == {RATIO: pytest.approx(0.2), f"{RATIO}@input": pytest.approx(0.2)}
    update["b"] = torch.zeros(1)
    found = read(RATIO, weights=weights, update=update, matrices=matrices)
    assert found[RATIO] == pytest.approx(0.12)


def test_ratio_finds_the_role_in_a_copy() -> None:
    weights = {"a": torch.ones(2, 3), "b": torch.zeros(2, 3)}
    update = {"a": torch.ones(2, 3), "b": torch.ones(2, 3)}
    found = read(RATIO, weights=weights, update=update, matrices={"output": torch.zeros(2, 3)})
    assert found[f"{RATIO}@output"] == 0  # b has no length


@pytest.mark.parametrize("frozen", [0, 5, 12])
def test_frozen_fraction_counts(frozen: int) -> None:
    update = {"a": torch.full((2, 5), 1e-40), "b": torch.full((2,), -1.0)}
    update["a"].view(-1)[: min(frozen, 10)] = 0
    update["b"][: max(frozen - 10, 0)] = 0
    assert read(FROZEN, update=update) == {FROZEN: pytest.approx(frozen / 12)}


def test_frozen_fraction_of_each_model() -> None:
    x = torch.tensor([[[0.0, 1.0]], [[0.0, 0.0]]])
    assert zero_fraction([x, x[:, 0]], models=(2,)).tolist() == [0.5, 1]
    assert math.isnan(read(FROZEN, update={"a": torch.tensor([0.0, math.nan])})[FROZEN])


def test_weights_too_large_for_their_update_are_frozen() -> None:
    """Float32 swallows an update below half a rounding step."""
    before = torch.tensor([1.0, 100.0, 1e4])
    update = (before - 1e-5) - before
    assert read(FROZEN, update={"a": update})[FROZEN] == pytest.approx(1 / 3)


class Run:
    """A model of two weight matrices that turns."""

    def __init__(self) -> None:
        self.memory: dict[str, Tensor] = {}
        generator = torch.Generator().manual_seed(0)
        self.start, other = torch.randn(2, 40, 30, generator=generator, dtype=torch.float64)
        along = (other * self.start).sum() / self.start.square().sum()
        upright = other - along * self.start
        self.upright = upright * self.start.norm() / upright.norm()

    def read(self, step: int, degrees: float, *, right: bool = True) -> dict[str, float]:
        turn = math.radians(degrees)
        weight = (1 + step / 100) * (math.cos(turn) * self.start + math.sin(turn) * self.upright)
        snapshot = Snapshot(
            step=step,
            weights={"a": weight, "b": torch.zeros(3)},
            matrices={"input": weight.mT},
            logits=torch.eye(4) if right else torch.eye(4).flip(0),
            targets=torch.arange(4),
            memory=self.memory,
        )
        return {key: float(value) for key, value in BY_NAME[ANGLE].read(snapshot).items()}


def test_angle_is_measured_from_memorization() -> None:
    run = Run()
    for step in (10, 20, 30):
        assert run.read(step, degrees=float(step), right=False)[ANGLE] == 0
    assert run.read(40, degrees=40.0)[ANGLE] == 0
    for step, degrees in ((50, 41.0), (60, 52.0), (70, 87.8), (80, 40.0)):
        found = run.read(step, degrees)
        assert found[ANGLE] == pytest.approx(degrees - 40, abs=1e-6)
        assert found[f"{ANGLE}@input"] == pytest.approx(degrees - 40, abs=1e-6)


def test_angle_starts_over_where_memorization_did_not_hold() -> None:
    run = Run()
    run.read(10, 10.0)
    assert run.read(20, 20.0)[ANGLE] == pytest.approx(10)
    assert run.read(30, 30.0, right=False)[ANGLE] == 0
    for step in (40, 50, 60, 70):
        found = run.read(step, float(step), right=step < 70)
    assert found[ANGLE] == pytest.approx(30)


def test_angle_leaves_weights_that_are_not_finite_out() -> None:
    run = Run()
    assert math.isnan(run.read(5, math.nan, right=False)[ANGLE])
    for step in (10, 20, 30):
        run.read(step, float(step))
    assert math.isnan(run.read(40, math.nan)[ANGLE])
    assert run.read(50, 50.0)[ANGLE] == pytest.approx(40)
    assert all(tensor.isfinite().all() for tensor in run.memory.values())


def test_reference_of_another_model_is_left_aside() -> None:
    run = Run()
    run.memory[ANGLE] = torch.ones(7)
    assert run.read(10, 10.0)[ANGLE] == 0
    assert run.read(20, 20.0)[ANGLE] == pytest.approx(10)
