"""Networks for two tokens: embedded, summed in one hidden layer, and read out."""

from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from grokwatch.experiments.models.layers import (
    ACTIVATIONS,
    CUT_DEVIATION,
    Matrix,
    Random,
    check_options,
    dropout,
    enlarge,
    probe_of,
    rows_of,
)
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Matrix as Weight
from grokwatch.monitor.probe import Probe, Role

Weights: TypeAlias = Mapping[str, Tensor]

EMBEDDINGS = ("tied", "input_tied", "untied")


class ModularMLP(nn.Module):
    """Tokens are embedded, mapped by one layer, summed, rectified, and read out.

    With embedding E, hidden layer H and output layer O it computes `relu(E[a] H' + E[b] H') O' U'`,
    where the unembedding U is E itself when tied. The products E H' and O' U' are taken first: the
    same function at a fraction of the work, because there are fewer tokens than examples.

    Args:
        modulus: p, number of tokens and of answers.
        embedding: width of the embedding.
        hidden: number of neurons.
        embeddings: `tied`, one for both tokens and the answer; `input_tied`, one for both tokens
            and one for the answer; `untied`, one for each.
        separate: tokens a and b have a hidden layer each, instead of one for both.
        collapsed_input: E H' is one matrix W_in, p times hidden.
        collapsed_output: U O is one matrix W_out, p times hidden.
        activation: `relu` or `square`.
        dropout: rate on the neurons in training.
        alpha: what all initial weights are multiplied by.
        seed: of the initial weights.

    Raises:
        ConfigurationError: options that contradict each other.

    Source:
        Pearce et al. 2023 (Do machine learning models memorize or generalize?).
    """

    def __init__(
        self,
        *,
        modulus: int = 67,
        embedding: int = 500,
        hidden: int = 24,
        embeddings: str = "tied",
        separate: bool = False,
        collapsed_input: bool = False,
        collapsed_output: bool = False,
        activation: str = "relu",
        dropout: float = 0.0,
        alpha: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_options(activation=activation, dropout=dropout, alpha=alpha)
        _check_embeddings(embeddings, is_collapsed=collapsed_input or collapsed_output)
        self.modulus = modulus
        self.rate = dropout
        self.activation = ACTIVATIONS[activation]
        self.is_tied = embeddings == "tied"
        self.is_direct = collapsed_input
        generator = torch.Generator().manual_seed(seed)
        scale = (2.0 / modulus) ** 0.5 / CUT_DEVIATION
        token = partial(Matrix, modulus, embedding, scale, generator)
        layer = partial(Matrix, hidden, embedding, embedding**-0.5, generator)
        direct = partial(Matrix, modulus, hidden, modulus**-0.5, generator)
        rows = modulus if collapsed_output else embedding
        readout = partial(Matrix, rows, hidden, hidden**-0.5, generator)
        untied = embeddings == "untied"
        # Drawn in this order; what an option adds comes after all that was there without it.
        # No second name for one submodule: `functional_call` does not put its weights back.
        if collapsed_input:
            self.input = direct()
        else:
            self.embed = token()
            self.hidden = layer()
        self.output = readout()
        self.unembed = None if self.is_tied or collapsed_output else token()
        if collapsed_input:
            self.input_second = direct() if separate or untied else None
        else:
            self.embed_second = token() if untied else None
            self.hidden_second = layer() if separate else None
        enlarge(self.parameters(), alpha)

    def forward(self, pairs: Tensor, *, random: Random = None) -> Tensor:
        """Map tokens `(N, 2)` or `(*models, N, 2)` to logits `(*models, N, p)`."""
        states = self.hidden_states(pairs)
        if self.training:
            states = dropout(states, self.rate, random)
        unembed = self.embed if self.is_tied else self.unembed
        output = self.output.weight.mT
        return states @ (output if unembed is None else output @ unembed.weight.mT)

    def hidden_states(self, pairs: Tensor) -> Tensor:
        """Neurons `(*models, N, hidden)`."""
        return self.activation(pair_sums(*self._input_matrices(), pairs))

    def probe(self, prefix: str = "") -> Probe:
        """Where its tokens are, in a module that holds it under `prefix`, such as `model.`."""
        roles: dict[Role, Weight] = {"input": partial(modular_input, prefix=prefix)}
        if not self.is_direct:
            roles["embedding"] = f"{prefix}embed.weight"
        if self.unembed is not None:
            roles["unembedding"] = f"{prefix}unembed.weight"
        if not self.is_tied and self.unembed is None:
            roles["output"] = f"{prefix}output.weight"
        frames: dict[Role, Weight] = {}
        if self.is_tied or self.unembed is not None:
            tokens = f"{prefix}{'embed' if self.is_tied else 'unembed'}.weight"
            frames["output"] = partial(modular_output, prefix=prefix, tokens=tokens)
        axes = dict.fromkeys((*roles, *frames), 0)
        group = f"cyclic:{self.modulus}"
        return probe_of(prefix, group=group, roles=roles, axes=axes, frames=frames)

    def _input_matrices(self) -> tuple[Tensor, Tensor]:
        """What tokens a and b add to each neuron, each `(*models, p, hidden)`; often the same."""
        if self.is_direct:
            return self.input.weight, (self.input_second or self.input).weight
        first = self.embed.weight @ self.hidden.weight.mT
        if self.embed_second is None and self.hidden_second is None:
            return first, first
        embed, hidden = self.embed_second or self.embed, self.hidden_second or self.hidden
        return first, embed.weight @ hidden.weight.mT


def modular_input(weights: Weights, *, prefix: str = "") -> Tensor:
    """What token a adds to each neuron of a `ModularMLP`: `(*models, p, hidden)`."""
    direct = weights.get(f"{prefix}input.weight")
    if direct is not None:
        return direct
    return weights[f"{prefix}embed.weight"] @ weights[f"{prefix}hidden.weight"].mT


def modular_output(weights: Weights, *, prefix: str, tokens: str) -> Tensor:
    """What each neuron of a `ModularMLP` adds to the logit of answer c: `(*models, p, hidden)`."""
    return weights[tokens] @ weights[f"{prefix}output.weight"]


def pair_sums(first: Tensor, second: Tensor, pairs: Tensor) -> Tensor:
    """Rows of token a in `first (*models, p, H)` plus rows of token b in `second`."""
    a, b = pairs.unbind(dim=-1)
    return rows_of(first, a) + rows_of(second, b)


def _check_embeddings(embeddings: str, *, is_collapsed: bool) -> None:
    """Refuse an unknown way to share embeddings, and a tie to a matrix that is not there."""
    if embeddings not in EMBEDDINGS:
        msg = (
            f"Expected embeddings among {', '.join(EMBEDDINGS)}, got {embeddings!r}. "
            "Try embeddings='tied'."
        )
        raise ConfigurationError(msg)
    if embeddings == "tied" and is_collapsed:
        msg = (
            "Expected factored input and output where embeddings='tied', got a collapsed one. "
            "Try embeddings='input_tied'."
        )
        raise ConfigurationError(msg)
