"""What signals may read of a stack besides weights, gradients and logits.

Each is made only when it is read, with the model's own functions over the leading axis.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from grokwatch.monitor.fresh_inputs import CHUNK, NUM_INPUTS, bits_of, draw_bits
from grokwatch.monitor.hidden import LAST, MAX_ATTENTION_ROWS
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.snapshot import FreshInputs
from grokwatch.monitor.tangents import GradientSketch, contrast


@dataclass(frozen=True)
class StackViews:
    """Hidden states, attention maps, output gradients and fresh inputs of S models.

    Attributes:
        model: whose functions they are; evaluated without dropout.
        probe: how its hidden states and attention maps are had.
        weights: name -> `(S, ...)`, as they are now.
        inputs: of the train set, `(S, N, ...)`.
        sketch: of gradients, the same at every reading.
    """

    model: nn.Module
    probe: Probe
    weights: Mapping[str, Tensor]
    inputs: Tensor
    sketch: GradientSketch

    def representations(self) -> dict[str, Tensor]:
        """`{"last": (S, N, D)}`, hidden states of the train set."""
        assert callable(self.probe.hidden)  # as in all our models
        found = self._called(self.probe.hidden, self.inputs)
        assert isinstance(found, Tensor)
        return {LAST: found}

    def attention(self) -> Mapping[str, Tensor]:
        """Block -> `(S, n, heads, T, T)`, attention maps of the first examples."""
        assert self.probe.attention is not None  # or nobody asks
        found = self._called(self.probe.attention, self.inputs[:, :MAX_ATTENTION_ROWS])
        assert isinstance(found, Mapping)
        return found

    def fresh(self, num_bits: int, count: int = NUM_INPUTS) -> FreshInputs:
        """What all models answer to the same fresh inputs: margins `(S, M)`.

        Args:
            num_bits: n, how many columns of the inputs are bits.
            count: M.

        Raises:
            SignalError: other columns than those n are bits.
        """
        first = self.inputs[0]
        columns, (low, high) = bits_of((first,), num_bits)
        bits = draw_bits(count, num_bits)
        margins = []
        for chunk in torch.split(bits, CHUNK):
            inputs = first[:1].repeat(len(chunk), 1)
            inputs[:, columns] = torch.where(chunk == 1, high, low)
            logits = self._logits(self.weights, inputs)
            margins.append(logits[..., 1] - logits[..., 0])
        return FreshInputs(signs=(1 - 2 * bits).float(), margins=torch.cat(margins, dim=-1))

    @torch.enable_grad()
    def tangents(self, rows: Tensor) -> Tensor:
        """Sketched gradients of a fixed contrast of some rows' logits: `(S, k, sketch)`."""
        weights = {n: weight.detach().requires_grad_() for n, weight in self.weights.items()}
        logits = self._logits(weights, self.inputs[:, rows])
        contrasts = (logits @ contrast(logits.shape[-1]).to(logits)).sum(0)
        leaves = list(weights.values())
        gradients = (
            torch.autograd.grad(each, leaves, retain_graph=True, materialize_grads=True)
            for each in contrasts
        )
        return torch.stack([self.sketch(parts, 1) for parts in gradients], dim=1)

    def _logits(self, weights: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Logits `(S, N, C)` of all models with these weights."""
        self.model.eval()
        logits: Tensor = functional_call(self.model, dict(weights), (inputs,))
        return logits

    def _called(self, function: Callable[..., object], inputs: Tensor) -> object:
        """What a function of a model and its inputs gives for all models at once."""
        self.model.eval()
        weights = {f"model.{name}": weight for name, weight in self.weights.items()}
        found: object = functional_call(_Calling(self.model, function), weights, (inputs,))
        return found


class _Calling(nn.Module):
    """Calls a function where `functional_call` calls forward."""

    def __init__(self, model: nn.Module, function: Callable[..., object]) -> None:
        super().__init__()
        self.model = model
        self.function = function

    def forward(self, inputs: Tensor) -> object:
        """The function of the model and its inputs."""
        return self.function(self.model, inputs)
