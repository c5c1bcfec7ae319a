"""The standard losses against their trainers."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from grokwatch.monitor.bystander import same_random_numbers
from grokwatch.monitor.standard_loss import (
    STANDARD_LOSSES,
    StandardLoss,
    agreeing,
    standard_values,
)

CLASSES = (torch.randn(40, 3, generator=torch.Generator().manual_seed(1)), torch.arange(40) % 4)


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 4)).double()


def doubled(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch[0].double(), batch[1]


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


def test_standard_losses_leave_batch_statistics() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    assert standard_values(module, CLASSES)
    for name, buffer in module.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0)


def test_a_model_that_writes_into_its_inputs_changes_no_batch() -> None:
    module = nn.Sequential(nn.Dropout(0.5, inplace=True), nn.Linear(3, 4))
    batch = (torch.ones(40, 3), CLASSES[1])
    values = standard_values(module, batch)
    assert torch.equal(batch[0], torch.ones(40, 3))
    with torch.no_grad():
        reported = cross_entropy(module(batch[0]), batch[1]).item()
    assert agreeing(values, reported) is not None


def test_targets_that_cross_entropy_leaves_out() -> None:
    targets = torch.where(CLASSES[1] == 0, -100, CLASSES[1])
    values = standard_values(model().float(), (CLASSES[0], targets))
    assert [loss.name for loss in values if "one-hot" in loss.name] == []
    assert {"mean cross-entropy"} <= {loss.name for loss in values}


def test_lazy_layers_are_not_run_before_their_trainer_runs_them() -> None:
    module = nn.Sequential(nn.LazyLinear(5), nn.LazyBatchNorm1d(), nn.Linear(5, 4))
    assert standard_values(module, CLASSES) == {}
    assert isinstance(module[0].weight, nn.parameter.UninitializedParameter)
