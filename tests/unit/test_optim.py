from typing import Any

import pytest
import torch
from torch import nn

from grokwatch.experiments.optim import AdamW, L1AdamW
from grokwatch.monitor.errors import ConfigurationError


def parameter() -> nn.Parameter:
    return nn.Parameter(torch.tensor([1.0, -2.0, 0.0]))


def train(optimizer: AdamW, weight: nn.Parameter, steps: int, penalty: float = 0.0) -> torch.Tensor:
    made = optimizer.make([weight])
    for _ in range(steps):

        def closure() -> float:
            made.zero_grad()
            loss = (weight - torch.tensor([0.3, 0.2, 0.1])).square().sum()
            loss = loss + penalty * weight.abs().sum()
            torch.autograd.backward(loss)
            return loss.item()

        made.step(closure)
    return weight.detach()


def test_l1_equals_a_penalty_in_the_loss() -> None:
    by_gradient = train(AdamW(lr=0.01, l1=0.2), parameter(), 40)
    by_loss = train(AdamW(lr=0.01), parameter(), 40, penalty=0.2)
    torch.testing.assert_close(by_gradient, by_loss)
    assert not torch.allclose(by_gradient, train(AdamW(lr=0.01), parameter(), 40))


def test_l1_leaves_the_gradient_of_the_loss_in_place() -> None:
    weight = parameter()
    optimizer = L1AdamW([weight], l1=5.0, lr=0.01)
    torch.autograd.backward(weight.sum())
    gradient = weight.grad
    optimizer.step()
    assert gradient is not None
    assert weight.grad is gradient
    assert torch.equal(gradient, torch.ones(3))


def test_l1_skips_parameters_without_gradient() -> None:
    used, unused = parameter(), parameter()
    optimizer = L1AdamW([used, unused], l1=1.0, lr=0.1)
    torch.autograd.backward(used.sum())
    optimizer.step()
    assert unused.grad is None
    assert torch.equal(unused.detach(), parameter().detach())


def test_decay_is_decoupled_from_the_gradient() -> None:
    weight = parameter()
    optimizer = AdamW(lr=0.1, decay=0.5).make([weight])
    weight.grad = torch.zeros(3)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), parameter().detach() * (1 - 0.1 * 0.5))


@pytest.mark.parametrize("arguments", [{"lr": 0.0}, {"decay": -1.0}, {"l1": -1e-3}])
def test_settings_that_cannot_work_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected lr > 0, decay >= 0 .* got .* Try lr"):
        AdamW(**arguments)
