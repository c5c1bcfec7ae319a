"""The loss ring keeps the newest losses, exactly."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.loss_ring import LossRing


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=40), st.integers(1, 20))
def test_newest_losses_are_kept_in_order(losses: list[float], capacity: int) -> None:
    ring = LossRing(capacity)
    for index, loss in enumerate(losses):
        ring.push(torch.tensor(loss))
        if index % 7 == 0:
            ring.read()
    assert ring.read().tolist() == losses[-capacity:]
    assert len(ring) == min(capacity, len(losses))
    assert ring.read().dtype == torch.float64


def test_many_losses_do_not_pile_up() -> None:
    ring = LossRing(10)
    for step in range(1_000):
        ring.push(torch.tensor(float(step)))
    assert len(ring._losses) == 10
    assert ring.read().tolist() == list(map(float, range(990, 1_000)))


def test_state_keeps_every_bit() -> None:
    ring, other = LossRing(), LossRing()
    for loss in (0.1, float("nan"), float("inf"), -0.0, 5e-324):
        ring.push(torch.tensor(loss, dtype=torch.float64))
    other.push(torch.tensor(7.0))
    other.restore(ring.state())
    assert other.state() == ring.state()
    assert len(other) == 5


@pytest.mark.parametrize("loss", [torch.ones(1), torch.ones((), dtype=torch.bfloat16)])
def test_losses_of_other_makes_are_taken(loss: torch.Tensor) -> None:
    ring = LossRing()
    ring.push(torch.tensor(2.0))
    ring.push(loss)
    assert ring.read().tolist() == [2.0, 1.0]
