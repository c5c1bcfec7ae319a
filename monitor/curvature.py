"""The train loss once more: what a Hessian-vector product differentiates.

A trainer's step cannot be run again without changing it, so the loss is the probe's own or a
standard one, and a standard one counts only after it gave the number that the trainer reported on
the same batch. Everything runs on the live parameters and cloned buffers, in
eval mode, on a fixed sub-batch, so that its peak memory stays under training's own. Models without
a second derivative fail as a signal does.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokwatch.monitor.batch import Batch, classified, logits_of, num_examples, split, take
from grokwatch.monitor.bystander import (
    device_of,
    differentiable_twice,
    lent,
    same_random_numbers,
    undisturbed,
)

LossOfBatch: TypeAlias = Callable[[nn.Module, Batch], Tensor]
LossOfOutput: TypeAlias = Callable[[Tensor, Tensor], Tensor]

BATCH_SHARE = 4
MIN_EXAMPLES = 256
TOLERANCE = 1e-3

REMEDY = "Probe(loss=lambda module, batch: cross_entropy(module(batch[0]), batch[1]))"


def _cross_entropy(output: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over decisions."""
    logits, classes = _decisions(output, targets)
    return functional.cross_entropy(logits, classes)


def _cross_entropy_over_classes(output: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over decisions and classes."""
    logits, classes = _decisions(output, targets)
    return functional.cross_entropy(logits, classes) / logits.shape[-1]


def _one_hot_error(output: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error against one-hot targets."""
    logits, classes = _decisions(output, targets)
    one_hot = functional.one_hot(classes, logits.shape[-1])
    return functional.mse_loss(logits, one_hot.to(logits.dtype))


def _squared_error(output: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error against targets of the same shape."""
    return functional.mse_loss(output.reshape(targets.shape), targets.to(output.dtype))


def _decisions(output: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """One row per decision, or a ValueError where this is no classification."""
    pair = classified(output, targets)
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

    Args:
        module: the model before its update.
        batch: the batch that the trainer is about to use.
        context: the trainer's precision.

    Returns:
        Standard loss -> value, without those that cannot be evaluated on this batch.
    """
    values: dict[StandardLoss, float] = {}
    if any(isinstance(child, nn.SyncBatchNorm) for child in module.modules()):
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
                values[loss] = float(_evaluate(module, loss, batch))
        except Exception:  # any model may refuse any loss
            continue
    return values


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


def sub_batch(batch: Batch) -> Batch:
    """A copy of a quarter of a batch, but of no fewer than 256 examples where it has them.

    Args:
        batch: a train batch.

    Returns:
        The copy; second derivatives on it take less memory than training on the batch.
    """
    total = num_examples(batch) or 0
    return take(batch, max(min(total, MIN_EXAMPLES), total // BATCH_SHARE))


class Curvature:
    """Second derivatives of the train loss on fixed examples.

    Args:
        module: the model being trained.
        loss: `loss(module, batch) -> scalar`.
        batch: examples that stay as they are, such as a `sub_batch`.
    """

    def __init__(self, module: nn.Module, loss: LossOfBatch, batch: Batch) -> None:
        self._batch = batch
        self._module = module
        self._loss = loss
        self._weights: list[Tensor] = []
        self._gradients: tuple[Tensor, ...] | None = None

    def product(self, vector: Tensor) -> Tensor:
        """Multiply the Hessian with a vector; the products until `close` share one graph.

        Args:
            vector: `(P,)` over all trainable parameters in order.

        Returns:
            `(P,)`, in the vector's dtype.
        """
        with undisturbed(self._module), differentiable_twice():
            if self._gradients is None:
                self._open()
            pairs = self._pairs(vector)
            if not pairs:
                return torch.zeros_like(vector)
            gradients, parts = zip(*pairs, strict=True)
            products = torch.autograd.grad(
                gradients, self._weights, parts, retain_graph=True, materialize_grads=True
            )
        return torch.cat([part.reshape(-1) for part in products]).to(vector.dtype)

    def close(self) -> None:
        """Let go of the graph; the next product sees the weights of its own time."""
        self._gradients = None
        self._weights = []

    def _pairs(self, vector: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Each gradient that depends on the weights, with its part of the vector."""
        parts = torch.split(vector, [weight.numel() for weight in self._weights])
        return [
            (gradient, part.reshape(gradient.shape).to(gradient.dtype))
            for gradient, part in zip(self._gradients or (), parts, strict=True)
            if gradient.requires_grad
        ]

    def _open(self) -> None:
        """Differentiate the loss once, keeping the graph."""
        named = {
            name: parameter.detach().requires_grad_()
            for name, parameter in self._module.named_parameters()
            if parameter.requires_grad
        }
        self._weights = list(named.values())
        loss = _evaluate(self._module, self._loss, self._batch, named)
        self._gradients = torch.autograd.grad(
            loss, self._weights, create_graph=True, materialize_grads=True
        )


def _evaluate(
    module: nn.Module,
    loss: LossOfBatch,
    batch: Batch,
    weights: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Evaluate on cloned buffers and, where given, other weights: a scalar."""
    with lent(module, weights):
        return loss(module, batch).reshape(())
