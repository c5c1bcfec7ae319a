"""Fresh inputs: uniform bits in the train inputs' own spelling."""

import pytest
import torch
from torch import Tensor, nn

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.fresh_inputs import BitInputs


class Parity(nn.Module):
    """Two logits whose margin is the parity of the first two bits, 2 for even and -2 for odd."""

    def forward(self, inputs: Tensor) -> Tensor:
        odd = (inputs[:, 0] > 0) ^ (inputs[:, 1] > 0)
        margin = 2.0 - 4.0 * odd
        return torch.stack([-margin / 2, margin / 2], dim=1)


def train(*values: float, rows: int = 40) -> Tensor:
    drawn = torch.randint(2, (rows, 3), generator=torch.Generator().manual_seed(1))
    return torch.tensor(values)[drawn]


@pytest.mark.parametrize("values", [(0.0, 1.0), (-1.0, 1.0), (0, 3)])
def test_margins_follow_the_signs(values: tuple[float, float]) -> None:
    fresh = BitInputs(Parity(), (train(*values),), 3).read(500)
    assert fresh.signs.shape == (500, 3)
    torch.testing.assert_close(fresh.margins, 2 * fresh.signs[:, 0] * fresh.signs[:, 1])
    assert fresh.signs.mean(0).abs().max() < 0.15


def test_the_same_inputs_every_time_and_no_draw_of_others() -> None:
    state = torch.get_rng_state()
    first, second = (BitInputs(Parity(), (train(0.0, 1.0),), 3).read(50) for _ in range(2))
    assert torch.equal(first.signs, second.signs)
    assert torch.equal(state, torch.get_rng_state())


def test_other_columns_stay() -> None:
    inputs = torch.cat([train(0.0, 1.0), torch.full((40, 1), 7.0)], 1)
    seen: list[Tensor] = []

    class Watches(Parity):
        def forward(self, inputs: Tensor) -> Tensor:
            seen.append(inputs)
            return super().forward(inputs)

    BitInputs(Watches(), (inputs,), 3).read(20)
    assert (seen[0][:, 3] == 7).all()


@pytest.mark.parametrize(
    "inputs", [(train(0.0, 1.0)[:, :2],), (train(0.0, 1.0),) * 2, (), (torch.rand(40, 3),)]
)
def test_inputs_that_are_no_bits(inputs: tuple[Tensor, ...]) -> None:
    with pytest.raises(SignalError, match=r"with 3 columns of two values, got .* Try Probe"):
        BitInputs(Parity(), inputs, 3)


def test_more_than_two_logits() -> None:
    drawn = BitInputs(nn.Linear(3, 4), (train(0.0, 1.0),), 3)
    with pytest.raises(SignalError, match="Expected two logits, or one, for an input, got more"):
        drawn.read(5)


@pytest.mark.parametrize("values", [(0.0, 1.0), (-1.0, 1.0)])
def test_the_lower_value_is_the_sign_above_zero(values: tuple[float, float]) -> None:
    class First(nn.Module):
        """Two logits whose margin is the first column."""

        def forward(self, inputs: Tensor) -> Tensor:
            return torch.stack([torch.zeros(len(inputs)), inputs[:, 0]], dim=1)

    fresh = BitInputs(First(), (train(*values),), 3).read(100)
    low, high = values
    torch.testing.assert_close(fresh.margins, torch.where(fresh.signs[:, 0] > 0, low, high))
