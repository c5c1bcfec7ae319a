import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grokwatch.experiments.optim import L1AdamW
from grokwatch.experiments.stacked.optimizer import StackedOptimizer
from grokwatch.experiments.stacked.optimizers import OPTIMIZERS, StackedAdam, StackedSGD
from grokwatch.monitor.errors import ConfigurationError

Reference = Callable[..., torch.optim.Optimizer]

ADAM = {"lr": 3e-3, "betas": (0.9, 0.98), "eps": 1e-7}
CASES: list[tuple[str, Reference, dict[str, Any]]] = [
    ("adamw", torch.optim.AdamW, {**ADAM, "decay": 0.5}),
    ("adamw", torch.optim.AdamW, {**ADAM, "decay": 0.0, "betas": (0.0, 0.999)}),
    ("adamw", partial(L1AdamW, l1=1e-2), {**ADAM, "decay": 0.1, "l1": 1e-2}),
    ("adam", torch.optim.Adam, {**ADAM, "decay": 0.5}),
    ("adam", torch.optim.Adam, {**ADAM, "decay": 0.0}),
    ("sgd", torch.optim.SGD, {"lr": 1e-2, "decay": 0.0}),
    ("sgd", torch.optim.SGD, {"lr": 1e-2, "decay": 0.5}),
    ("sgd", torch.optim.SGD, {"lr": 1e-2, "decay": 0.5, "momentum": 0.9}),
]
SETTINGS: dict[str, dict[str, Any]] = {
    "adamw": {
        "lr": [1e-3, 3e-3, 1e-2, 1e-1],
        "decay": [0.0, 0.1, 1.0, 3.0],
        "l1": [0.0, 1e-3, 0.0, 1e-1],
        "betas": ([0.9, 0.0, 0.8, 0.99], [0.98, 0.999, 0.9, 0.95]),
        "eps": [1e-8, 1e-6, 1e-3, 1e-8],
    },
    "sgd": {
        "lr": [1e-3, 3e-3, 1e-2, 1e-1],
        "decay": [0.0, 0.1, 1.0, 0.3],
        "l1": [0.0, 1e-3, 0.0, 1e-1],
        "momentum": [0.0, 0.9, 0.5, 0.99],
    },
}
SETTINGS["adam"] = SETTINGS["adamw"]
SHAPES = [(5, 3), (7,)]


def initial(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(count, *shape, generator=generator) for shape in SHAPES]


def gradients_of(weights: Sequence[Tensor], step: int) -> list[Tensor]:
    """A gradient that depends on the weights, so that errors do not stay small by themselves."""
    generator = torch.Generator().manual_seed(step)
    noise = [torch.randn(weight.shape[1:], generator=generator) for weight in weights]
    return [0.3 * weight.detach() + part for weight, part in zip(weights, noise, strict=True)]


def setting_of(value: Any, model: int) -> Any:
    return tuple(v[model] for v in value) if isinstance(value, tuple) else value[model]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("name", "reference", "settings"), CASES)
def test_a_stack_of_one_is_torch_s_own(
    name: str, reference: Reference, settings: dict[str, Any], fused: bool
) -> None:
    """To the bit; torch's fused kernels round otherwise."""
    weights = initial(1)
    parameters = [nn.Parameter(weight[0].clone()) for weight in weights]
    options = {key: value for key, value in settings.items() if key != "l1"}
    options["weight_decay"] = options.pop("decay")
    torch_s = reference(parameters, **options, fused=fused)
    ours = OPTIMIZERS[name](weights, **settings)
    for step in range(100):
        gradients = gradients_of(weights, step)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient[0]
        torch_s.step()
        ours.step(gradients)
        for parameter, weight in zip(parameters, weights, strict=True):
            if fused:
                torch.testing.assert_close(weight[0], parameter.detach(), rtol=1e-6, atol=1e-6)
            else:
                assert torch.equal(weight[0], parameter)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_stack_is_a_loop_of_singles(name: str, decoupled: bool) -> None:
    weights = initial(4)
    singles = [[weight[m : m + 1].clone() for weight in weights] for m in range(4)]
    together = OPTIMIZERS[name](weights, **SETTINGS[name], decoupled=decoupled)
    alone = []
    for model, single in enumerate(singles):
        settings = {key: setting_of(value, model) for key, value in SETTINGS[name].items()}
        alone.append(OPTIMIZERS[name](single, **settings, decoupled=decoupled))
    for step in range(100):
        together.step(gradients_of(weights, step))
        for optimizer, single in zip(alone, singles, strict=True):
            optimizer.step(gradients_of(single, step))
    for number, weight in enumerate(weights):
        loop = torch.cat([single[number] for single in singles])
        torch.testing.assert_close(weight, loop, rtol=1e-6, atol=1e-6)
        assert not torch.allclose(loop[0], loop[1])


def test_decoupled_decay_leaves_the_momentum_alone() -> None:
    weights = [torch.ones(2, 3)]
    optimizer = StackedSGD(weights, lr=0.1, decay=[0.5, 0.0], momentum=0.9, decoupled=True)
    for _ in range(2):
        optimizer.step([torch.zeros(2, 3)])
    torch.testing.assert_close(weights[0][:, 0], torch.tensor([0.95**2, 1.0]))


@pytest.mark.parametrize("name", OPTIMIZERS)
class TestFrozenModels:
    def train(self, optimizer: StackedOptimizer, weights: list[Tensor], steps: range) -> None:
        for step in steps:
            gradients = gradients_of(weights, step)
            if not bool(optimizer.active.all()):
                for gradient in gradients:
                    gradient[1] = math.nan
            optimizer.step(gradients)

    def test_they_keep_every_bit_and_touch_no_other(self, name: str) -> None:
        weights, untouched = initial(4), initial(4)
        optimizer, other = (OPTIMIZERS[name](w, **SETTINGS[name]) for w in (weights, untouched))
        self.train(optimizer, weights, range(5))
        self.train(other, untouched, range(5))
        weights[0][1, 0, 0] = math.inf
        weights[0][1, 1, 0] = -0.0
        before = [weight.clone() for weight in weights]
        optimizer.freeze(torch.tensor([False, True, False, False]))
        self.train(optimizer, weights, range(5, 20))
        self.train(other, untouched, range(5, 20))
        for weight, old, expected in zip(weights, before, untouched, strict=True):
            assert torch.equal(weight[1].view(torch.int32), old[1].view(torch.int32))
            assert torch.equal(weight[[0, 2, 3]], expected[[0, 2, 3]])
            assert not torch.equal(weight[[0, 2, 3]], old[[0, 2, 3]])

    def test_gradients_that_are_not_finite_stay_with_their_model(self, name: str) -> None:
        weights = initial(4)
        optimizer = OPTIMIZERS[name](weights, **SETTINGS[name])
        gradients = gradients_of(weights, 0)
        gradients[0][1] = math.nan
        optimizer.step(gradients)
        assert weights[0].isfinite().all(-1).all(-1).tolist() == [True, False, True, True]
        optimizer.freeze(~weights[0].isfinite().all(-1).all(-1))
        assert optimizer.active.tolist() == [True, False, True, True]
        optimizer.freeze(torch.tensor([True, False, False, False]))
        assert optimizer.active.tolist() == [False, False, True, True]
        assert all(bool(part.isfinite().all()) for part in optimizer.state().values())


@pytest.mark.parametrize("freezes", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_optimizer_goes_on_to_the_bit(name: str, freezes: bool) -> None:
    weights = initial(4)
    first = OPTIMIZERS[name](weights, **SETTINGS[name])
    for step in range(5):
        first.step(gradients_of(weights, step))
    first.freeze(torch.tensor([False, False, freezes, False]))
    copies = [weight.clone() for weight in weights]
    second = OPTIMIZERS[name](copies, **SETTINGS[name])
    second.load(first.state())
    assert second.active.tolist() == first.active.tolist()
    for step in range(5, 10):
        first.step(gradients_of(weights, step))
        second.step(gradients_of(copies, step))
    assert all(map(torch.equal, weights, copies))


def test_a_frozen_model_stays_where_its_eps_is_nothing() -> None:
    weights = [torch.ones(2, 3)]
    optimizer = StackedAdam(weights, eps=1e-60)
    optimizer.freeze(torch.tensor([True, False]))
    optimizer.step([torch.ones(2, 3)])
    assert weights[0][0].tolist() == [1.0, 1.0, 1.0]


def test_the_learning_rate_can_change() -> None:
    weights = [torch.ones(2, 3)]
    optimizer = StackedSGD(weights, lr=1.0)
    optimizer.set_lr([0.1, 0.2])
    optimizer.step([torch.ones(2, 3)])
    torch.testing.assert_close(weights[0][:, 0], torch.tensor([0.9, 0.8]))


def test_gradients_are_read_only() -> None:
    weights, gradients = initial(4), initial(4)
    before = [gradient.clone() for gradient in gradients]
    optimizer = StackedAdam(weights, **SETTINGS["adamw"])
    optimizer.freeze(torch.tensor([False, True, False, False]))
    optimizer.step(gradients)
    assert all(map(torch.equal, gradients, before))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("adamw", {"lr": 0.0}, r"Expected lr > 0, one number or 4, got 0\.0\. Try a tensor"),
        ("adam", {"lr": [1e-3, math.nan, 1.0, 1.0]}, r"Expected lr > 0, .* got .*nan"),
        ("sgd", {"decay": [0.1, 0.1]}, r"Expected decay >= 0, one number or 4, got .* Try"),
        ("adamw", {"l1": -1.0}, r"Expected l1 >= 0, .* got -1\.0\. Try"),
        ("adamw", {"betas": (0.9, 1.0)}, r"Expected betas in \[0, 1\), .* got 1\.0\. Try"),
        ("adamw", {"eps": 0.0}, r"Expected eps > 0, .* got 0\.0\. Try"),
        ("sgd", {"momentum": 1.0}, r"Expected momentum in \[0, 1\), .* got 1\.0\. Try"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        OPTIMIZERS[name](initial(4), **settings)


def test_what_does_not_fit_the_weights_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Expected weights of equally many .* Try"):
        StackedSGD([torch.zeros(2, 3), torch.zeros(3, 3)])
    optimizer = StackedSGD(initial(4), momentum=0.9)
    with pytest.raises(ValueError, match=r"Expected gradients \[\(4, 5, 3\), .* got .* Try"):
        optimizer.step(initial(3))
    with pytest.raises(ValueError, match=r"Expected 4 flags, got torch\.int64 \(4,\)\. Try"):
        optimizer.freeze(torch.ones(4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"Expected a state .* got .* Try the same optimizer"):
        optimizer.load(StackedSGD(initial(3), momentum=0.9).state())
