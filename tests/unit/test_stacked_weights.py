import pytest
import torch
from torch import nn
from torch.func import functional_call

from grokwatch.experiments.models import CircularMLP, ParityMLP
from grokwatch.experiments.stacked.losses import cross_entropy
from grokwatch.experiments.stacked.optimizers import StackedAdam
from grokwatch.experiments.stacked.weights import pack, pack_gradients, stack, unstack
from grokwatch.monitor.errors import ConfigurationError


def models(count: int = 3) -> list[ParityMLP]:
    return [ParityMLP(num_bits=4, hidden=5, seed=seed) for seed in range(count)]


def test_unstack_gives_back_what_was_stacked() -> None:
    several = models()
    weights = stack(several)
    states = unstack(weights)
    for model, state in zip(several, states, strict=True):
        copy = ParityMLP(num_bits=4, hidden=5, seed=9)
        copy.load_state_dict(state)
        for name, parameter in model.named_parameters():
            assert torch.equal(copy.get_parameter(name), parameter)


def test_a_stack_has_memory_of_its_own() -> None:
    [model] = several = models(1)
    weights = stack(several)
    [state] = unstack(weights)
    before = model.hidden.weight.detach().clone()
    with torch.no_grad():
        weights["hidden.weight"].zero_()
    assert torch.equal(model.hidden.weight, before)
    assert torch.equal(state["hidden.weight"], before)
    assert weights["hidden.weight"].is_leaf
    assert weights["hidden.weight"].requires_grad


@pytest.mark.parametrize(
    ("several", "message"),
    [
        ([], r"Expected at least one model, got none\. Try"),
        (
            [nn.Linear(2, 3), nn.Linear(2, 4)],
            r"of one shape, got weight \(3, 2\).* model 1, .* Try",
        ),
        ([nn.Linear(2, 3), nn.Linear(2, 3, bias=False)], r"Expected models of one shape, .* Try"),
        (
            [CircularMLP(modulus=7), CircularMLP(modulus=7, frequency=2)],
            r"Expected the same buffers in all models, got another 'circle' in model 1\. Try",
        ),
    ],
)
def test_models_that_are_not_alike_are_refused(several: list[nn.Module], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        stack(several)


def test_weights_of_unequally_many_models_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected weights of equally .* got \[1, 2\]\. Try"):
        unstack({"a": torch.zeros(1, 2), "b": torch.zeros(2, 2)})


def test_packed_weights_train_as_loose_ones() -> None:
    several = models()
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randint(2, (20, 4), generator=generator) * 2.0 - 1.0
    targets = torch.randint(2, (20,), generator=generator)
    loose = stack(several)
    block, packed = pack(stack(several))
    one = StackedAdam(loose.values(), lr=[1e-3, 1e-2, 1e-1], decay=0.1)
    other = StackedAdam([block], lr=[1e-3, 1e-2, 1e-1], decay=0.1)
    for _ in range(5):
        for weights in (loose, packed):
            losses = cross_entropy(functional_call(several[0], weights, (inputs,)), targets)
            gradients = torch.autograd.grad(losses.sum(), list(weights.values()))
            if weights is loose:
                one.step(gradients)
            else:
                other.step([pack_gradients(gradients)])
    assert not torch.equal(loose["hidden.weight"], stack(several)["hidden.weight"])
    for name, weight in loose.items():
        torch.testing.assert_close(packed[name], weight, rtol=1e-5, atol=1e-6)
