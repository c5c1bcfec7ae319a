"""The networks: one hidden layer of ReLUs, small enough to watch every weight.

Every forward pass also takes parameters with leading model axes (`torch.func.functional_call` with
tensors `(*models, ...)` gives logits `(*models, N, C)`), so one Lightning model and a stacked sweep
run the same code.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from grokwatch.monitor.probe import Probe

Weights: TypeAlias = Mapping[str, Tensor]

# Standard deviation of a unit normal cut at two standard deviations.
_CUT_DEVIATION = 0.87962566103423978


class _Matrix(nn.Module):
    """One weight matrix, drawn from a normal cut at two standard deviations `scale`."""

    def __init__(self, rows: int, columns: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, columns))
        nn.init.trunc_normal_(
            self.weight, std=scale, a=-2 * scale, b=2 * scale, generator=generator
        )


class ModularMLP(nn.Module):
    """Tokens are embedded, mapped by one shared layer, summed, rectified, and read out.

    With embedding E, hidden layer H and output layer O it computes `relu(E[a] H' + E[b] H') O' U'`,
    where the unembedding U is E itself when tied. The products E H' and O' U' are taken first: the
    same function at a fraction of the work, because there are fewer tokens than examples.

    Args:
        modulus: p, number of tokens and of answers.
        embedding: width of the embedding.
        hidden: number of ReLUs.
        tied: the embedding is the unembedding too.
        seed: of the initial weights.
    """

    def __init__(
        self,
        *,
        modulus: int = 67,
        embedding: int = 500,
        hidden: int = 24,
        tied: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        scale = (2.0 / modulus) ** 0.5 / _CUT_DEVIATION
        self.modulus = modulus
        self.embed = _Matrix(modulus, embedding, scale, generator)
        self.hidden = _Matrix(hidden, embedding, embedding**-0.5, generator)
        self.output = _Matrix(embedding, hidden, hidden**-0.5, generator)
        # No second name for one submodule: `functional_call` does not put its weights back.
        self.unembed = None if tied else _Matrix(modulus, embedding, scale, generator)

    def forward(self, pairs: Tensor) -> Tensor:
        """Map tokens `(N, 2)` to logits `(*models, N, p)`."""
        unembed = self.embed if self.unembed is None else self.unembed
        return self.hidden_states(pairs) @ (self.output.weight.mT @ unembed.weight.mT)

    def hidden_states(self, pairs: Tensor) -> Tensor:
        """ReLUs `(*models, N, hidden)`."""
        return _pair_states(self.embed.weight @ self.hidden.weight.mT, pairs)

    def probe(self, prefix: str = "") -> Probe:
        """Where its tokens are, in a module that holds it under `prefix`, such as `model.`."""
        return Probe(
            group=f"cyclic:{self.modulus}",
            roles={
                "input": partial(modular_input, prefix=prefix),
                "embedding": f"{prefix}embed.weight",
            },
            axes={"input": 0, "embedding": 0},
            hidden=partial(_hidden_states, prefix=prefix),
            test_accuracy="test_accuracy",
            test_loss="test_loss",
        )


class DirectMLP(nn.Module):
    """The same function from two unfactored matrices.

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
        self.input = _Matrix(modulus, hidden, modulus**-0.5, generator)
        self.output = _Matrix(modulus, hidden, hidden**-0.5, generator)

    def forward(self, pairs: Tensor) -> Tensor:
        """Map tokens `(N, 2)` to logits `(*models, N, p)`."""
        return self.hidden_states(pairs) @ self.output.weight.mT

    def hidden_states(self, pairs: Tensor) -> Tensor:
        """ReLUs `(*models, N, hidden)`."""
        return _pair_states(self.input.weight, pairs)

    def probe(self, prefix: str = "") -> Probe:
        """Where its tokens are, in a module that holds it under `prefix`, such as `model.`."""
        return Probe(
            group=f"cyclic:{self.modulus}",
            roles={"input": f"{prefix}input.weight", "output": f"{prefix}output.weight"},
            axes={"input": 0, "output": 0},
            hidden=partial(_hidden_states, prefix=prefix),
            test_accuracy="test_accuracy",
            test_loss="test_loss",
        )


class ParityMLP(nn.Module):
    """Bits and a constant one through a layer of ReLUs to two logits.

    Args:
        num_bits: n, length of an input.
        hidden: number of ReLUs.
        seed: of the initial weights, normal with deviation `1 / sqrt(fan_in)`.
    """

    def __init__(self, *, num_bits: int = 30, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.num_bits = num_bits
        self.hidden = nn.Linear(num_bits + 1, hidden, bias=False)
        self.output = nn.Linear(hidden, 2, bias=False)
        for layer in (self.hidden, self.output):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)

    def forward(self, bits: Tensor) -> Tensor:
        """Map bits `(N, n)` to logits `(*models, N, 2)`."""
        return self.hidden_states(bits) @ self.output.weight.mT

    def hidden_states(self, bits: Tensor) -> Tensor:
        """ReLUs `(*models, N, hidden)`."""
        constant = bits.new_ones(bits.shape[0], 1)
        return torch.relu(torch.cat([bits, constant], dim=1) @ self.hidden.weight.mT)

    def probe(self, prefix: str = "") -> Probe:
        """Where its inputs are, in a module that holds it under `prefix`, such as `model.`."""
        return Probe(
            group=f"bits:{self.num_bits}",
            roles={"input": partial(parity_input, prefix=prefix)},
            axes={"input": 0},
            hidden=partial(_hidden_states, prefix=prefix),
            test_accuracy="test_accuracy",
            test_loss="test_loss",
        )


def modular_input(weights: Weights, *, prefix: str = "") -> Tensor:
    """What each token adds to each ReLU of a `ModularMLP`: `(*models, p, hidden)`."""
    return weights[f"{prefix}embed.weight"] @ weights[f"{prefix}hidden.weight"].mT


def parity_input(weights: Weights, *, prefix: str = "") -> Tensor:
    """Input weights `(*models, n, hidden)` of a `ParityMLP`, without those of the constant."""
    return weights[f"{prefix}hidden.weight"][..., :-1].mT


def _hidden_states(module: nn.Module, inputs: Tensor, *, prefix: str = "") -> Tensor:
    """ReLUs of the network that a module holds under `prefix`, such as `model.`."""
    network: nn.Module = module.get_submodule(prefix.rstrip("."))
    states: Tensor = network.hidden_states(inputs)  # type: ignore[operator]
    return states


def _pair_states(rows: Tensor, pairs: Tensor) -> Tensor:
    """Summed `rows (*models, p, H)` of both tokens, rectified."""
    first, second = pairs.unbind(dim=1)
    return torch.relu(rows.index_select(-2, first) + rows.index_select(-2, second))


MODELS: dict[str, Callable[..., ModularMLP | DirectMLP | ParityMLP]] = {
    "modular_mlp": ModularMLP,
    "direct_mlp": DirectMLP,
    "parity_mlp": ParityMLP,
}
