"""Networks that know something in advance: no embedding at all, or one fixed on a circle."""

import math

import torch
from torch import Tensor, nn

from grokwatch.experiments.models.layers import (
    ACTIVATIONS,
    Matrix,
    check_options,
    enlarge,
    probe_of,
)
from grokwatch.experiments.models.modular import pair_sums
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Probe


class DirectMLP(nn.Module):
    """`ModularMLP` with both products collapsed, from two unfactored matrices.

    Trained like `ModularMLP` it memorizes and does not generalize.

    Args:
        modulus: p, number of tokens and of answers.
        hidden: number of ReLUs.
        seed: of the initial weights.
    """

    def __init__(self, *, modulus: int = 67, hidden: int = 24, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.modulus = modulus
        self.input = Matrix(modulus, hidden, modulus**-0.5, generator)
        self.output = Matrix(modulus, hidden, hidden**-0.5, generator)

    def forward(self, pairs: Tensor) -> Tensor:
        """Map tokens `(N, 2)` or `(*models, N, 2)` to logits `(*models, N, p)`."""
        return self.hidden_states(pairs) @ self.output.weight.mT

    def hidden_states(self, pairs: Tensor) -> Tensor:
        """ReLUs `(*models, N, hidden)`."""
        return torch.relu(pair_sums(self.input.weight, self.input.weight, pairs))

    def probe(self, prefix: str = "") -> Probe:
        """Where its tokens are, in a module that holds it under `prefix`, such as `model.`."""
        return probe_of(
            prefix,
            group=f"cyclic:{self.modulus}",
            roles={"input": f"{prefix}input.weight", "output": f"{prefix}output.weight"},
            axes={"input": 0, "output": 0},
        )


class CircularMLP(nn.Module):
    """Tokens stand on a circle, for good: only two small layers between two circles are learned.

    With C of rows (cos 2 pi f t / p, sin 2 pi f t / p) it computes `s(C[a] H' + C[b] H') O' C'`.
    Five neurons are enough to answer every pair.

    Args:
        modulus: p, number of tokens and of answers.
        hidden: number of neurons.
        frequency: f, turns around the circle; prime to p, or different tokens share a point.
        activation: `relu` or `square`.
        alpha: what all initial weights are multiplied by.
        seed: of the initial weights.

    Raises:
        ConfigurationError: tokens share a point, or another option cannot work.

    Source:
        Pearce et al. 2023 (Do machine learning models memorize or generalize?).
    """

    circle: Tensor

    def __init__(
        self,
        *,
        modulus: int = 67,
        hidden: int = 5,
        frequency: int = 1,
        activation: str = "relu",
        alpha: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_options(activation=activation, dropout=0.0, alpha=alpha)
        if math.gcd(frequency, modulus) != 1:
            msg = (
                f"Expected a frequency prime to the modulus, got {frequency} and {modulus}. "
                "Try frequency=1."
            )
            raise ConfigurationError(msg)
        self.modulus = modulus
        self.activation = ACTIVATIONS[activation]
        turns = 2 * math.pi * frequency * torch.arange(modulus, dtype=torch.float64) / modulus
        circle = torch.stack([turns.cos(), turns.sin()], dim=-1).to(torch.get_default_dtype())
        self.register_buffer("circle", circle)
        generator = torch.Generator().manual_seed(seed)
        self.hidden = Matrix(hidden, 2, 2**-0.5, generator)
        self.output = Matrix(2, hidden, hidden**-0.5, generator)
        enlarge(self.parameters(), alpha)

    def forward(self, pairs: Tensor) -> Tensor:
        """Map tokens `(N, 2)` or `(*models, N, 2)` to logits `(*models, N, p)`."""
        return self.hidden_states(pairs) @ (self.output.weight.mT @ self.circle.mT)

    def hidden_states(self, pairs: Tensor) -> Tensor:
        """Neurons `(*models, N, hidden)`."""
        rows = self.circle @ self.hidden.weight.mT
        return self.activation(pair_sums(rows, rows, pairs))

    def probe(self, prefix: str = "") -> Probe:
        """Where its neurons are; what it knows of tokens was given, not learned."""
        return probe_of(prefix)
