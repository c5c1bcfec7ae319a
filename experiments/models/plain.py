"""A plain network for images and tables."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from grokwatch.experiments.models.layers import (
    ACTIVATIONS,
    Random,
    add_vector,
    check_options,
    dropout,
    enlarge,
    probe_of,
)
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Probe


class Affine(nn.Module):
    """A matrix and a bias, drawn evenly from within `1 / sqrt(fan_in)` of 0."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        for parameter in (self.weight, self.bias):
            nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5, generator=generator)

    def forward(self, states: Tensor) -> Tensor:
        """Map `(*models, N, inputs)` to `(*models, N, outputs)`."""
        return add_vector(states @ self.weight.mT, self.bias)


class PlainMLP(nn.Module):
    """Numbers through hidden layers of neurons, with biases, to logits.

    Args:
        num_features: numbers in an input.
        num_classes: number of answers.
        hidden: neurons in each hidden layer.
        layers: number of hidden layers.
        activation: `relu` or `square`.
        dropout: rate on the neurons of each hidden layer in training.
        alpha: what all initial weights are multiplied by; far above 1 it memorizes long before it
            generalizes.
        seed: of the initial weights.

    Raises:
        ConfigurationError: an option cannot work.

    Source:
        Liu et al. 2023 (Omnigrok, arXiv:2210.01117).
    """

    def __init__(
        self,
        *,
        num_features: int = 64,
        num_classes: int = 10,
        hidden: int = 200,
        layers: int = 2,
        activation: str = "relu",
        dropout: float = 0.0,
        alpha: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_options(activation=activation, dropout=dropout, alpha=alpha)
        if layers < 1:
            msg = f"Expected at least one hidden layer, got layers={layers}. Try layers=2."
            raise ConfigurationError(msg)
        self.rate = dropout
        self.activation = ACTIVATIONS[activation]
        generator = torch.Generator().manual_seed(seed)
        widths = pairwise((num_features, *[hidden] * layers, num_classes))
        self.layers = nn.ModuleList([Affine(*width, generator) for width in widths])
        enlarge(self.parameters(), alpha)

    def forward(self, features: Tensor, *, random: Random = None) -> Tensor:
        """Map features `(N, D)` or `(*models, N, D)` to logits `(*models, N, C)`."""
        logits: Tensor = self.layers[-1](self._states(features, self.training, random))
        return logits

    def hidden_states(self, features: Tensor) -> Tensor:
        """Neurons `(*models, N, hidden)` of the last hidden layer, without dropout."""
        return self._states(features, False, None)

    def probe(self, prefix: str = "") -> Probe:
        """Where its neurons are, in a module that holds it under `prefix`, such as `model.`."""
        return probe_of(prefix)

    def _states(self, states: Tensor, drops: bool, random: Random) -> Tensor:
        """Through all hidden layers."""
        for layer in self.layers[:-1]:
            states = self.activation(layer(states))
            if drops:
                states = dropout(states, self.rate, random)
        return states
