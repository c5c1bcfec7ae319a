"""Which examples second derivatives run on, and that choosing leaves no trace."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from grokwatch.monitor.sub_batch import MOST_BYTES, keep, saved_bytes, sub_batch

Batch = tuple[Tensor, Tensor]


def loss_of(module: nn.Module, batch: Batch) -> Tensor:
    return cross_entropy(module(batch[0]), batch[1])


def batch_of(total: int, width: int = 4) -> Batch:
    return torch.randn(total, width), torch.zeros(total).long()


@pytest.mark.parametrize(("total", "kept"), [(1, 1), (100, 100), (5_000, 4_096)])
def test_a_copy_of_up_to_4096_examples(total: int, kept: int) -> None:
    examples = torch.arange(total)
    (copied,) = keep((examples,))
    assert len(copied.unique()) == kept
    examples.zero_()
    assert copied[-1] >= total // 2


def test_a_batch_that_cannot_be_counted_stays_itself() -> None:
    batch = {"a": torch.zeros(3), "b": torch.zeros(4)}
    assert keep(batch) is batch
    assert sub_batch(nn.Identity(), lambda m, b: b["a"].sum(), batch) is batch


def test_small_batches_are_taken_whole() -> None:
    batch = batch_of(1_000)
    assert sub_batch(nn.Linear(4, 3), loss_of, batch) is batch


@pytest.mark.parametrize("width", [600, 4_000])
def test_large_ones_by_what_fits_or_by_a_quarter(width: int) -> None:
    layers = [nn.Linear(4, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()]
    module = nn.Sequential(*layers[: 2 if width > 1_000 else 4], nn.Linear(width, 3))
    batch = batch_of(4_000)
    examples, _ = sub_batch(module, loss_of, batch)
    each = saved_bytes(module, loss_of, batch_of(32)) / 32
    affordable = int(MOST_BYTES / each)
    assert len(examples) == max(1_000, min(4_000, affordable))
    assert len(examples) < 4_000


def test_bytes_are_those_of_activations() -> None:
    module = nn.Sequential(nn.Linear(4, 10), nn.Tanh(), nn.Linear(10, 3))
    few, many = (saved_bytes(module, loss_of, batch_of(n)) for n in (10, 110))
    # the inputs (4 numbers), the hidden layer (10), the log-probabilities (3), and the label
    assert few / 10 == pytest.approx(4 * (4 + 10 + 3) + 8, rel=0.05)
    assert many / few == pytest.approx(11, rel=0.05)


def test_no_trace_is_left() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    batch = batch_of(100)
    state = torch.get_rng_state()
    sub_batch(module, loss_of, batch)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())
    assert module.training
    assert torch.equal(state, torch.get_rng_state())
