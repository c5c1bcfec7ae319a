"""The tangent kernel in closed form, on a linear model, and through a sketch."""

import math

import pytest
import torch
from torch import Tensor

from grokwatch.monitor.signals import tangents
from grokwatch.monitor.signals.tangents import kernel_velocity, tangent_alignment
from grokwatch.monitor.snapshot import Snapshot

ALIGNMENT, VELOCITY = tangents.SIGNALS


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def snapshot(
    J: Tensor, targets: Tensor | None, memory: dict[str, Tensor] | None = None
) -> Snapshot:
    return Snapshot(
        step=1,
        logits=torch.zeros(J.shape[-2], 3),
        targets=targets,
        tangents=lambda rows: J[rows],
        memory={} if memory is None else memory,
    )


def test_alignment_agrees_with_the_definition() -> None:
    J, targets = normal(12, 7), torch.arange(12) % 3
    center = torch.eye(12, dtype=torch.float64) - 1 / 12
    K = center @ J @ J.mT @ center
    L = center @ (targets[:, None] == targets).double() @ center
    expected = (K * L).sum() / (K.norm() * L.norm())
    assert float(tangent_alignment(J, targets)) == pytest.approx(float(expected))


@pytest.mark.parametrize(("classes", "each"), [(2, 10), (5, 4)])
def test_alignment_at_its_ends_and_without_features(classes: int, each: int) -> None:
    targets = torch.arange(classes * each) % classes
    by_label = torch.nn.functional.one_hot(targets).double() * 3 + 1
    assert float(tangent_alignment(by_label, targets)) == pytest.approx(1)
    orthogonal = torch.eye(classes * each) * 5
    expected = math.sqrt((classes - 1) / (classes * each - 1))
    assert float(tangent_alignment(orthogonal, targets)) == pytest.approx(expected)
    across = (torch.arange(classes * each) // classes).double()[:, None]
    assert float(tangent_alignment(across, targets)) == pytest.approx(0, abs=1e-9)


def test_alignment_without_a_kernel_is_zero() -> None:
    targets = torch.arange(6) % 2
    assert float(tangent_alignment(torch.full((6, 3), 0.1), targets)) == 0
    assert float(tangent_alignment(normal(6, 3), targets * 0)) == 0


def test_targets_of_each_model() -> None:
    J = normal(2, 9, 4)
    targets = torch.stack([torch.arange(9) % 3, torch.arange(9) // 3])
    together = tangent_alignment(J, targets)
    for index in range(2):
        torch.testing.assert_close(together[index], tangent_alignment(J[index], targets[index]))


def test_rows_are_even_and_limited() -> None:
    J, targets = normal(1280, 6), torch.arange(1280) % 7
    read = ALIGNMENT.read(snapshot(J, targets))["tangent_alignment"]
    torch.testing.assert_close(read, tangent_alignment(J[::10], targets[::10]))


def test_no_alignment_without_targets() -> None:
    assert ALIGNMENT.read(snapshot(normal(5, 3), None)) == {}


def test_sketch_errs_as_stated() -> None:
    """One over sqrt(S) of the two lengths, none on average; alignment then reads low."""
    J, targets = normal(40, 300), torch.arange(40) % 4
    J = J + 4 * normal(4, 300, seed=1)[targets]
    K, lengths = J @ J.mT, J.norm(dim=-1)
    S, draws = 64, 200
    sketched = torch.stack([J @ normal(300, S, seed=2 + s) / math.sqrt(S) for s in range(draws)])
    errors = (sketched @ sketched.mT - K) / (lengths[:, None] * lengths)
    assert float(errors.mean((1, 2)).mean()) == pytest.approx(0, abs=4 / math.sqrt(S * draws))
    assert float(errors.diagonal(dim1=1, dim2=2).mean()) == pytest.approx(0, abs=0.03)
    assert 0.9 < float(errors.square().mean().sqrt()) * math.sqrt(S) < 1.5
    assert float(tangent_alignment(sketched, targets).mean()) < float(tangent_alignment(J, targets))


def test_velocity_is_one_less_cosine() -> None:
    K, before = (x @ x.mT for x in (normal(6, 4), normal(6, 4, seed=1)))
    expected = 1 - (K * before).sum() / (K.norm() * before.norm())
    assert float(kernel_velocity(K, before)) == pytest.approx(float(expected))
    assert float(kernel_velocity(K, 7 * K)) == pytest.approx(0, abs=1e-15)
    corner = torch.zeros(2, 2)
    corner[0, 0] = 1
    assert float(kernel_velocity(corner, corner.flip(0, 1))) == 1


def test_velocity_between_readings() -> None:
    memory: dict[str, Tensor] = {}
    first, second = normal(6, 4), normal(6, 4, seed=1)
    readings = [VELOCITY.read(snapshot(J, None, memory)) for J in (first, first * 9, second)]
    values = [float(reading["tangent_velocity"]) for reading in readings]
    assert values[:2] == [0, pytest.approx(0, abs=1e-12)]
    expected = kernel_velocity(second @ second.mT, first @ first.mT)
    assert values[2] == pytest.approx(float(expected), rel=1e-5)
    assert memory["tangent_velocity"].dtype == torch.float32


def test_velocity_begins_again_where_memory_does_not_fit() -> None:
    memory = {"tangent_velocity": torch.ones(2, 2)}
    assert float(VELOCITY.read(snapshot(normal(6, 4), None, memory))["tangent_velocity"]) == 0
    assert memory["tangent_velocity"].shape == (6, 6)


def test_velocity_remembers_what_was_finite() -> None:
    memory: dict[str, Tensor] = {}
    first, second = normal(6, 4), normal(6, 4, seed=1)
    values = [
        float(VELOCITY.read(snapshot(J, None, memory))["tangent_velocity"])
        for J in (first, first * math.nan, second)
    ]
    assert math.isnan(values[1])
    expected = kernel_velocity(second @ second.mT, first @ first.mT)
    assert values[2] == pytest.approx(float(expected), rel=1e-5)
