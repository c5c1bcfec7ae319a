"""Runs that were recorded can be made again: the first networks keep every bit of what they do.

Initial weights are compared with values recorded before the options came, to the bit where the
processor has the vector instructions of then; elsewhere, and for what depends on the order of
sums, with the formulas of then.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grokwatch.experiments.models import DirectMLP, ModularMLP, ParityMLP

INSTRUCTIONS = "AVX512"
RECORDED: list[tuple[Callable[..., nn.Module], dict[str, Any], int, str, float]] = [
    (ModularMLP, {}, 0, "988378bceab81019", 1402.207977164088),
    (ModularMLP, {}, 165, "5b292ce94d90b7ef", 1408.7552964459107),
    (ModularMLP, {"embeddings": "input_tied"}, 0, "732def7b578f90e6", 2392.2501915270987),
    (ModularMLP, {"embeddings": "input_tied"}, 165, "3012c4a6805e2e70", 2413.2146413772116),
    (DirectMLP, {}, 0, "2ba106814dbd6dc6", 69.11823991282573),
    (DirectMLP, {}, 165, "e036573c55a7eb6f", 70.30539770845263),
    (ParityMLP, {}, 0, "289f2906df6dd4f0", 68.514461075973),
    (ParityMLP, {}, 165, "d0d1e12f31627b4f", 65.70351455683807),
]


def digest(model: nn.Module) -> str:
    found = hashlib.sha256()
    for weight in model.state_dict().values():
        found.update(weight.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def sum_of_squares(model: nn.Module) -> float:
    return sum(float(weight.double().square().sum()) for weight in model.state_dict().values())


@pytest.mark.parametrize(("kind", "options", "seed", "bits", "squares"), RECORDED)
def test_initial_weights_are_those_recorded(
    kind: Callable[..., nn.Module], options: dict[str, Any], seed: int, bits: str, squares: float
) -> None:
    model = kind(**options, seed=seed)
    assert sum_of_squares(model) == pytest.approx(squares, rel=1e-6)
    if torch.backends.cpu.get_cpu_capability() == INSTRUCTIONS:
        assert digest(model) == bits


def pairs() -> Tensor:
    return torch.randint(67, (200, 2), generator=torch.Generator().manual_seed(0))


def bits() -> Tensor:
    drawn = torch.randint(2, (200, 30), generator=torch.Generator().manual_seed(0))
    return drawn * 2.0 - 1.0


def rectified_rows(rows: Tensor, inputs: Tensor) -> Tensor:
    first, second = inputs.unbind(dim=1)
    return torch.relu(rows.index_select(-2, first) + rows.index_select(-2, second))


def factored(w: dict[str, Tensor], inputs: Tensor) -> Tensor:
    unembed = w.get("unembed.weight", w["embed.weight"])
    states = rectified_rows(w["embed.weight"] @ w["hidden.weight"].mT, inputs)
    return states @ (w["output.weight"].mT @ unembed.mT)


def direct(w: dict[str, Tensor], inputs: Tensor) -> Tensor:
    return rectified_rows(w["input.weight"], inputs) @ w["output.weight"].mT


def parity(w: dict[str, Tensor], inputs: Tensor) -> Tensor:
    constant = inputs.new_ones(inputs.shape[0], 1)
    states = torch.relu(torch.cat([inputs, constant], dim=1) @ w["hidden.weight"].mT)
    return states @ w["output.weight"].mT


@pytest.mark.parametrize(
    ("model", "formula", "inputs"),
    [
        (ModularMLP(), factored, pairs()),
        (ModularMLP(embeddings="input_tied"), factored, pairs()),
        (DirectMLP(), direct, pairs()),
        (ParityMLP(), parity, bits()),
    ],
    ids=["tied", "input tied", "direct", "parity"],
)
def test_logits_and_gradients_keep_every_bit(
    model: nn.Module, formula: Callable[[dict[str, Tensor], Tensor], Tensor], inputs: Tensor
) -> None:
    weights: dict[str, Tensor] = dict(model.named_parameters())
    logits, expected = model(inputs), formula(weights, inputs)
    assert torch.equal(logits, expected)
    found, wanted = (
        torch.autograd.grad(x.square().sum(), list(weights.values())) for x in (logits, expected)
    )
    assert all(map(torch.equal, found, wanted))
