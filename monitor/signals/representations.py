"""Hidden states: how many directions they use, and how well classes are apart in them.

Both read one layer's hidden states on the fixed train probe. Classes come apart at memorization
already, on random labels too (neural collapse): take it relative to its value there.
"""

import math

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from grokwatch.monitor.signals.sparsity import energy_shares
from grokwatch.monitor.signals.spectrum import (
    MOST_DIRECTIONS,
    spectral_entropy_rank,
    squared_singular_values,
)
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

ROUNDING = 1e-12


def even_rows(num_rows: int, most: int) -> Integer[Tensor, " k"]:
    """At most `most` of some rows, evenly taken.

    i * num_rows // k for i = 0..k-1.

    Args:
        num_rows: how many there are.
        most: how many are taken at most.

    Returns:
        Indices of k = min(num_rows, most) rows, ascending, on the CPU.

    Example:
        >>> even_rows(10, 4)
        tensor([0, 2, 5, 7])

    Source:
        definition.
    """
    k = min(num_rows, most)
    return torch.arange(k, device="cpu") * num_rows // max(k, 1)


def centered(H: Float[Tensor, "*models N D"]) -> Float[Tensor, "*models N D"]:
    """Hidden states less their mean over rows.

    h_i - mean_i h_i; 0 where rows differ by no more than rounding, a share of 1e-12 in length.

    Args:
        H: a row per example.

    Returns:
        The same shape, float64.

    Example:
        >>> centered(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
        tensor([[-1.,  0.],
                [ 1.,  0.]], dtype=torch.float64)

    Source:
        definition.
    """
    H = H.double()
    away = H - H.mean(-2, keepdim=True)
    length, all_of_it = (torch.linalg.matrix_norm(x)[..., None, None] for x in (away, H))
    return torch.where(length <= ROUNDING * all_of_it, 0.0, away)


def representation_rank(H: Float[Tensor, "*models N D"]) -> Float[Tensor, "*models"]:
    """Spectral-entropy rank of hidden states: how many directions they vary in.

    exp(-sum_i p_i log p_i) with p_i the shares of the covariance's eigenvalues in their sum. Where
    both sides are longer than 1024, of 1024 rows evenly taken.

    Args:
        H: a row per example.

    Returns:
        A number of directions in [1, min(N, D)]; the most where rows do not differ.

    Example:
        >>> representation_rank(torch.tensor([[1.0, 0.0, 5.0], [0.0, 1.0, 5.0]])).round(decimals=6)
        tensor(1., dtype=torch.float64)

    Source:
        Truong et al. 2026 (arXiv:2604.13123); Roy and Vetterli 2007, with squares.
    """
    if H.shape[-1] > MOST_DIRECTIONS:
        H = H[..., even_rows(H.shape[-2], MOST_DIRECTIONS).to(H.device), :]
    return spectral_entropy_rank(energy_shares(squared_singular_values(centered(H))))


def class_separation(
    H: Float[Tensor, "*models N D"], targets: Integer[Tensor, "*batch N"]
) -> Float[Tensor, "*models"]:
    """Ratio of the distances between classes to those within (ILDR).

    mean_{c != c'} |mu_c - mu_c'| / mean_c mean_{i in c} |h_i - mu_c|, over classes with at least
    two examples.

    Args:
        H: a row per example.
        targets: class of each row, for all models or for each.

    Returns:
        At least 0; 0 with fewer than two such classes or where class means agree; at most 10^12,
        reached where each class is one point. No unit.

    Example:
        >>> H = torch.tensor([[0.0, 1.0], [0.0, -1.0], [8.0, 1.0], [8.0, -1.0]])
        >>> class_separation(H, torch.tensor([0, 0, 1, 1]))
        tensor(8., dtype=torch.float64)

    Source:
        Fisher 1936 for variances; arXiv:2604.20923 for distances, there on held-out examples.
    """
    H = centered(H)
    classes, index = torch.unique(targets.to(H.device), return_inverse=True)
    index = index.expand(H.shape[:-1])
    member = (index[..., None] == torch.arange(len(classes), device=H.device)).to(H.dtype)
    count = member.sum(-2)
    means = member.mT @ H / count.clamp_min(1)[..., None]
    own = means.gather(-2, index[..., None].expand(H.shape))
    spread = torch.linalg.vector_norm(H - own, dim=-1)
    within = (member.mT @ spread[..., None])[..., 0] / count.clamp_min(1)
    usable = (count > 1).to(H.dtype)
    num = usable.sum(-1)
    apart = torch.cdist(means, means, compute_mode="donot_use_mm_for_euclid_dist")
    between = (usable[..., None, :] @ apart @ usable[..., None])[..., 0, 0]
    inter = between / (num * (num - 1)).clamp_min(1)
    intra = (within * usable).sum(-1) / num.clamp_min(1)
    return torch.where(inter == 0, 0.0, inter / intra.clamp_min(inter * ROUNDING))


def _read_entropy(snapshot: Snapshot) -> Readings:
    """Read how many directions each layer uses."""
    readings = {}
    for layer, H in snapshot.representations.items():
        rank = representation_rank(H)
        readings[f"representation_entropy@{layer}"] = rank.log() / math.log(max(H.shape[-1], 2))
        readings[f"representation_entropy.rank@{layer}"] = rank
    return readings


def _read_separation(snapshot: Snapshot) -> Readings:
    """Read how well classes are apart in each layer."""
    targets = snapshot.targets
    if targets is None:
        return {}
    return {
        f"class_separation@{layer}": class_separation(H, targets)
        for layer, H in snapshot.representations.items()
    }


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="representation_entropy",
        read=_read_entropy,
        needs=frozenset({Need.REPRESENTATIONS}),
        bounds=(0.0, math.inf),
        cost=Cost.DEAR,
        summary="Entropy of the hidden states' covariance over log d; falls, fastest at cleanup.",
        source="Truong et al. 2026 (arXiv:2604.13123)",
    ),
    Signal(
        name="class_separation",
        read=_read_separation,
        needs=frozenset({Need.REPRESENTATIONS, Need.LOGITS}),
        bounds=(0.0, math.inf),
        cost=Cost.DEAR,
        summary="Distance between classes over that within; rises at memorization already.",
        source="arXiv:2604.20923 (ILDR), there on held-out examples",
    ),
)
