"""Blocks of a transformer: attention, then neurons, each added to what was there.

States come as rows `(*models, R, D)`: the positions of all examples in order, or a table of the
different ones with an index `(N, T)` that says which row stands where.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from grokwatch.experiments.models.layers import (
    ACTIVATIONS,
    Random,
    add_vector,
    dropout,
    normalized,
    rows_of,
)


class NormalMatrix(nn.Module):
    """One weight matrix, drawn from a normal with deviation `scale`."""

    def __init__(self, rows: int, columns: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, columns))
        nn.init.normal_(self.weight, std=scale, generator=generator)


class Norm(nn.Module):
    """Layer normalization with a weight and a bias for each coordinate."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, rows: Tensor) -> Tensor:
        """Normalize rows `(*models, R, D)`."""
        return normalized(rows, self.weight, self.bias)


class Block(nn.Module):
    """Attention without a mask, then one layer of neurons with biases.

    Args:
        matrix: makes a drawn matrix of so many rows and columns.
        length: positions T of an example.
        width: D, of the residual stream.
        heads: attention heads; they divide `width`.
        hidden: number of neurons.
        norm: whether attention and neurons read normalized states.
        activation: of the neurons.
        dropout: rate on the neurons in training.
    """

    def __init__(
        self,
        matrix: Callable[[int, int], NormalMatrix],
        *,
        length: int,
        width: int,
        heads: int,
        hidden: int,
        norm: bool,
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.length = length
        self.heads = heads
        self.rate = dropout
        self.activation = ACTIVATIONS[activation]
        self.query, self.key, self.value, self.out = (matrix(width, width) for _ in range(4))
        self.up, self.down = matrix(hidden, width), matrix(width, hidden)
        self.up_bias = nn.Parameter(torch.zeros(hidden))
        self.down_bias = nn.Parameter(torch.zeros(width))
        self.norm_attention = Norm(width) if norm else nn.Identity()
        self.norm_neurons = Norm(width) if norm else nn.Identity()

    def forward(
        self,
        rows: Tensor,
        index: Tensor | None,
        *,
        only_last: bool = False,
        drops: bool = False,
        random: Random = None,
    ) -> Tensor:
        """Rows `(*models, N * T, D)` after the block; `(*models, N, D)` of the last position."""
        states = self.attended(rows, index, only_last=only_last)
        neurons = self.neurons(states)
        if drops:
            neurons = dropout(neurons, self.rate, random)
        return add_vector(states + neurons @ self.down.weight.mT, self.down_bias)

    def attended(self, rows: Tensor, index: Tensor | None, *, only_last: bool) -> Tensor:
        """Rows after attention alone, `(*models, N * T, D)` or `(*models, N, D)`."""
        normed = self.norm_attention(rows)
        key = self._spread(normed @ self.key.weight.mT, index)
        value = self._spread(normed @ self.value.weight.mT, index)
        if only_last:
            rows, index = self._last(rows, index)
        length = 1 if only_last else self.length
        query = self._spread(self.norm_attention(rows) @ self.query.weight.mT, index, length)
        added = attend_once(query, key, value) if only_last else attend(query, key, value)
        before = rows if index is None else rows_of(rows, index.flatten(-2))
        return before + added.flatten(-2).flatten(-3, -2) @ self.out.weight.mT

    def neurons(self, states: Tensor) -> Tensor:
        """Neurons `(*models, R, hidden)` that read states after attention."""
        inputs = self.norm_neurons(states) @ self.up.weight.mT
        return self.activation(add_vector(inputs, self.up_bias))

    def attention(self, rows: Tensor, index: Tensor | None) -> Tensor:
        """Attention maps `(*models, N, heads, T, T)`; each row adds up to 1."""
        normed = self.norm_attention(rows)
        query = self._spread(normed @ self.query.weight.mT, index)
        return attention_maps(query, self._spread(normed @ self.key.weight.mT, index))

    def _spread(self, rows: Tensor, index: Tensor | None, length: int | None = None) -> Tensor:
        """Rows as `(*models, N, T, heads, D / heads)`."""
        if index is not None:
            length = index.shape[-1]
            rows = rows_of(rows, index.flatten(-2))
        shape = (
            *rows.shape[:-2],
            -1,
            length or self.length,
            self.heads,
            rows.shape[-1] // self.heads,
        )
        return rows.reshape(shape)

    def _last(self, rows: Tensor, index: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The last position of each example alone."""
        if index is not None:
            return rows, index[..., -1:]
        return rows[..., self.length - 1 :: self.length, :], None


def attention_maps(query: Tensor, key: Tensor) -> Tensor:
    """softmax(q k' / sqrt(d)) of `(*models, N, T, heads, d)`: `(*models, N, heads, T, T)`."""
    scores = query.transpose(-2, -3) @ key.transpose(-2, -3).mT
    maps: Tensor = (scores * query.shape[-1] ** -0.5).softmax(-1)
    return maps


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Values weighted by attention, `(*models, N, T, heads, d)` as the arguments are.

    Source:
        Vaswani et al. 2017, equation 1.
    """
    return (attention_maps(query, key) @ value.transpose(-2, -3)).transpose(-2, -3)


def attend_once(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """`attend` for a single query; sums of products, for so small matrix products are slow."""
    scores = (query * key).sum(-1, keepdim=True) * query.shape[-1] ** -0.5
    attended: Tensor = (scores.softmax(-3) * value).sum(-3, keepdim=True)
    return attended
