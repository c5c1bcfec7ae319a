"""Small transformers on the sequence (a, b, =), answering at the last position."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from grokwatch.experiments.models.attention import Block, Norm, NormalMatrix
from grokwatch.experiments.models.layers import Random, check_options, enlarge, held, probe_of
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Probe


class Transformer(nn.Module):
    """Tokens and positions are embedded; blocks of attention and neurons add to them.

    Before the first block a position holds one of few vectors, one per token and place. Its
    projections are computed once for each of these, and looked up for the examples; the last block
    computes its last position alone, because nothing reads the others.

    Args:
        modulus: p, number of tokens and of answers; token p is the equals sign, which is appended.
        length: tokens of an input before the equals sign.
        width: of the residual stream.
        heads: attention heads in a block; they divide `width`.
        hidden: neurons in a block.
        layers: number of blocks.
        norm: layer normalization before attention, before the neurons and before the readout.
        activation: `relu` or `square`.
        dropout: rate on the neurons in training.
        alpha: what all initial weights are multiplied by.
        seed: of the initial weights, normal with deviation `1 / sqrt(width)`, of the readout
            `1 / sqrt(p)`; biases start at 0.

    Raises:
        ConfigurationError: an option cannot work.

    Source:
        Nanda et al. 2023 (arXiv:2301.05217), there with a causal mask, which changes nothing at the
        last position of one block.
    """

    def __init__(
        self,
        *,
        modulus: int = 113,
        length: int = 2,
        width: int = 128,
        heads: int = 4,
        hidden: int = 512,
        layers: int = 1,
        norm: bool = False,
        activation: str = "relu",
        dropout: float = 0.0,
        alpha: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_options(activation=activation, dropout=dropout, alpha=alpha)
        _check_shape(width=width, heads=heads, layers=layers)
        self.modulus = modulus
        self.length = length
        generator = torch.Generator().manual_seed(seed)
        matrix = partial(NormalMatrix, scale=width**-0.5, generator=generator)
        self.embed = matrix(modulus + 1, width)
        self.position = matrix(length + 1, width)
        block = partial(Block, matrix, length=length + 1, width=width, heads=heads, hidden=hidden)
        self.blocks = nn.ModuleList(
            block(norm=norm, activation=activation, dropout=dropout) for _ in range(layers)
        )
        self.norm = Norm(width) if norm else nn.Identity()
        self.unembed = NormalMatrix(modulus, width, modulus**-0.5, generator)
        # Biases start at 0, and a scaled normalization would be another architecture.
        enlarge((weight for weight in self.parameters() if weight.ndim == 2), alpha)

    def forward(self, tokens: Tensor, *, random: Random = None) -> Tensor:
        """Map tokens `(N, T)` or `(*models, N, T)` to logits `(*models, N, p)`."""
        rows, index = self._before_last(tokens, drops=self.training, random=random)
        last = self._blocks[-1]
        states = last(rows, index, only_last=True, drops=self.training, random=random)
        logits: Tensor = self.norm(states) @ self.unembed.weight.mT
        return logits

    def hidden_states(self, tokens: Tensor) -> Tensor:
        """Neurons `(*models, N, hidden)` of the last block at the last position, no dropout."""
        last = self._blocks[-1]
        return last.neurons(last.attended(*self._before_last(tokens), only_last=True))

    def attention(self, tokens: Tensor) -> dict[str, Tensor]:
        """Attention maps `(*models, N, heads, T, T)` by block, no dropout."""
        rows = self._table()
        index: Tensor | None = self._index(tokens)
        maps = {}
        for number, block in enumerate(self._blocks):
            maps[f"blocks.{number}"] = block.attention(rows, index)
            rows, index = block(rows, index), None
        return maps

    def probe(self, prefix: str = "") -> Probe:
        """Where its tokens are, in a module that holds it under `prefix`, such as `model.`."""
        return probe_of(
            prefix,
            group=f"cyclic:{self.modulus}",
            roles={
                "embedding": partial(_token_embedding, prefix=prefix),
                "unembedding": f"{prefix}unembed.weight",
            },
            axes={"embedding": 0, "unembedding": 0},
            attention=partial(_attention, prefix=prefix),
        )

    @property
    def _blocks(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]

    def _before_last(
        self, tokens: Tensor, *, drops: bool = False, random: Random = None
    ) -> tuple[Tensor, Tensor | None]:
        """What the last block reads: rows and their index, as `Block` has them."""
        rows: Tensor = self._table()
        index: Tensor | None = self._index(tokens)
        for block in self._blocks[:-1]:
            rows, index = block(rows, index, drops=drops, random=random), None
        return rows, index

    def _table(self) -> Tensor:
        """Each token at each place, token by token: `(*models, (p + 1) * (T + 1), D)`."""
        rows = self.embed.weight.unsqueeze(-2) + self.position.weight.unsqueeze(-3)
        return rows.flatten(-3, -2)

    def _index(self, tokens: Tensor) -> Tensor:
        """Where in the table the positions of each example are: `(N, T + 1)`."""
        if tokens.shape[-1] != self.length:
            msg = (
                f"Expected {self.length} tokens in an input, got {tokens.shape[-1]}. "
                f"Try Transformer(length={tokens.shape[-1]})."
            )
            raise ValueError(msg)
        equals = tokens.new_full((*tokens.shape[:-1], 1), self.modulus)
        places = torch.arange(self.length + 1, device=tokens.device)
        return torch.cat([tokens, equals], dim=-1) * (self.length + 1) + places


def _token_embedding(weights: Mapping[str, Tensor], *, prefix: str = "") -> Tensor:
    """Embedding `(*models, p, D)` without the equals sign."""
    return weights[f"{prefix}embed.weight"][..., :-1, :]


def _attention(module: nn.Module, tokens: Tensor, *, prefix: str = "") -> dict[str, Tensor]:
    """Attention maps of the transformer that a module holds under `prefix`."""
    maps: dict[str, Tensor] = held(module, prefix).attention(tokens)  # type: ignore[operator]
    return maps


def _check_shape(*, width: int, heads: int, layers: int) -> None:
    """Refuse heads that do not divide the width, and no block at all."""
    if heads < 1 or width % heads:
        msg = f"Expected heads that divide the width, got {heads} and {width}. Try heads=4."
        raise ConfigurationError(msg)
    if layers < 1:
        msg = f"Expected at least one block, got layers={layers}. Try layers=1."
        raise ConfigurationError(msg)
