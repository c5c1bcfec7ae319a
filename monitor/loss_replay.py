"""The train loss once more: its value, its gradient and its second derivative, in one dtype.

Everything runs in eval mode on copies of the weights and buffers, wherever the caller stands:
without gradients, in inference mode, under autocast. Each evaluation begins with the same random
numbers and leaves them as they were, so that two of them can be compared.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from grokwatch.monitor.batch import Batch, cast, copied, part_of
from grokwatch.monitor.bystander import (
    check_reach,
    device_of,
    differentiable_twice,
    lent,
    same_random_numbers,
    undisturbed,
)
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.snapshot import Part

LossOfBatch: TypeAlias = Callable[[nn.Module, Batch], Tensor]


class LossReplay:
    """The loss on parts of a fixed batch, as a function of the trainable parameters.

    Args:
        module: the model being trained.
        loss: `loss(module, batch) -> scalar`.
        batch: examples that stay as they are.
        dtype: of copies of weights, buffers and inputs; None leaves each its own.
    """

    def __init__(
        self, module: nn.Module, loss: LossOfBatch, batch: Batch, dtype: torch.dtype | None
    ) -> None:
        self._module = module
        self._loss = loss
        self._batch = batch
        self._dtype = dtype

    def length(self) -> Tensor:
        """The l2 norm of all trainable parameters: a scalar, at least float32."""
        tensors = [p.detach() for p in trainable(self._module).values()]
        lengths = _flat([torch.linalg.vector_norm(tensor) for tensor in tensors])
        length: Tensor = torch.linalg.vector_norm(lengths)
        return length

    def draws(self, count: int) -> Tensor:
        """The same normal vectors each time: `(count, P)`, float32."""
        size = sum(parameter.numel() for parameter in trainable(self._module).values())
        generator = torch.Generator(device="cpu").manual_seed(0)
        drawn = torch.randn(count, size, generator=generator, device="cpu", dtype=torch.float32)
        return drawn.to(device_of(self._module))

    def loss(self, offset: Tensor | None, part: Part) -> Tensor:
        """The loss at the weights plus an offset `(P,)`: a scalar in the dtype it came in."""
        with (
            aside(self._module),
            torch.no_grad(),
            self._evaluated(self._copies(offset), part) as loss,
        ):
            return loss

    def gradient(self, offset: Tensor | None, part: Part) -> Tensor:
        """The gradient there: `(P,)`, at least float32."""
        with aside(self._module):
            copies = self._copies(offset)
            with self._evaluated(copies, part) as loss:
                check_reach(loss)
                gradients = torch.autograd.grad(loss, list(copies.values()), materialize_grads=True)
        return _flat(gradients)

    def difference(self, vector: Tensor, step: Tensor, part: Part) -> Tensor:
        """(g(weights + h u) - g(weights - h u)) |v| / (2 h), with u = v / |v| and step h."""
        wide = torch.promote_types(vector.dtype, step.dtype)
        length = torch.linalg.vector_norm(vector.to(wide))
        move = torch.where(length > 0, vector.to(wide) * (step / length), 0.0)
        change = self.gradient(move, part) - self.gradient(-move, part)
        slope: Tensor = length / (2 * step)
        return change.to(wide) * slope

    def open(self, part: Part) -> "Graph":
        """Differentiate once at the weights, keeping what a second derivative needs."""
        with aside(self._module):
            copies = self._copies(None)
            with self._evaluated(copies, part) as loss:
                check_reach(loss)
                gradients = torch.autograd.grad(
                    loss, list(copies.values()), create_graph=True, materialize_grads=True
                )
        return Graph(self._module, part, loss.detach(), copies, gradients, self._dtype)

    def _copies(self, offset: Tensor | None) -> dict[str, Tensor]:
        """The weights, or the weights plus an offset, as the leaves of a new graph."""
        parameters = trainable(self._module)
        moves = None if offset is None else _split(offset.detach(), parameters.values())
        copies = {}
        for index, (name, parameter) in enumerate(parameters.items()):
            if parameter.is_complex():
                msg = f"Expected real weights, got {name!r} complex. Try torch.view_as_real on it."
                raise SignalError(msg)
            copy = parameter.detach().to(self._dtype or parameter.dtype)
            if moves is not None:
                copy = copy + moves[index].to(copy)
            copies[name] = copy.detach().requires_grad_()
        return copies

    @contextmanager
    def _evaluated(self, copies: Mapping[str, Tensor], part: Part) -> Iterator[Tensor]:
        """The loss on a part of the batch, while the module has these weights.

        Gradients are taken inside: a checkpointed model runs again for them.
        """
        batch = cast(copied(part_of(self._batch, part)), self._dtype)
        with lent(self._module, copies, self._dtype):
            yield self._loss(self._module, batch).reshape(())


@dataclass(frozen=True)
class Graph:
    """A gradient that can be differentiated again.

    Attributes:
        module: the model being trained.
        part: of the batch.
        loss: a scalar.
        weights: what the gradient was taken for, by name.
        gradients: one for each of the weights.
        dtype: of copies of everything else, or None.
    """

    module: nn.Module
    part: Part
    loss: Tensor
    weights: Mapping[str, Tensor]
    gradients: tuple[Tensor, ...]
    dtype: torch.dtype | None = None

    def gradient(self) -> Tensor:
        """The gradient: `(P,)`, at least float32."""
        return _flat(self.gradients)

    def product(self, vector: Tensor) -> Tensor:
        """The Hessian times a vector `(P,)`: `(P,)`, at least float32."""
        weights = list(self.weights.values())
        with aside(self.module), lent(self.module, self.weights, self.dtype):
            outside = vector.clone() if vector.is_inference() else vector
            moves = _split(outside.detach(), weights)
            pairs = [
                (gradient, move.to(gradient))
                for gradient, move in zip(self.gradients, moves, strict=True)
                if gradient.requires_grad  # not that of a weight in which the loss is straight
            ]
            if not pairs:
                return torch.zeros_like(vector)
            gradients, parts = zip(*pairs, strict=True)
            products = torch.autograd.grad(
                gradients, weights, parts, retain_graph=True, materialize_grads=True
            )
        return _flat(products)


def distance(length: Tensor, dtype: torch.dtype) -> Tensor:
    """How far from the weights gradients are differenced: sqrt(eps) |weights| / 4.

    A central difference at distance h is off by O(h^2) where the loss is smooth, and by rounding,
    O(eps / h). Both are least together at eps^(1/3) times the length over which the Hessian
    changes; in sharp directions that is far less than |weights|, and a shorter step crosses fewer
    kinks of ReLUs, where a difference sees what no derivative does.

    Args:
        length: l2 norm of the weights, a scalar.
        dtype: what gradients are computed in.

    Returns:
        A scalar above 0; sqrt(eps) / 4 for weights 0.

    Example:
        >>> distance(torch.tensor(0.0), torch.float64)
        tensor(3.7253e-09)

    Source:
        Nocedal and Wright 2006, section 8.1 (the two errors).
    """
    unit: Tensor = torch.where(length > 0, length, 1.0)
    return unit * (math.sqrt(torch.finfo(dtype).eps) / 4)


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that vectors run over, in order: tied ones once, frozen ones left out."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


@contextmanager
def aside(module: nn.Module) -> Iterator[None]:
    """Run and differentiate a model in eval mode without leaving a trace.

    Args:
        module: the model.

    Yields:
        Nothing.
    """
    with (
        same_random_numbers(device_of(module)),
        undisturbed(module),
        differentiable_twice(module),
    ):
        yield


def _split(vector: Tensor, like: Iterable[Tensor]) -> list[Tensor]:
    """A vector's part for each tensor, in its shape."""
    tensors = list(like)
    parts = torch.split(vector, [tensor.numel() for tensor in tensors])
    return [part.reshape(t.shape) for part, t in zip(parts, tensors, strict=True)]


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    """One vector of all, detached and dense."""
    parts = [(t.to_dense() if t.is_sparse else t).detach().reshape(-1) for t in tensors]
    joined = torch.cat(parts)
    return joined.to(torch.promote_types(joined.dtype, torch.float32))
