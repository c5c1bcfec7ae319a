"""Networks for bits: one task, or several that control bits choose from."""

from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from grokwatch.experiments.models.layers import (
    ACTIVATIONS,
    Random,
    check_options,
    dropout,
    enlarge,
    probe_of,
)
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Probe

Weights: TypeAlias = Mapping[str, Tensor]


class ParityMLP(nn.Module):
    """Bits and a constant one through a layer of neurons to logits of even and odd.

    Args:
        num_bits: n, number of task bits of an input.
        hidden: number of neurons.
        num_control: how many control bits, which choose a task, come before the task bits.
        activation: `relu` or `square`.
        dropout: rate on the neurons in training.
        alpha: what all initial weights are multiplied by.
        num_logits: 2, or 1 where the logit of even stays 0: the logistic loss then.
        seed: of the initial weights, normal with deviation `1 / sqrt(fan_in)`.

    Raises:
        ConfigurationError: an option cannot work.

    Source:
        Barak et al. 2022; control bits: Michaud et al. 2023 (multitask sparse parity).
    """

    def __init__(
        self,
        *,
        num_bits: int = 30,
        hidden: int = 64,
        num_control: int = 0,
        activation: str = "relu",
        dropout: float = 0.0,
        alpha: float = 1.0,
        num_logits: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_options(activation=activation, dropout=dropout, alpha=alpha)
        if num_control < 0:
            msg = f"Expected num_control >= 0, got {num_control}. Try num_control=0."
            raise ConfigurationError(msg)
        if num_logits not in {1, 2}:
            msg = f"Expected num_logits of 1 or 2, got {num_logits}. Try num_logits=2."
            raise ConfigurationError(msg)
        generator = torch.Generator().manual_seed(seed)
        self.num_bits = num_bits
        self.num_control = num_control
        self.rate = dropout
        self.activation = ACTIVATIONS[activation]
        self.hidden = nn.Linear(num_control + num_bits + 1, hidden, bias=False)
        self.output = nn.Linear(hidden, num_logits, bias=False)
        for layer in (self.hidden, self.output):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
        enlarge(self.parameters(), alpha)

    def forward(self, bits: Tensor, *, random: Random = None) -> Tensor:
        """Map bits `(N, n)` or `(*models, N, n)`, control bits first, to `(*models, N, 2)`."""
        states = self.hidden_states(bits)
        if self.training:
            states = dropout(states, self.rate, random)
        logits = states @ self.output.weight.mT
        if self.output.out_features == 1:
            return torch.cat([torch.zeros_like(logits), logits], dim=-1)
        return logits

    def hidden_states(self, bits: Tensor) -> Tensor:
        """Neurons `(*models, N, hidden)`."""
        is_whole = bits.shape[-1] == self.hidden.in_features
        inputs = bits if is_whole else self.with_constant(bits)
        return self.activation(inputs @ self.hidden.weight.mT)

    @staticmethod
    def with_constant(bits: Tensor) -> Tensor:
        """Bits and a constant one, `(*models, N, n + 1)`; who asks often can hand in these."""
        return torch.cat([bits, bits.new_ones(*bits.shape[:-1], 1)], dim=-1)

    def probe(self, prefix: str = "") -> Probe:
        """Where its task bits are, in a module that holds it under `prefix`, such as `model.`."""
        return probe_of(
            prefix,
            group=f"bits:{self.num_bits}",
            roles={"input": partial(parity_input, prefix=prefix, num_control=self.num_control)},
            axes={"input": 0},
        )


def parity_input(weights: Weights, *, prefix: str = "", num_control: int = 0) -> Tensor:
    """Input weights `(*models, n, hidden)` of a `ParityMLP`: its task bits alone."""
    return weights[f"{prefix}hidden.weight"][..., num_control:-1].mT
