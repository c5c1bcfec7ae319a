"""Training in a stack is training alone: models, losses and optimizers together."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from grokwatch.experiments.models import MODELS
from grokwatch.experiments.stacked.losses import cross_entropy
from grokwatch.experiments.stacked.optimizers import StackedAdam
from grokwatch.experiments.stacked.weights import stack

STEPS = 100
LR, DECAY = [1e-3, 3e-3, 1e-2, 3e-3], [0.0, 1.0, 0.1, 0.3]
CASES: list[tuple[str, dict[str, Any]]] = [
    ("modular_mlp", {"modulus": 11, "embedding": 20, "hidden": 12}),
    ("direct_mlp", {"modulus": 11, "hidden": 12}),
    ("parity_mlp", {"num_bits": 8, "hidden": 16}),
    ("transformer", {"modulus": 11, "width": 16, "heads": 2, "hidden": 32}),
]


def examples(name: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    if name == "parity_mlp":
        bits = torch.randint(2, (60, 8), generator=generator)
        return bits * 2.0 - 1.0, bits[:, :2].sum(1) % 2
    pairs = torch.randint(11, (60, 2), generator=generator)
    return pairs, pairs.sum(1) % 11


def together(models: list[nn.Module], lr: list[float], decay: list[float], name: str) -> Tensor:
    """Losses `(S,)` after training in one stack."""
    inputs, targets = examples(name)
    weights = stack(models)
    optimizer = StackedAdam(weights.values(), lr=lr, decay=decay)

    def losses() -> Tensor:
        return cross_entropy(functional_call(models[0], weights, (inputs,)), targets)

    for _ in range(STEPS):
        optimizer.step(torch.autograd.grad(losses().sum(), list(weights.values())))
    return losses().detach()


def alone(model: nn.Module, lr: float, decay: float, name: str) -> Tensor:
    """Loss after training as anyone would."""
    inputs, targets = examples(name)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=decay, betas=(0.9, 0.98))
    for _ in range(STEPS):
        optimizer.zero_grad()
        functional.cross_entropy(model(inputs), targets).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return functional.cross_entropy(model(inputs), targets).detach()


def made(name: str, options: dict[str, Any]) -> list[nn.Module]:
    make: Callable[..., nn.Module] = MODELS[name]
    return [make(**options, seed=seed) for seed in range(4)]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_hundred_steps_end_where_torch_ends(name: str, options: dict[str, Any]) -> None:
    stacked = together(made(name, options), LR, DECAY, name)
    settings = zip(made(name, options), LR, DECAY, strict=True)
    loop = torch.stack([alone(model, lr, decay, name) for model, lr, decay in settings])
    # Attention makes more of a rounding error than the others do.
    tolerance = 1e-4 if name == "transformer" else 1e-5
    torch.testing.assert_close(stacked, loop, rtol=tolerance, atol=0)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_neighbors_change_nothing(name: str, options: dict[str, Any]) -> None:
    everyone = together(made(name, options), LR, DECAY, name)
    pair = together(made(name, options)[2:], LR[2:], DECAY[2:], name)
    torch.testing.assert_close(everyone[2:], pair, rtol=1e-5, atol=0)
