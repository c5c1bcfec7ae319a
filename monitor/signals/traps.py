"""Correlation traps: whether a few elements are too large for the rest of a weight matrix.

A matrix whose elements are shuffled has no correlations left, so that all its eigenvalues should
lie in the Marchenko-Pastur bulk. One beyond its edge is due to the elements themselves: a few huge
ones, or a mean other than 0.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.spectrum import squared_singular_values
from grokwatch.monitor.snapshot import Cost, Readings, Signal, Snapshot

TRACY_WIDOM = 3.2724  # its quantile for real matrices at 0.999


def bulk_edges(rows: int, columns: int) -> tuple[float, float]:
    """Where the greatest eigenvalue of W^T W lies for independent elements of variance 1.

    With a = sqrt(rows - 1/2), b = sqrt(columns - 1/2): the edge (a + b)^2, about which the greatest
    eigenvalue fluctuates on the scale (a + b) (1/a + 1/b)^(1/3) as the Tracy-Widom law does.

    Args:
        rows: of the matrix.
        columns: of the matrix.

    Returns:
        The edge, and the point that the eigenvalue exceeds one time in a thousand; less often where
        the variance is not 1 but taken to be what the elements say.

    Example:
        >>> [round(edge, 1) for edge in bulk_edges(100, 100)]
        [398.0, 436.2]

    Source:
        Marchenko and Pastur 1967; Johnstone 2001; Ma 2012 (the halves).
    """
    a, b = math.sqrt(rows - 0.5), math.sqrt(columns - 0.5)
    edge = (a + b) ** 2
    return edge, edge + TRACY_WIDOM * (a + b) * (1 / a + 1 / b) ** (1 / 3)


def shuffled_spectrum(
    W: Float[Tensor, "*models rows columns"], seed: int = 0
) -> Float[Tensor, "*models r"]:
    """Eigenvalues of W^T W after the elements of W were shuffled, over their mean square.

    Elements are sorted first and then laid out by one fixed permutation, the same for every model
    and every reading, so that the order of neurons does not matter, and readings of one shape share
    their luck.

    Args:
        W: any matrix with a side of at most 1024.
        seed: of the permutation.

    Returns:
        r = min(rows, columns) eigenvalues, float64, ascending; 0 where W is 0, NaN where it is not
        finite.

    Example:
        >>> shuffled_spectrum(torch.ones(2, 3)).round()
        tensor([0., 6.], dtype=torch.float64)

    Source:
        Martin and Mahoney 2021 (randomized weight matrices).
    """
    rows, columns = W.shape[-2:]
    flat = W.flatten(-2).double()
    generator = torch.Generator(device="cpu").manual_seed(seed)
    order = torch.randperm(rows * columns, generator=generator, device="cpu").to(W.device)
    shuffled = flat.sort(dim=-1).values[..., order].reshape(W.shape)
    scale = flat.square().mean(-1, keepdim=True)
    return squared_singular_values(shuffled) / torch.where(scale == 0, 1.0, scale)


def _read(snapshot: Snapshot) -> Readings:
    """Count each role's traps, and read how far the greatest eigenvalue lies beyond the edge."""
    readings = {}
    for role, W in snapshot.matrices.items():
        eigenvalues = shuffled_spectrum(W)
        edge, allowed = bulk_edges(*W.shape[-2:])
        top = eigenvalues[..., -1]
        count = (eigenvalues > allowed).sum(-1).to(eigenvalues.dtype)
        readings[f"correlation_traps@{role}"] = torch.where(top.isfinite(), count, torch.nan)
        readings[f"correlation_traps.excess@{role}"] = top / edge - 1
    return readings


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="correlation_traps",
        read=_read,
        bounds=(-1.0, math.inf),
        cost=Cost.MODERATE,
        summary="Eigenvalues of the shuffled matrix beyond chance: a few huge weights, or a mean.",
        source="Martin and Mahoney 2021; arXiv:2506.04434",
    ),
)
