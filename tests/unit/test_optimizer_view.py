"""What optimizers keep: read as they would use it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grokwatch.monitor.optimizer_view import OptimizerView
from grokwatch.monitor.snapshot import Need

BETAS = (0.9, 0.95)


def trained(
    make: Callable[..., torch.optim.Optimizer], **options: Any
) -> tuple[nn.Module, OptimizerView]:
    """A model after five updates with gradients that are all the same number, 1 to 5."""
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimizer = make(module.parameters(), **options)
    for number in range(1, 6):
        for parameter in module.parameters():
            parameter.grad = torch.full_like(parameter, number)
        optimizer.step()
    return module, OptimizerView(module, lambda: [optimizer])


def mean(beta: float, powers: int) -> float:
    """The weighted mean of 1..5, newer ones weighing more."""
    weights = [beta ** (5 - number) for number in range(1, 6)]
    total = sum(w * float(n) ** powers for w, n in zip(weights, range(1, 6), strict=True))
    return total / sum(weights)


def test_adam_keeps_unbiased_means() -> None:
    module, view = trained(torch.optim.AdamW, lr=1e-3, betas=BETAS, eps=1e-3, weight_decay=0.5)
    fields = view.read()
    shapes = {name: p.shape for name, p in module.named_parameters()}
    assert {name: value.shape for name, value in fields["momentum"].items()} == shapes
    for value in fields["momentum"].values():
        torch.testing.assert_close(value, torch.full_like(value, mean(0.9, 1)))
    for value in fields["preconditioner"].values():
        torch.testing.assert_close(value, torch.full_like(value, mean(0.95, 2) ** 0.5 + 1e-3))
    assert fields["decay"]["weight"].item() == pytest.approx(5e-4)


def test_amsgrad_divides_by_the_largest() -> None:
    _, view = trained(torch.optim.AdamW, amsgrad=True, betas=BETAS)
    state: Tensor = view.read()["preconditioner"]["weight"]
    assert (state > 0).all()


@pytest.mark.parametrize(
    ("make", "options", "given"),
    [
        (torch.optim.AdamW, {}, {Need.MOMENTUM, Need.PRECONDITIONER, Need.DECAY}),
        (torch.optim.Adam, {"weight_decay": 0.1}, {Need.MOMENTUM, Need.PRECONDITIONER}),
        (torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.1}, {Need.DECAY}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, set()),
        (torch.optim.RMSprop, {}, set()),
    ],
)
def test_what_each_optimizer_gives(
    make: type[torch.optim.Optimizer], options: dict[str, float], given: set[Need]
) -> None:
    _, view = trained(make, **options)
    needs = (Need.MOMENTUM, Need.PRECONDITIONER, Need.DECAY)
    assert {need for need in needs if view.give(need)} == given
    assert {name.upper() for name in view.read()} == {need.name for need in given}


def test_nothing_before_the_first_update_and_without_an_optimizer() -> None:
    module = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(module.parameters())
    view = OptimizerView(module, lambda: [optimizer])
    assert view.give(Need.MOMENTUM)
    assert set(view.read()) == {"decay"}
    assert not OptimizerView(module).give(Need.DECAY)
    assert OptimizerView(module).read() == {}


def test_a_parameter_that_no_optimizer_updates_spoils_the_sum() -> None:
    module = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW([module.weight])
    assert not OptimizerView(module, lambda: [optimizer]).give(Need.MOMENTUM)
    module.bias.requires_grad_(False)
    assert OptimizerView(module, lambda: [optimizer]).give(Need.MOMENTUM)


def test_groups_and_optimizers_are_joined_in_the_model_s_order() -> None:
    module = nn.Linear(3, 2)
    first = torch.optim.AdamW([module.bias], lr=0.1, weight_decay=0.1)
    second = torch.optim.AdamW([{"params": [module.weight], "lr": 1.0}], weight_decay=0.5)
    decay = OptimizerView(module, lambda: [first, second]).read()["decay"]
    assert list(decay) == ["weight", "bias"]
    assert [value.item() for value in decay.values()] == pytest.approx([0.5, 0.01])
