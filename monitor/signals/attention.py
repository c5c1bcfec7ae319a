"""Attention maps: whether the heads of a layer do the same thing.

Both tell regimes of weight decay apart, and say little about when: heads that decay has made alike
mark collapse.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot


def head_similarity(A: Float[Tensor, "*models N heads T T"]) -> Float[Tensor, "*models"]:
    """Mean cosine between the attention maps of two heads (HCS).

    mean over examples and pairs h < h' of cos(vec A_h, vec A_h').

    Args:
        A: attention weights of one layer, each row adding up to 1.

    Returns:
        In [0, 1]; 1 where all heads agree, as one head does with itself.

    Example:
        >>> same, other = torch.eye(2), torch.eye(2).flip(0)
        >>> head_similarity(torch.stack([same, same, other])[None])
        tensor(0.3333)

    Source:
        Verma 2026 (arXiv:2605.20441).
    """
    heads = A.shape[-3]
    if heads == 1:
        return A.flatten(-4).sum(-1).to(_dtype(A)) * 0 + 1
    maps = torch.nn.functional.normalize(A.to(_dtype(A)).flatten(-2), dim=-1)
    itself = maps.square().sum((-1, -2))
    pairs = (maps.sum(-2).square().sum(-1) - itself) / (heads * (heads - 1))
    return pairs.mean(-1).clamp(0, 1)


def head_entropy_deviation(
    A: Float[Tensor, "*models N heads T T"],
) -> Float[Tensor, "*models"]:
    """Standard deviation over heads of their mean entropy.

    sd_h of the mean over examples and rows of -sum_j A_hij log A_hij.

    Args:
        A: attention weights of one layer, each row adding up to 1.

    Returns:
        In [0, log(T) / 2] nats; 0 where all heads are equally wide, and with one head.

    Example:
        >>> narrow, wide = torch.eye(2), torch.full((2, 2), 0.5)
        >>> head_entropy_deviation(torch.stack([narrow, wide])[None])
        tensor(0.3466)

    Source:
        Verma 2026 (arXiv:2605.20441).
    """
    entropies: Tensor = torch.special.entr(A.to(_dtype(A))).sum(-1).mean((-1, -3))
    return entropies.std(-1, correction=0)


def _dtype(A: Tensor) -> torch.dtype:
    """At least float32."""
    return torch.promote_types(A.dtype, torch.float32)


def _mean_over_layers(snapshot: Snapshot, measure: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean of a measure over layers with several heads; over all where none has."""
    layers = list(snapshot.attention.values())
    several = [A for A in layers if A.shape[-3] > 1]
    return torch.stack([measure(A) for A in several or layers]).mean(0)


def _read_similarity(snapshot: Snapshot) -> Readings:
    """Read how alike heads are."""
    return {"head_similarity": _mean_over_layers(snapshot, head_similarity)}


def _read_deviation(snapshot: Snapshot) -> Readings:
    """Read how differently wide heads are."""
    return {"head_entropy_deviation": _mean_over_layers(snapshot, head_entropy_deviation)}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="head_similarity",
        read=_read_similarity,
        needs=frozenset({Need.ATTENTION}),
        bounds=(0.0, 1.0),
        cost=Cost.DEAR,
        summary="Mean cosine between two heads' attention maps; near 1 where heads collapsed.",
        source="Verma 2026 (arXiv:2605.20441)",
    ),
    Signal(
        name="head_entropy_deviation",
        read=_read_deviation,
        needs=frozenset({Need.ATTENTION}),
        bounds=(0.0, math.inf),
        unit="nats",
        cost=Cost.DEAR,
        summary="Standard deviation over heads of their mean entropy; 0 where heads collapsed.",
        source="Verma 2026 (arXiv:2605.20441)",
    ),
)
