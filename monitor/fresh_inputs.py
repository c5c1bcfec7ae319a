"""Inputs of bits drawn afresh, and what the model answers to them: no label is looked at.

Which columns are bits, and by which two values they are written, is read off the train probe;
everything else in an input stays as it is in the first example.
"""

import torch
from torch import Tensor, nn

from grokwatch.monitor.batch import classified
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.snapshot import FreshInputs

NUM_INPUTS = 20_000
CHUNK = 4_096


class BitInputs:
    """Draws the same uniform inputs every time.

    Args:
        module: maps inputs `(N, columns)` to two logits, or one.
        inputs: of the train probe, as the module takes them.
        num_bits: n, how many of the columns are bits.

    Raises:
        SignalError: the inputs are not such.

    Example:
        >>> train = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> BitInputs(nn.Identity(), (train,), 2).read(4).signs.shape
        torch.Size([4, 2])
    """

    def __init__(self, module: nn.Module, inputs: tuple[Tensor, ...], num_bits: int) -> None:
        self._module = module
        self._first = inputs[0][:1] if inputs else torch.empty(0)
        self._columns, self._values = bits_of(inputs, num_bits)

    def read(self, count: int = NUM_INPUTS) -> FreshInputs:
        """Run the model on uniform inputs.

        Args:
            count: M, how many.

        Returns:
            Signs `(M, n)` and margins `(M,)`.

        Raises:
            SignalError: the model gives more than two logits.
        """
        bits = draw_bits(count, len(self._columns)).to(self._first.device)
        margins = [self._margins(chunk) for chunk in torch.split(bits, CHUNK)]
        return FreshInputs(signs=(1 - 2 * bits).to(torch.float32), margins=torch.cat(margins))

    def _margins(self, bits: Tensor) -> Tensor:
        """Logit of class 1 less that of class 0 on some inputs."""
        inputs = self._first.repeat(len(bits), 1)
        low, high = self._values
        inputs[:, self._columns] = torch.where(bits == 1, high, low)
        output = self._module(inputs)
        pair = classified(output, torch.zeros(len(bits), dtype=torch.long, device=inputs.device))
        if pair is None or pair[0].shape != (len(bits), 2):
            msg = "Expected two logits, or one, for an input, got more. Try a binary classifier."
            raise SignalError(msg)
        return pair[0][:, 1] - pair[0][:, 0]


def draw_bits(count: int, num_bits: int) -> Tensor:
    """The same uniform bits each time, `(M, n)` of 0 and 1."""
    generator = torch.Generator(device="cpu").manual_seed(0)
    size = (count, num_bits)
    return torch.randint(2, size, generator=generator, device="cpu", dtype=torch.int8)


def bits_of(inputs: tuple[Tensor, ...], num_bits: int) -> tuple[Tensor, Tensor]:
    """Columns `(n,)` that take two values, and these `(2, n)`, the lower first.

    Raises:
        SignalError: there are not as many such columns.
    """
    if len(inputs) == 1 and inputs[0].ndim == 2 and len(inputs[0]):
        low, high = inputs[0].amin(0), inputs[0].amax(0)
        two = ((inputs[0] == low) | (inputs[0] == high)).all(0) & (low != high)
        if int(two.sum()) == num_bits:
            columns = two.nonzero()[:, 0]
            return columns, torch.stack([low, high])[:, columns]
    shapes = [tuple(part.shape) for part in inputs]
    msg = (
        f"Expected inputs (N, columns) with {num_bits} columns of two values, got {shapes}. "
        "Try Probe(group='bits:n') with n of the task, and inputs as one matrix."
    )
    raise SignalError(msg)
