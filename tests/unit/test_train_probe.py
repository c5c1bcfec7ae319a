"""The train probe: fixed, in eval mode, without a trace."""

import pytest
import torch
from torch import Tensor, nn

from grokwatch.monitor.train_probe import TrainProbe

X = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
Y = X[:, :3].argmax(dim=1)


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


def test_accuracy_is_that_of_eval_mode_and_leaves_no_trace() -> None:
    module = model()
    probe = TrainProbe(module, (X, Y))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    reading = probe.read()
    assert reading is not None
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert module.training
    module.eval()
    expected = (module(X).argmax(dim=1) == Y).double().mean()
    assert torch.equal(reading.accuracy, expected)
    assert reading.logits.shape == (50, 3)
    assert not reading.logits.requires_grad


def test_examples_stay_what_they_were() -> None:
    inputs = X.clone()
    probe = TrainProbe(model(), (inputs, Y))
    first = probe.read()
    inputs.zero_()
    second = probe.read()
    assert first is not None
    assert second is not None
    assert torch.equal(first.logits, second.logits)


@pytest.mark.parametrize(("is_full_batch", "size"), [(False, 1_024), (True, 4_096)])
def test_probe_is_bounded(is_full_batch: bool, size: int) -> None:
    batch = (torch.zeros(5_000, 3), torch.zeros(5_000).long())
    reading = TrainProbe(nn.Identity(), batch, is_full_batch=is_full_batch).read()
    assert reading is not None
    assert len(reading.targets) == size


@pytest.mark.parametrize("batch", [X, (X, Y[:3]), None, (X, torch.zeros(50))])
def test_what_is_no_classification_is_not_judged(batch: object) -> None:
    assert TrainProbe(model(), batch).read() is None


def test_out_of_memory_halves_the_probe() -> None:
    sizes: list[int] = []

    class Greedy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            sizes.append(len(x))
            if len(x) > 20:
                raise torch.OutOfMemoryError
            return x

    probe = TrainProbe(Greedy(), (X, Y))
    for _ in range(2):
        with pytest.raises(torch.OutOfMemoryError):
            probe.read()
    assert probe.read() is not None
    assert sizes == [50, 25, 12]


class InPlace(nn.Linear):
    """Centers its inputs where they lie."""

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs.sub_(1.0))


def test_a_model_that_writes_into_its_inputs_sees_the_same_ones_again() -> None:
    probe = TrainProbe(InPlace(4, 3), (X, Y))
    first, second = probe.read(), probe.read()
    assert first is not None
    assert second is not None
    assert torch.equal(first.logits, second.logits)


@pytest.mark.parametrize(("most", "kept"), [(150, 50), (100, 33), (2, 1)])
def test_many_logits_are_those_of_fewer_examples(
    monkeypatch: pytest.MonkeyPatch, most: int, kept: int
) -> None:
    monkeypatch.setattr("grokwatch.monitor.train_probe.MOST_LOGITS", most)
    probe = TrainProbe(model(), (X, Y))
    reading = probe.read()
    assert reading is not None
    assert reading.logits.shape == (kept, 3)
    assert probe.examples is not None
    assert len(probe.examples[1]) == kept
