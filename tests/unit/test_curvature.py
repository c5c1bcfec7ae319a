"""Curvature against exact Hessians, and the standard losses against their trainers."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from grokwatch.monitor.bystander import same_random_numbers
from grokwatch.monitor.curvature import (
    STANDARD_LOSSES,
    Curvature,
    StandardLoss,
    agreeing,
    standard_values,
    sub_batch,
)

CLASSES = (torch.randn(40, 3, generator=torch.Generator().manual_seed(1)), torch.arange(40) % 4)


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 4)).double()


def doubled(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch[0].double(), batch[1]


def loss_of(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return cross_entropy(module(batch[0]), batch[1])


def exact_hessian(module: nn.Sequential, batch: tuple[Tensor, Tensor]) -> Tensor:
    names = [name for name, _ in module.named_parameters()]
    shapes = [p.shape for p in module.parameters()]

    def loss(flat: Tensor) -> Tensor:
        parts = torch.split(flat, [shape.numel() for shape in shapes])
        weights = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        return cross_entropy(torch.func.functional_call(module, weights, batch[0]), batch[1])

    flat = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
    return torch.autograd.functional.hessian(loss, flat)  # type: ignore[no-untyped-call, no-any-return]


def test_products_are_columns_of_the_hessian() -> None:
    module, batch = model(), doubled(CLASSES)
    curvature = Curvature(module, loss_of, batch)
    hessian = exact_hessian(module.eval(), batch)
    module.train()
    columns = [curvature.product(row) for row in torch.eye(len(hessian), dtype=torch.float64)]
    torch.testing.assert_close(torch.stack(columns), hessian)
    assert all(child.training for child in module.modules())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_products_follow_the_weights_after_close() -> None:
    module, batch = model(), doubled(CLASSES)
    curvature, ones = Curvature(module, loss_of, batch), torch.ones(44, dtype=torch.float64)
    before = curvature.product(ones)
    curvature.close()
    with torch.no_grad():
        module.get_parameter("0.weight").mul_(2)
    after = curvature.product(ones)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, exact_hessian(module.eval(), batch).sum(dim=1))


@pytest.mark.parametrize(("total", "kept"), [(100, 100), (600, 256), (4_000, 1_000)])
def test_sub_batch_is_a_quarter_with_a_minimum(total: int, kept: int) -> None:
    examples = torch.arange(total)
    (copied,) = sub_batch((examples,))
    assert len(copied.unique()) == kept
    examples.zero_()
    assert copied[-1] > total // 2


def test_straight_loss_has_no_curvature() -> None:
    curvature = Curvature(nn.Linear(2, 1), lambda m, b: m(b[0]).sum(), (torch.ones(4, 2),))
    assert curvature.product(torch.ones(3)).tolist() == [0.0, 0.0, 0.0]


def test_frozen_weights_are_left_out() -> None:
    module = model()
    module[0].requires_grad_(False)
    product = Curvature(module, loss_of, doubled(CLASSES)).product(torch.ones(24).double())
    assert product.shape == (24,)


def test_attention_has_a_second_derivative() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    size = sum(p.numel() for p in layer.parameters())
    curvature = Curvature(layer, lambda m, b: m(b[0]).square().mean(), (torch.randn(4, 5, 8),))
    assert torch.isfinite(curvature.product(torch.randn(size))).all()


def test_batch_norm_statistics_stay() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    Curvature(module, loss_of, CLASSES).product(torch.ones(24))
    standard_values(module, CLASSES)
    for name, buffer in module.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0)


def trainer_loss(name: str, module: nn.Module) -> tuple[tuple[Tensor, Tensor], Tensor]:
    inputs, classes = doubled(CLASSES)
    output = module(inputs)
    one_hot = nn.functional.one_hot(classes, 4).double()
    return {
        "mean cross-entropy": ((inputs, classes), cross_entropy(output, classes)),
        "mean cross-entropy over the number of classes": (
            (inputs, classes),
            cross_entropy(output, classes) / 4,
        ),
        "mean squared error": ((inputs, one_hot * 2), mse_loss(output, one_hot * 2)),
        "mean squared error against one-hot targets": (
            (inputs, classes),
            mse_loss(output, one_hot),
        ),
    }[name]


@pytest.mark.parametrize("name", STANDARD_LOSSES)
def test_standard_loss_is_known_by_its_value_even_with_dropout(name: str) -> None:
    module = model()
    with same_random_numbers(torch.device("cpu")):
        batch, reported = trainer_loss(name, module)
    state = torch.get_rng_state()
    values = standard_values(module, batch)
    assert torch.equal(torch.get_rng_state(), state)
    assert agreeing(values, reported.item()) == StandardLoss(name)
    assert agreeing(values, reported.item() * 1.01) is None
    assert agreeing(values, float("nan")) is None


def test_batches_that_are_not_pairs_have_no_standard_loss() -> None:
    assert standard_values(model(), torch.zeros(3, 3)) == {}
    assert standard_values(model(), (torch.zeros(3, 3), "text")) == {}
    with pytest.raises(
        ValueError, match=r"Expected a batch of inputs and targets.*Try Probe\(loss"
    ):
        StandardLoss("mean cross-entropy")(model(), torch.zeros(3, 3))
    with pytest.raises(ValueError, match=r"Expected a classifier's output, got \(3, 3\)\. Try"):
        STANDARD_LOSSES["mean cross-entropy"](torch.zeros(3, 3), torch.zeros(2).long())


def test_statistics_shared_between_processes_are_left_alone() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.SyncBatchNorm(4))
    seen: list[bool] = []
    module.register_forward_hook(lambda *_: seen.append(True))
    assert standard_values(module, CLASSES) == {}
    assert not seen
