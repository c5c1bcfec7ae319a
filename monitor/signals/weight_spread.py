"""How evenly weights are spread over their entries: sparse weights are few and large.

Both measures are cheap relatives of the norms and of no basis: they see single weights go to 0, not
the structure of those that stay. Weight decay alone moves them too.
"""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.weights import role_norm, total_norm
from grokwatch.monitor.snapshot import Cost, Readings, Signal, Snapshot


def norm_ratio(
    l1: Float[Tensor, "*models"], l2: Float[Tensor, "*models"], size: int
) -> Float[Tensor, "*models"]:
    """How evenly weights are spread: l1 over l2 norm, as a fraction of the most it can be.

    |W|_1 / (sqrt(P) |W|_2). Gaussian weights read sqrt(2 / pi) = .80, and sparser ones less.

    Args:
        l1: l1 norms.
        l2: l2 norms.
        size: P, the number of weights.

    Returns:
        1 where all weights are equally large (zeros too), 1 / sqrt(P) where one is not 0; no unit.

    Example:
        >>> norm_ratio(torch.tensor(3.0), torch.tensor(3.0), size=9).round(decimals=2)
        tensor(0.3300)

    Source:
        Hoyer 2004 (there rescaled).
    """
    ratio = torch.where(l2 == 0, 1.0, l1 / l2 / math.sqrt(size))
    return ratio.clamp_max(1)


def absolute_weight_entropy(
    parameters: Iterable[Float[Tensor, "..."]], *, models: tuple[int, ...] = ()
) -> Float[Tensor, "..."]:
    """Absolute weight entropy: how many weights are neither 0 nor large.

    -sum_i |p_i| log |p_i|, over weights as they are and not over shares.

    Args:
        parameters: tensors that carry the leading model axes, at least one.
        models: the leading model axes.

    Returns:
        Shape `models`, any sign, at most P / e; nats.

    Example:
        >>> absolute_weight_entropy([torch.tensor([0.0, -1.0]), torch.tensor(math.e)])
        tensor(-2.7183)

    Source:
        Golechha 2024 (arXiv:2405.12755).
    """
    sums = []
    for tensor in parameters:
        dtype = torch.promote_types(tensor.dtype, torch.float32)
        entropies = torch.special.entr(tensor.to(dtype).abs())
        sums.append(entropies.reshape(*models, -1).sum(-1))
    return torch.stack(sums).sum(0)


def _size(tensor: Tensor, snapshot: Snapshot) -> int:
    """Number of one model's entries."""
    return math.prod(tensor.shape[len(snapshot.models) :])


def _read_sparsity(snapshot: Snapshot) -> Readings:
    """Read the ratio of the two norms, of all trainable weights and of each role's matrix."""
    size = sum(_size(tensor, snapshot) for tensor in snapshot.weights.values())
    total = norm_ratio(total_norm(snapshot, 1.0), total_norm(snapshot), size)
    readings = {"weight_sparsity": total}
    for role, matrix in snapshot.matrices.items():
        l1, l2 = role_norm(snapshot, role, 1.0), role_norm(snapshot, role)
        readings[f"weight_sparsity@{role}"] = norm_ratio(l1, l2, _size(matrix, snapshot))
    return readings


def _read_entropy(snapshot: Snapshot) -> Readings:
    """Read the absolute weight entropy of all trainable weights."""
    weights = snapshot.weights.values()
    return {"absolute_weight_entropy": absolute_weight_entropy(weights, models=snapshot.models)}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="weight_sparsity",
        read=_read_sparsity,
        bounds=(0.0, 1.0),
        cost=Cost.MODERATE,
        summary="l1 over sqrt(P) times l2 norm; .80 for Gaussian weights, less for sparse ones.",
        source="Hoyer 2004 (there rescaled)",
    ),
    Signal(
        name="absolute_weight_entropy",
        read=_read_entropy,
        bounds=(-math.inf, math.inf),
        unit="nats",
        cost=Cost.MODERATE,
        summary="Minus the sum of |w| log |w| over all weights; falls as small ones go to 0.",
        source="Golechha 2024 (arXiv:2405.12755)",
    ),
)
