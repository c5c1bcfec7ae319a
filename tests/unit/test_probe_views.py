"""What can be seen on the train probe: tried once, made only when it is read."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from grokwatch.monitor.errors import ProbeError
from grokwatch.monitor.probe import Group, Probe
from grokwatch.monitor.probe_views import NEEDS, ProbeViews
from grokwatch.monitor.snapshot import Need
from grokwatch.monitor.train_probe import TrainProbe

BITS = torch.randint(2, (40, 6), generator=torch.Generator().manual_seed(0)).float()
ODD = (BITS[:, 0] != BITS[:, 1]).long()


class Counting(nn.Sequential):
    """A small network that counts its forward passes."""

    def __init__(self, outputs: int = 2) -> None:
        torch.manual_seed(0)
        super().__init__(
            nn.Linear(6, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, outputs), nn.Dropout(0.5)
        )
        self.passes = 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.passes += 1
        out: Tensor = super().forward(inputs)  # type: ignore[no-untyped-call]
        return out


@pytest.fixture
def module() -> Iterator[Counting]:
    counting = Counting()
    before = {name: value.clone() for name, value in counting.state_dict().items()}
    state = torch.get_rng_state()
    yield counting
    assert all(torch.equal(value, before[name]) for name, value in counting.state_dict().items())
    assert counting.training
    assert torch.equal(state, torch.get_rng_state())


def views(
    module: nn.Module, *, probe: Probe | None = None, group: Group | None = None
) -> ProbeViews:
    return ProbeViews(module, TrainProbe(module, (BITS, ODD)), probe or Probe(), group)


def test_a_binary_network_gives_all_but_attention(module: Counting) -> None:
    found = views(module, group=Group("bits", 6))
    assert {need for need in NEEDS if found.give(need)} == NEEDS - {Need.ATTENTION}
    assert found.reasons == {}
    assert found.guesses == ["hidden states are what '3' is given, the last nn.Linear"]
    fields = found.read(40)
    assert fields["representations"]["last"].shape == (40, 8)
    assert fields["tangents"](torch.tensor([0, 7])).shape[0] == 2
    assert fields["fresh"]().margins.shape == (20_000,)
    assert "attention" not in fields


def test_nothing_runs_until_it_is_read(module: Counting) -> None:
    found = views(module, group=Group("bits", 6))
    module.passes = 0
    fields = found.read(40)
    assert fields["representations"]
    assert module.passes == 0
    assert fields["representations"]["last"] is fields["representations"]["last"]
    assert module.passes == 1


def test_only_what_is_asked_for_is_tried(module: Counting) -> None:
    ProbeViews(module, TrainProbe(module, (BITS, ODD)), Probe(), None, needs=())
    assert module.passes == 0


def test_inputs_that_are_no_bits_say_why(module: Counting) -> None:
    found = views(module, group=Group("bits", 5))
    assert not found.give(Need.FRESH)
    assert "Expected inputs (N, columns) with 5 columns of two values" in found.reasons[Need.FRESH]


def test_a_function_that_fails_says_why(module: Counting) -> None:
    found = views(module, probe=Probe(hidden=lambda module, inputs: module.no_such(inputs)))
    assert not found.give(Need.REPRESENTATIONS)
    assert "no_such" in found.reasons[Need.REPRESENTATIONS]
    assert found.guesses == []


def test_attention_that_nobody_gives(module: Counting) -> None:
    found = views(module, probe=Probe(attention=lambda module, inputs: {}))
    assert not found.give(Need.ATTENTION)
    assert "Expected attention maps of some layer, got none" in found.reasons[Need.ATTENTION]


def test_a_submodule_that_is_not_there_is_refused(module: Counting) -> None:
    with pytest.raises(ProbeError, match="Expected hidden to name a submodule, got 'nope'"):
        views(module, probe=Probe(hidden="nope"))


def test_a_function_that_writes_into_its_inputs_changes_no_probe(module: Counting) -> None:
    found = views(module, probe=Probe(hidden=lambda _, inputs: inputs.mul_(2.0)))
    states = [found.read(40)["representations"]["last"] for _ in range(2)]
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], 2 * BITS)


def test_tangents_follow_a_probe_that_shrinks(module: Counting) -> None:
    probe = TrainProbe(module, (BITS, ODD))
    found = ProbeViews(module, probe, Probe(), None)
    rows, before = torch.tensor([0, 1]), found.read(40)["tangents"]
    assert found.read(40)["tangents"] is before

    def look() -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        probe.watch(look)
    after = found.read(20)["tangents"](rows)
    torch.testing.assert_close(after, before(2 * rows))
