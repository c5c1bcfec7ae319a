import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from grokwatch.experiments.stacked.losses import (
    LOSSES,
    cross_entropy,
    hinge,
    logistic,
    stablemax_cross_entropy,
)


def stablemax_in_words(logits: Tensor, targets: Tensor) -> Tensor:
    """Number by number."""
    losses = []
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        scores = [z + 1 if z >= 0 else 1 / (1 - z) for z in row]
        losses.append(-math.log(scores[target] / sum(scores)))
    return torch.tensor(sum(losses) / len(losses), dtype=logits.dtype)


def one_hot_error(logits: Tensor, targets: Tensor) -> Tensor:
    classes = functional.one_hot(targets, logits.shape[-1])
    return functional.mse_loss(logits, classes.to(logits.dtype))


REFERENCES = {
    "cross_entropy": functional.cross_entropy,
    "scaled_cross_entropy": lambda z, y: functional.cross_entropy(z, y) / 5,
    "logistic": functional.cross_entropy,
    "squared_error": one_hot_error,
    "hinge": functional.multi_margin_loss,
    "stablemax": stablemax_in_words,
}


def examples(name: str, *models: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    classes = 2 if name == "logistic" else 5
    logits = 3 * torch.randn(*models, 8, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (*models, 8), generator=generator)


@pytest.mark.parametrize("name", LOSSES)
class TestEveryLoss:
    def test_it_is_torch_s_own_for_each_model(self, name: str) -> None:
        logits, targets = examples(name, 2, 3)
        losses = LOSSES[name](logits, targets)
        assert losses.shape == (2, 3)
        for place in ((0, 0), (1, 2)):
            expected = REFERENCES[name](logits[place], targets[place])
            torch.testing.assert_close(losses[place], expected)

    def test_targets_may_be_shared(self, name: str) -> None:
        logits, targets = examples(name, 3)
        own = LOSSES[name](logits, targets[:1].expand(3, -1))
        assert torch.equal(LOSSES[name](logits, targets[0]), own)
        assert LOSSES[name](logits[0], targets[0]).shape == ()

    def test_the_sum_gives_each_model_its_own_gradient(self, name: str) -> None:
        logits, targets = examples(name, 3)
        [together] = torch.autograd.grad(
            LOSSES[name](logits.requires_grad_(), targets).sum(), logits
        )
        for number in range(3):
            alone = logits[number].detach().requires_grad_()
            [gradient] = torch.autograd.grad(LOSSES[name](alone, targets[number]), alone)
            torch.testing.assert_close(together[number], gradient)

    def test_its_gradient_is_its_slope(self, name: str) -> None:
        logits, targets = examples(name, 2)
        assert torch.autograd.gradcheck(lambda z: LOSSES[name](z, targets), logits.requires_grad_())

    def test_a_model_that_diverged_stays_alone(self, name: str) -> None:
        logits, targets = examples(name, 3)
        logits[1] = math.nan
        logits.requires_grad_()
        losses = LOSSES[name](logits, targets)
        assert losses.isfinite().tolist() == [True, False, True]
        [gradient] = torch.autograd.grad(losses.sum(), logits)
        assert bool(gradient[[0, 2]].isfinite().all())

    @pytest.mark.parametrize(
        ("logits", "targets"),
        [((8, 5), (8, 5)), ((3, 8, 5), (3,)), ((3, 8, 5), (2, 8)), ((5,), ())],
    )
    def test_shapes_that_do_not_fit_are_refused(
        self, name: str, logits: tuple[int, ...], targets: tuple[int, ...]
    ) -> None:
        with pytest.raises(ValueError, match=r"Expected logits \(\*models, N, C\) .* got .* Try"):
            LOSSES[name](torch.zeros(logits), torch.zeros(targets, dtype=torch.int64))


def test_hinge_is_exactly_zero_beyond_the_margin() -> None:
    logits = torch.tensor([[1e7 + 0.3, 1.0, -2.0]])
    assert hinge(logits, torch.tensor([0])).item() == 0


def test_stablemax_has_slope_one_at_zero() -> None:
    logits = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    [gradient] = torch.autograd.grad(stablemax_cross_entropy(logits, torch.tensor([0])), logits)
    torch.testing.assert_close(gradient, torch.tensor([[-0.5, 0.5]], dtype=torch.float64))


def test_stablemax_does_not_collapse_where_softmax_does() -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    target = torch.tensor([0])
    for loss, collapses in ((cross_entropy, True), (stablemax_cross_entropy, False)):
        value = loss(logits, target)
        [gradient] = torch.autograd.grad(value, logits)
        assert (value.item() == 0) == collapses
        assert (float(gradient.abs().max()) == 0) == collapses


def test_the_logistic_loss_is_cross_entropy_that_does_not_end() -> None:
    logits = torch.tensor([[0.0, 20.0]], requires_grad=True)
    target = torch.tensor([1])
    exact = cross_entropy(logits.double(), target)
    torch.testing.assert_close(logistic(logits, target).double(), exact, rtol=1e-6, atol=0)
    [rounded] = torch.autograd.grad(cross_entropy(logits, target), logits)
    [kept] = torch.autograd.grad(logistic(logits, target), logits)
    assert rounded[0, 1] == 0
    assert kept[0, 1] == -kept[0, 0] != 0


def test_the_logistic_loss_takes_two_classes() -> None:
    with pytest.raises(ValueError, match=r"Expected logits of two classes, got 3\. Try loss="):
        logistic(torch.zeros(1, 3), torch.tensor([0]))
