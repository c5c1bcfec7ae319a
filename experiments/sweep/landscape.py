"""The loss landscape of a stack: each model's own loss, gradient and Hessian products, at once.

In float64, on the examples that the callback would take: near loss 0, differences of float32 losses
are rounding noise.
"""

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from grokwatch.experiments.stacked.losses import StackedLoss
from grokwatch.monitor.batch import Batch
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.snapshot import WHOLE, Part
from grokwatch.monitor.sub_batch import keep, sub_batch


@final
class StackLandscape:
    """A `Landscape` of S models.

    No model's loss depends on another's weights, so one gradient of their sum is that of each.

    Args:
        model: whose function it is; evaluated without dropout.
        loss: of logits and targets, one number for each model.
        weights: name -> `(S, ...)`, as they are now.
        inputs: `(S, N, ...)`.
        targets: `(S, N)`.

    Attributes:
        num_examples: n, how many of the N are used.
        dtype: float64.
    """

    dtype = torch.float64

    def __init__(
        self,
        model: nn.Module,
        loss: StackedLoss,
        weights: Mapping[str, Tensor],
        inputs: Tensor,
        targets: Tensor,
    ) -> None:
        self._model = model
        self._loss = loss
        self._weights = {name: weight.detach().double() for name, weight in weights.items()}
        self._buffers = {name: part.double() for name, part in model.named_buffers()}
        self._inputs = inputs.double() if inputs.is_floating_point() else inputs
        self._targets = targets
        self.num_examples = targets.shape[-1]
        self._graph: tuple[Part, list[Tensor], Sequence[Tensor]] | None = None

    @torch.no_grad()
    def loss(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        """The losses at the weights plus an offset `(S, P)`: `(S,)`."""
        return self._evaluated(self._moved(offset), part)

    @torch.enable_grad()
    def gradient(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        """Their gradients there: `(S, P)`."""
        weights = self._leaves(offset)
        losses = self._evaluated(weights, part)
        gradients = torch.autograd.grad(
            losses.sum(), list(weights.values()), materialize_grads=True
        )
        return self._flat(gradients)

    @torch.enable_grad()
    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        """Each model's Hessian times its own vector `(S, P)`: `(S, P)`."""
        weights, gradients = self._opened(part)
        moves = self._split(vector.detach().double())
        pairs = [
            (gradient, move)
            for gradient, move in zip(gradients, moves, strict=True)
            if gradient.requires_grad  # not that of a weight in which the loss is straight
        ]
        if not pairs:
            return torch.zeros_like(vector)
        curved, parts = zip(*pairs, strict=True)
        products = torch.autograd.grad(
            curved, weights, parts, retain_graph=True, materialize_grads=True
        )
        return self._flat(products).to(vector.dtype)

    def _opened(self, part: Part) -> tuple[list[Tensor], Sequence[Tensor]]:
        """Weights and gradients that can be differentiated again; one part's graph is kept."""
        if self._graph is None or self._graph[0] != part:
            self._graph = None
            named = self._leaves(None)
            weights = list(named.values())
            losses = self._evaluated(named, part)
            gradients = torch.autograd.grad(
                losses.sum(), weights, create_graph=True, materialize_grads=True
            )
            self._graph = (part, weights, gradients)
        return self._graph[1:]

    def _evaluated(self, weights: Mapping[str, Tensor], part: Part) -> Tensor:
        """The loss of each model with these weights."""
        first, stride = part
        if not 0 <= first < min(stride, self.num_examples):
            msg = (
                f"Expected at least {stride} examples to take part {first} of {stride}, "
                f"got {self.num_examples}. Try a task with more train examples."
            )
            raise SignalError(msg)
        inputs, targets = (x[:, first::stride] for x in (self._inputs, self._targets))
        self._model.eval()
        logits = functional_call(self._model, {**self._buffers, **weights}, (inputs,))
        return self._loss(logits, targets)

    def _leaves(self, offset: Tensor | None) -> dict[str, Tensor]:
        """The weights, to be differentiated for."""
        moved = self._moved(offset)
        return {name: weight.detach().requires_grad_() for name, weight in moved.items()}

    def _moved(self, offset: Tensor | None) -> dict[str, Tensor]:
        """The weights plus an offset."""
        if offset is None:
            return self._weights
        parts = self._split(offset.detach().double())
        return {
            name: weight + part
            for (name, weight), part in zip(self._weights.items(), parts, strict=True)
        }

    def _split(self, vectors: Tensor) -> list[Tensor]:
        """Vectors `(S, P)` as parts in the shapes of the weights."""
        weights = self._weights.values()
        parts = torch.split(vectors, [weight[0].numel() for weight in weights], dim=-1)
        return [part.reshape(w.shape) for part, w in zip(parts, weights, strict=True)]

    @staticmethod
    def _flat(tensors: Sequence[Tensor]) -> Tensor:
        """One vector for each model, detached."""
        return torch.cat([tensor.detach().flatten(1) for tensor in tensors], dim=-1)


def landscape_rows(model: nn.Module, loss: StackedLoss, inputs: Tensor, targets: Tensor) -> Tensor:
    """Which examples second derivatives run on: those that the callback takes of the same batch.

    Args:
        model: of the stack's kind, with weights of its own.
        loss: of logits and targets.
        inputs: of one model, `(N, ...)`.
        targets: of one model, `(N,)`.

    Returns:
        Indices `(n,)`, ascending.
    """

    def of_batch(module: nn.Module, batch: Batch) -> Tensor:
        return loss(module(batch[0]), batch[1])

    kept = keep((inputs, targets, torch.arange(len(targets))))
    rows: Tensor = sub_batch(model, of_batch, kept)[2]
    return rows
