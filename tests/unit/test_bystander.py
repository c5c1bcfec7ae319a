"""Nothing that a forward pass changes is left changed."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from grokwatch.monitor.bystander import (
    _is_compiled,
    device_of,
    differentiable_twice,
    lent,
    same_random_numbers,
    undisturbed,
)

CPU = torch.device("cpu")


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))  # noqa: NPY002


def test_random_numbers_are_those_without_us() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    with same_random_numbers(CPU):
        inside = draws()
    assert draws() == inside


def test_random_numbers_are_restored_after_an_exception() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()

    def interrupted() -> None:
        with same_random_numbers(CPU):
            torch.rand(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert torch.equal(torch.get_rng_state(), before)


def mixed() -> nn.Sequential:
    model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2), nn.Sequential(nn.Dropout()))
    model[1].eval()
    return model


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, None])
def test_each_submodule_gets_its_own_mode_back(error: type[BaseException] | None) -> None:
    model = mixed()
    modes = [child.training for child in model.modules()]
    try:
        with undisturbed(model):
            assert not any(child.training for child in model.modules())
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert [child.training for child in model.modules()] == modes == [True, True, False, True, True]


def test_modes_can_be_left_alone() -> None:
    model = mixed()
    with undisturbed(model, training=None):
        assert model.training
        assert not model[1].training


def test_compiled_parts_are_noticed() -> None:
    assert not _is_compiled(mixed())
    model = nn.Sequential(nn.Linear(2, 2))
    model.compile(backend="eager")
    assert _is_compiled(model)
    inner: Any = torch.compile(nn.Linear(2, 2), backend="eager")
    assert _is_compiled(nn.Sequential(inner))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_models_run_eagerly_inside() -> None:
    calls: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        calls.append(1)
        return graph.forward

    model: Any = torch.compile(nn.Linear(2, 2), backend=backend)
    with undisturbed(model):
        model(torch.zeros(1, 2))
    assert calls == []
    model(torch.zeros(1, 2))
    assert calls == [1]


def test_buffers_lent_are_copies() -> None:
    model = nn.BatchNorm1d(2)
    kept = model.running_mean
    with lent(model):
        assert model.running_mean is not None
        model.running_mean.add_(1)
    assert model.running_mean is kept
    assert kept is not None
    assert kept.tolist() == [0.0, 0.0]


def test_a_layer_under_two_names_gets_its_own_weights_back() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    model.add_module("again", model[0])
    kept = model[0].weight
    outputs = []

    def run(rows: int) -> None:
        with lent(model, {"0.weight": torch.zeros(2, 2)}):
            outputs.append(model(torch.ones(rows, rows)).tolist())

    run(2)
    assert outputs == [[[0.0, 0.0], [0.0, 0.0]]]
    with pytest.raises(RuntimeError):
        run(3)
    assert model[0].weight is kept
    assert [name for name, _ in model.named_parameters()] == ["0.weight"]


def test_device_of_a_module_without_parameters() -> None:
    assert device_of(nn.Identity()) == CPU


def test_what_is_lent_in_another_dtype_is_all_of_it() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2)).eval()
    model[0].requires_grad_(False)
    before = {name: (tensor, tensor.clone()) for name, tensor in model.state_dict().items()}
    given = {"2.weight": torch.ones(2, 2, dtype=torch.float64)}
    with lent(model, given, torch.float64):
        dtypes = {name: tensor.dtype for name, tensor in model.state_dict().items()}
        assert model(torch.ones(3, 2, dtype=torch.float64)).dtype is torch.float64
        model.get_buffer("1.running_mean").add_(1)
    assert dtypes.pop("1.num_batches_tracked") is torch.int64
    assert set(dtypes.values()) == {torch.float64}
    for name, tensor in model.state_dict().items():
        assert tensor.data_ptr() == before[name][0].data_ptr()
        assert torch.equal(tensor, before[name][1])


def test_derivatives_are_taken_wherever_the_caller_stands() -> None:
    layer = nn.Linear(2, 2)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        with differentiable_twice(layer):
            output = layer(torch.ones(1, 2)).square().sum()
            (slope,) = torch.autograd.grad(output, layer.weight, create_graph=True)
        assert torch.is_inference_mode_enabled()
    assert output.dtype is torch.float32
    assert slope.requires_grad


def test_recurrent_layers_run_without_their_fused_kernels() -> None:
    outside = torch.backends.cudnn.enabled
    with differentiable_twice(nn.Sequential(nn.LSTM(2, 2))):
        assert not torch.backends.cudnn.enabled
    with differentiable_twice(nn.Linear(2, 2)):
        assert torch.backends.cudnn.enabled is outside
    assert torch.backends.cudnn.enabled is outside
