"""The landscape of a stack is that of each of its models, and so is what its views show."""

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from grokwatch.experiments.models import ParityMLP
from grokwatch.experiments.stacked.losses import cross_entropy
from grokwatch.experiments.stacked.weights import stack
from grokwatch.experiments.sweep.landscape import StackLandscape, landscape_rows
from grokwatch.experiments.sweep.views import StackViews
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.tangents import GradientSketch

MODELS = [ParityMLP(num_bits=3, hidden=4, seed=seed) for seed in range(2)]
INPUTS = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0)).sign()
TARGETS = (INPUTS.prod(-1) > 0).long()


jacobian: Callable[..., Tensor] = torch.autograd.functional.jacobian
hessian: Callable[..., Tensor] = torch.autograd.functional.hessian


def made() -> StackLandscape:
    return StackLandscape(MODELS[0], cross_entropy, stack(MODELS), INPUTS, TARGETS)


def loss_of(model: nn.Module, flat: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of one model whose weights are one vector."""
    sizes = [p.numel() for p in model.parameters()]
    named = zip(model.named_parameters(), torch.split(flat, sizes), strict=True)
    weights: Mapping[str, Tensor] = {name: part.view(p.shape) for (name, p), part in named}
    logits: Tensor = functional_call(model, dict(weights), (inputs.double(),))
    return cross_entropy(logits, targets)


def flat(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().double().flatten() for p in model.parameters()])


@pytest.mark.parametrize("part", [(0, 1), (1, 3)])
def test_loss_gradient_and_product_are_those_of_each_model(part: tuple[int, int]) -> None:
    landscape = made()
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(2, flat(MODELS[0]).numel(), generator=generator, dtype=torch.float64)
    losses = landscape.loss(part=part), landscape.loss(vectors, part=part)
    gradients, products = landscape.gradient(part=part), landscape.product(vectors, part=part)
    for index, model in enumerate(MODELS):
        inputs, targets = (x[index, part[0] :: part[1]] for x in (INPUTS, TARGETS))

        def of(vector: Tensor) -> Tensor:
            return loss_of(model, vector, inputs, targets)  # noqa: B023

        here = flat(model)
        torch.testing.assert_close(losses[0][index], of(here))
        torch.testing.assert_close(losses[1][index], of(here + vectors[index]))
        torch.testing.assert_close(gradients[index], jacobian(of, here))
        curvature = hessian(of, here)
        torch.testing.assert_close(products[index], curvature @ vectors[index])


def test_a_part_without_examples_is_refused() -> None:
    with pytest.raises(SignalError, match=r"Expected at least 9 examples to take part 8 of 9, got"):
        made().gradient(part=(8, 9))


def test_few_examples_are_all_taken() -> None:
    rows = landscape_rows(MODELS[0], cross_entropy, INPUTS[0], TARGETS[0])
    assert rows.tolist() == list(range(7))


def test_fresh_inputs_are_the_same_for_all_models_and_answered_by_each() -> None:
    views = StackViews(MODELS[0], MODELS[0].probe(), stack(MODELS), INPUTS, GradientSketch())
    fresh = views.fresh(3, count=5)
    assert fresh.signs.shape == (5, 3)
    for index, model in enumerate(MODELS):
        logits = model(-fresh.signs)
        torch.testing.assert_close(fresh.margins[index], (logits[:, 1] - logits[:, 0]).detach())


def test_inputs_with_other_columns_are_not_drawn_afresh() -> None:
    views = StackViews(MODELS[0], MODELS[0].probe(), stack(MODELS), INPUTS, GradientSketch())
    with pytest.raises(SignalError, match=r"Expected inputs .* with 2 columns of two values"):
        views.fresh(2)
