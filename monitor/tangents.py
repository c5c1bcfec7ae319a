"""Gradients of the model's outputs on the train probe, sketched: the empirical tangent kernel.

The inner product of two rows' sketches is, on average over signs, that of their gradients.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from grokwatch.monitor.batch import classified
from grokwatch.monitor.bystander import check_reach, lent
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.loss_replay import aside, trainable

SKETCH = 2_048
MOST_ROWS = 16
_NUM_SIGNS = (1 << 20) - 1  # odd: two entries of one bucket never share a sign by its period


class OutputGradients:
    """The gradient of a fixed random contrast of each row's logits, in `SKETCH` numbers.

    The contrast is as many 1 as -1 at random over the classes (0 for one of an odd number), scaled
    to length 1: the same for each row, so that kernels of different rows compare.

    Args:
        module: the model being trained.
        inputs: of the train probe, examples on the first axis.
        targets: of the train probe.
        size: numbers of a sketch.

    Source:
        Charikar, Chen, Farach-Colton 2002 (count sketch); Jacot et al. 2018 (tangent kernel).
    """

    def __init__(
        self, module: nn.Module, inputs: Sequence[Tensor], targets: Tensor, *, size: int = SKETCH
    ) -> None:
        self._module = module
        self._inputs = tuple(inputs)
        self._targets = targets
        self._sketch = GradientSketch(size)

    def __call__(self, rows: Tensor, /) -> Tensor:
        """Sketch the gradients of some decisions.

        Args:
            rows: `(k,)` indices of decisions, in the order of the train probe's logits.

        Returns:
            `(k, S)`, at least float32.
        """
        with aside(self._module):
            copies = {n: p.detach().requires_grad_() for n, p in trainable(self._module).items()}
            with lent(self._module, copies):
                chunks = [
                    self._chunk(chunk, list(copies.values()))
                    for chunk in torch.split(rows, MOST_ROWS)
                ]
        return torch.cat(chunks)

    def _chunk(self, rows: Tensor, weights: list[Tensor]) -> Tensor:
        """Run the model on the examples of some rows, and sketch their gradients."""
        contrasts = self._contrasts(rows)
        check_reach(contrasts)
        last = len(rows) - 1
        sketches = [
            self._sketch(
                torch.autograd.grad(
                    contrast, weights, retain_graph=index < last, materialize_grads=True
                )
            )
            for index, contrast in enumerate(contrasts)
        ]
        return torch.stack(sketches)

    def _contrasts(self, rows: Tensor) -> Tensor:
        """The contrast of each row's logits: `(k,)`."""
        rows = rows.to(self._targets.device)
        num_examples = max(len(self._targets), 1)
        width = max(self._targets.numel() // num_examples, 1)  # decisions in one example
        examples = rows // width
        inputs = [part.index_select(0, examples.to(part.device)) for part in self._inputs]
        pair = classified(self._module(*inputs), self._targets.index_select(0, examples))
        if pair is None:
            msg = (
                "Expected a classifier's logits, got another output. Try a forward that gives them."
            )
            raise SignalError(msg)
        positions = torch.arange(len(rows), device=rows.device) * width + rows % width
        logits = pair[0].index_select(0, positions.to(pair[0].device))
        return logits @ contrast(logits.shape[-1]).to(logits)


class GradientSketch:
    """Adds entry p of a gradient to number p mod `size`, with a fixed random sign.

    Args:
        size: numbers of a sketch.

    Example:
        >>> GradientSketch(4)([torch.ones(2, 3), torch.ones(1)]).shape
        torch.Size([4])
    """

    def __init__(self, size: int = SKETCH) -> None:
        self._size = size
        self._signs: Tensor | None = None

    def __call__(self, gradients: Sequence[Tensor], num_axes: int = 0) -> Tensor:
        """Sketch gradients of all parameters.

        Args:
            gradients: in a fixed order, each `(*models, ...)`.
            num_axes: how many leading model axes they have.

        Returns:
            `(*models, size)`, at least float32.
        """
        start, sketch = 0, torch.zeros((), dtype=torch.float32)
        for gradient in gradients:
            dense = gradient.to_dense() if gradient.is_sparse else gradient
            flat = dense.detach().reshape(*dense.shape[:num_axes], -1)
            flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
            length = flat.shape[-1]
            signed = flat * self._sign(start, length, flat.device)
            before = start % self._size
            after = -(before + length) % self._size
            padded = nn.functional.pad(signed, (before, after))
            sketch = sketch.to(flat.device) + padded.reshape(
                *padded.shape[:-1], -1, self._size
            ).sum(-2)
            start += length
        return sketch

    def _sign(self, start: int, length: int, device: torch.device) -> Tensor:
        """Signs of entries `start`, `start + 1`, ...: `(length,)` of 1 and -1."""
        if self._signs is None or self._signs.device != device:
            generator = torch.Generator(device="cpu").manual_seed(0)
            bits = torch.randint(0, 2, (_NUM_SIGNS,), generator=generator, device="cpu")
            self._signs = (2 * bits - 1).to(device, torch.int8)
        first = start % _NUM_SIGNS
        repeats = -(-(first + length) // _NUM_SIGNS)
        signs = self._signs if repeats == 1 else self._signs.repeat(repeats)
        return signs[first : first + length]


def contrast(num_classes: int) -> Tensor:
    """As many 1 as -1 in a fixed random order, to length 1.

    Args:
        num_classes: C, at least 2.

    Returns:
        `(C,)` on the CPU, adding up to 0.

    Example:
        >>> contrast(4).abs()
        tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    generator = torch.Generator(device="cpu").manual_seed(0)
    order = torch.randperm(num_classes, generator=generator, device="cpu")
    half = num_classes // 2
    signs = torch.zeros(num_classes, device="cpu")
    signs[order[:half]], signs[order[half : 2 * half]] = 1.0, -1.0
    return signs / math.sqrt(2 * half)
