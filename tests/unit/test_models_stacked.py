"""A stack of models computes what each of them computes alone: logits, gradients, dropout."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from grokwatch.experiments.models import MODELS
from grokwatch.experiments.models.layers import dropout, rows_of
from grokwatch.experiments.stacked.weights import stack

MODULAR = {"modulus": 7, "embedding": 10, "hidden": 5}
TOKENS = {"modulus": 7, "width": 8, "heads": 2, "hidden": 6}
SMALL: dict[str, dict[str, Any]] = {
    "modular_mlp": MODULAR,
    "direct_mlp": {"modulus": 7, "hidden": 5},
    "circular_mlp": {"modulus": 7},
    "parity_mlp": {"num_bits": 6, "hidden": 5},
    "plain_mlp": {"num_features": 6, "num_classes": 3, "hidden": 5},
    "transformer": TOKENS,
}
SHARING: list[dict[str, Any]] = [
    {"embeddings": "input_tied"},
    {"embeddings": "untied"},
    {"separate": True},
    {"embeddings": "untied", "separate": True},
    {"embeddings": "input_tied", "collapsed_input": True},
    {"embeddings": "input_tied", "collapsed_output": True},
    {"embeddings": "untied", "collapsed_input": True, "collapsed_output": True},
    {"embeddings": "input_tied", "separate": True, "collapsed_input": True},
]
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *SMALL.items(),
    *(("modular_mlp", MODULAR | options) for options in SHARING),
    *((name, SMALL[name] | {"activation": "square"}) for name in SMALL if name != "direct_mlp"),
    *((name, SMALL[name] | {"alpha": 3.0}) for name in SMALL if name != "direct_mlp"),
    ("parity_mlp", {"num_bits": 4, "num_control": 2, "hidden": 5}),
    ("plain_mlp", SMALL["plain_mlp"] | {"layers": 1}),
    ("transformer", TOKENS | {"norm": True}),
    ("transformer", TOKENS | {"layers": 2}),
    ("transformer", TOKENS | {"layers": 2, "norm": True}),
]
DROPPING = ("modular_mlp", "parity_mlp", "plain_mlp", "transformer")


def inputs_of(name: str, *models: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if name in {"parity_mlp", "plain_mlp"}:
        return torch.randint(2, (*models, 9, 6), generator=generator) * 2.0 - 1.0
    return torch.randint(7, (*models, 9, 2), generator=generator)


def made(name: str, options: dict[str, Any], count: int = 3) -> list[nn.Module]:
    return [MODELS[name](seed=seed, **options) for seed in range(count)]


def outputs_and_gradients(
    model: nn.Module, weights: dict[str, Tensor], inputs: Tensor, **options: Any
) -> tuple[Tensor, dict[str, Tensor]]:
    logits = functional_call(model, weights, (inputs,), options)
    gradients = torch.autograd.grad(logits.square().sum(), list(weights.values()))
    return logits, dict(zip(weights, gradients, strict=True))


def check_stack(
    models: list[nn.Module], inputs: Tensor, *, own: bool, many: Any = None, few: Any = None
) -> None:
    """A stack gives the logits and gradients of each model alone, to 1e-5 of their norm."""
    options = {} if many is None else {"random": many}
    logits, gradients = outputs_and_gradients(models[0], stack(models), inputs, **options)
    for number, model in enumerate(models):
        own_inputs = inputs[number] if own else inputs
        options = {} if few is None else {"random": few[number]}
        weights: dict[str, Tensor] = dict(model.named_parameters())
        single, expected = outputs_and_gradients(model, weights, own_inputs, **options)
        assert (logits[number] - single).norm() <= 1e-5 * single.norm()
        for name, gradient in expected.items():
            assert (gradients[name][number] - gradient).norm() <= 1e-5 * gradient.norm(), name


@pytest.mark.parametrize("own", [False, True], ids=["shared inputs", "own inputs"])
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_a_stack_is_a_loop_of_singles(name: str, options: dict[str, Any], own: bool) -> None:
    inputs = inputs_of(name, 3) if own else inputs_of(name)
    check_stack(made(name, options), inputs, own=own)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", DROPPING)
def test_dropout_with_a_generator_each_is_that_of_singles(name: str, layers: int) -> None:
    options = SMALL[name] | {"dropout": 0.4}
    if name in {"plain_mlp", "transformer"}:
        options |= {"layers": layers}
    models = made(name, options)
    many, few = ([torch.Generator().manual_seed(10 + s) for s in range(3)] for _ in range(2))
    check_stack(models, inputs_of(name), own=False, many=many, few=few)


@pytest.mark.parametrize("name", DROPPING)
def test_dropout_is_for_training(name: str) -> None:
    model = MODELS[name](**SMALL[name], dropout=0.5)
    inputs = inputs_of(name)
    assert not torch.equal(model(inputs), model(inputs))
    assert torch.equal(model.hidden_states(inputs), model.hidden_states(inputs))
    model.eval()
    assert torch.equal(model(inputs), MODELS[name](**SMALL[name])(inputs))


def test_dropout_draws_one_mask_for_the_stack_from_one_generator() -> None:
    states = torch.ones(2, 500, 40)
    first, again = (dropout(states, 0.3, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])
    assert sorted(set(first.flatten().tolist())) == pytest.approx([0, 1 / 0.7])
    assert float(first.mean()) == pytest.approx(1, abs=4 * (0.3 / 0.7 / first.numel()) ** 0.5)


def test_dropout_wants_as_many_generators_as_models() -> None:
    with pytest.raises(ValueError, match=r"Expected one generator, or .* got 1\. Try a single"):
        dropout(torch.ones(2, 3, 4), 0.3, [torch.Generator()])


def test_rows_may_be_asked_of_one_table_by_many_models() -> None:
    table, index = torch.arange(6.0).view(3, 2), torch.tensor([[0, 2], [1, 1]])
    assert torch.equal(rows_of(table, index), table[index])
    tables = torch.stack([table, -table])
    assert torch.equal(rows_of(tables, index), torch.stack([table[[0, 2]], -table[[1, 1]]]))
