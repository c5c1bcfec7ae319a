"""Standard losses: which of them a trainer uses, by their values on its own batch.

A trainer's step cannot be run again without changing it, so a loss that was not given in a probe is
a standard one, and that counts only after it gave the number that the trainer reported on the same
batch.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parameter import is_lazy

from grokwatch.monitor.batch import Batch, classified, copied, logits_of, split
from grokwatch.monitor.bystander import device_of, lent, same_random_numbers, undisturbed

LossOfOutput: TypeAlias = Callable[[Tensor, Tensor], Tensor]

TOLERANCE = 1e-3
IGNORED = -100  # what torch's cross-entropy leaves out

REMEDY = "Probe(loss=lambda module, batch: cross_entropy(module(batch[0]), batch[1]))"


def _cross_entropy(output: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over decisions."""
    logits, classes = _decisions(output, targets, ignored=IGNORED)
    return functional.cross_entropy(logits, classes)


def _cross_entropy_over_classes(output: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over decisions and classes."""
    logits, classes = _decisions(output, targets, ignored=IGNORED)
    return functional.cross_entropy(logits, classes) / logits.shape[-1]


def _one_hot_error(output: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error against one-hot targets."""
    logits, classes = _decisions(output, targets)
    one_hot = functional.one_hot(classes, logits.shape[-1])
    return functional.mse_loss(logits, one_hot.to(logits.dtype))


def _squared_error(output: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error against targets of the same shape."""
    return functional.mse_loss(output.reshape(targets.shape), targets.to(output.dtype))


def _decisions(
    output: Tensor, targets: Tensor, *, ignored: int | None = None
) -> tuple[Tensor, Tensor]:
    """One row per decision, or a ValueError where this is no classification."""
    pair = classified(output, targets, ignored=ignored)
    if pair is None:
        msg = f"Expected a classifier's output, got {tuple(output.shape)}. Try {REMEDY}."
        raise ValueError(msg)
    return pair


STANDARD_LOSSES: Mapping[str, LossOfOutput] = {
    "mean cross-entropy": _cross_entropy,
    "mean cross-entropy over the number of classes": _cross_entropy_over_classes,
    "mean squared error": _squared_error,
    "mean squared error against one-hot targets": _one_hot_error,
}


@dataclass(frozen=True)
class StandardLoss:
    """Forward on (inputs, targets), then one of the standard losses; callable as a probe's loss."""

    name: str

    def __call__(self, module: nn.Module, batch: Batch) -> Tensor:
        """Evaluate the loss on a batch: a scalar."""
        pair = split(batch)
        output = None if pair is None else logits_of(module(*pair[0]))
        if pair is None or output is None:
            msg = f"Expected a batch of inputs and targets, got {type(batch)}. Try {REMEDY}."
            raise ValueError(msg)
        return STANDARD_LOSSES[self.name](output, pair[1])


def standard_values(
    module: nn.Module,
    batch: Batch,
    context: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> dict[StandardLoss, float]:
    """What each standard loss gives on a batch, just before the trainer's own step on it.

    Each sees the train mode and the random numbers that the step will see, so dropout agrees too.
    A model that averages batch statistics over processes in train mode is not run: only one process
    comes here, and would wait for the others, or take numbers that they meant for their own step.
    Nor is one with lazy parameters, which draws its first weights where it is run first.

    Args:
        module: the model before its update.
        batch: the batch that the trainer is about to use.
        context: the trainer's precision.

    Returns:
        Standard loss -> value, without those that cannot be evaluated on this batch.
    """
    values: dict[StandardLoss, float] = {}
    if _is_to_be_left(module):
        return values
    for name in STANDARD_LOSSES:
        loss = StandardLoss(name)
        try:
            with (
                same_random_numbers(device_of(module)),
                undisturbed(module, training=None),
                torch.no_grad(),
                context(),
            ):
                values[loss] = _value(module, loss, batch)
        except Exception:  # any model may refuse any loss
            continue
    return values


def _is_to_be_left(module: nn.Module) -> bool:
    """Whether to run a model before its trainer does would change training."""
    tensors = (*module.parameters(), *module.buffers())
    return any(isinstance(child, nn.SyncBatchNorm) for child in module.modules()) or any(
        map(is_lazy, tensors)
    )


def agreeing(values: Mapping[StandardLoss, float], reported: float) -> StandardLoss | None:
    """The standard loss that gave what the trainer reported, within 0.1 %, or None.

    Example:
        >>> agreeing({StandardLoss("mean squared error"): 0.5}, 0.5)
        StandardLoss(name='mean squared error')
    """
    for loss, value in values.items():
        if math.isclose(value, reported, rel_tol=TOLERANCE, abs_tol=1e-9):
            return loss
    return None


def _value(module: nn.Module, loss: StandardLoss, batch: Batch) -> float:
    """Evaluate on cloned buffers, and on a copy of the batch that is about to be trained on."""
    with lent(module):
        return float(loss(module, copied(batch)))
