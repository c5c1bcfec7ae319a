"""Singular-value spectrum: how many directions a weight matrix uses.

All three measures read the shares of the squared singular values, found as eigenvalues of the
smaller Gram matrix in float64; its rounding, one part in 10^16 of the largest, does not show in any
of them. A matrix of zeros counts as one that uses all its directions evenly. They collapse in
networks that never grok too.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.signals.sparsity import energy_shares, entropy_of_shares
from grokwatch.monitor.snapshot import Cost, Readings, Signal, Snapshot

MOST_DIRECTIONS = 1024


def squared_singular_values(
    W: Float[Tensor, "*models rows columns"],
) -> Float[Tensor, "*models r"]:
    """Squares of the singular values of a matrix.

    Eigenvalues of W W^T or W^T W, whichever is smaller.

    Args:
        W: any matrix; r = min(rows, columns) at most 1024, so that training is never held up for
            seconds.

    Returns:
        r squares of singular values, float64, ascending, at least 0 (NaN where W is not finite).

    Raises:
        SignalError: both sides of W are longer than 1024.

    Example:
        >>> squared_singular_values(torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0]]))
        tensor([1., 4.], dtype=torch.float64)

    Source:
        definition.
    """
    rows, columns = W.shape[-2:]
    if min(rows, columns) > MOST_DIRECTIONS:
        msg = (
            f"Expected a matrix with a side of at most {MOST_DIRECTIONS}, got {rows} x {columns}. "
            "Try a smaller matrix for this role in the Probe."
        )
        raise SignalError(msg)
    tall = (W if rows >= columns else W.mT).double()
    gram = tall.mT @ tall
    finite = gram.isfinite().all(-1).all(-1)[..., None]
    values = torch.linalg.eigvalsh(torch.where(finite[..., None], gram, 0.0))
    return torch.where(finite, values.clamp_min(0), torch.nan)


def spectral_entropy(shares: Float[Tensor, "*models r"]) -> Float[Tensor, "*models"]:
    """Spectral entropy: entropy of the shares of squared singular values over log r.

    -sum_i p_i log p_i / log r with p_i = s_i^2 / sum_j s_j^2.

    Args:
        shares: shares of the r squared singular values in their sum.

    Returns:
        1 where all directions are used evenly, 0 at rank one; no unit.

    Example:
        >>> spectral_entropy(torch.tensor([0.0, 0.0, 0.5, 0.5]))
        tensor(0.5000)

    Source:
        Truong et al. 2026 (arXiv:2604.13123), there on representations.
    """
    return entropy_of_shares(shares)


def spectral_entropy_rank(shares: Float[Tensor, "*models r"]) -> Float[Tensor, "*models"]:
    """Spectral-entropy rank: the number of evenly used directions with the same entropy.

    exp(-sum_i p_i log p_i) with p_i = s_i^2 / sum_j s_j^2. Not Roy and Vetterli's effective rank,
    which has p_i proportional to s_i.

    Args:
        shares: shares of the r squared singular values in their sum.

    Returns:
        A number of directions in [1, r].

    Example:
        >>> spectral_entropy_rank(torch.tensor([0.0, 0.0, 0.5, 0.5]))
        tensor(2.)

    Source:
        Roy and Vetterli 2007, with squares.
    """
    rank: Tensor = torch.special.entr(shares).sum(-1).exp()
    return rank


def stable_rank(shares: Float[Tensor, "*models r"]) -> Float[Tensor, "*models"]:
    """Stable rank of a matrix.

    ||W||_F^2 / ||W||_2^2 = sum_i s_i^2 / max_i s_i^2.

    Args:
        shares: shares of the r squared singular values in their sum.

    Returns:
        A number of directions in [1, r]; r for a matrix of zeros.

    Example:
        >>> stable_rank(torch.tensor([0.25, 0.25, 0.5]))
        tensor(2.)

    Source:
        Rudelson and Vershynin 2007.
    """
    return 1 / shares.amax(-1)


def squares_of_role(snapshot: Snapshot, role: str) -> Float[Tensor, "*models r"]:
    """Squared singular values of one role's matrix, found once for each snapshot.

    As `squared_singular_values`.

    Args:
        snapshot: what is read.
        role: names one of its matrices.

    Returns:
        r squares of singular values, float64, ascending; read them, never write into them.

    Example:
        >>> squares_of_role(Snapshot(step=1, matrices={"input": 2 * torch.eye(2)}), "input")
        tensor([4., 4.], dtype=torch.float64)

    Source:
        definition.
    """
    compute = partial(squared_singular_values, snapshot.matrices[role])
    return snapshot.once(f"spectrum.squares@{role}", compute)


def _shares(snapshot: Snapshot, role: str) -> Tensor:
    """Shares of the squared singular values in their sum."""
    return energy_shares(squares_of_role(snapshot, role))


def _read(snapshot: Snapshot, *, name: str, measure: Callable[[Tensor], Tensor]) -> Readings:
    """Read one measure for every role."""
    return {
        f"{name}@{role}": measure(
            snapshot.once(f"spectrum.shares@{role}", partial(_shares, snapshot, role))
        )
        for role in snapshot.matrices
    }


def _signal(
    measure: Callable[[Tensor], Tensor], bounds: tuple[float, float], summary: str, source: str
) -> Signal:
    """Describe one measure of the singular values, named as its function."""
    name = measure.__name__
    return Signal(
        name=name,
        read=partial(_read, name=name, measure=measure),
        bounds=bounds,
        cost=Cost.MODERATE,
        summary=summary,
        source=source,
    )


SIGNALS: tuple[Signal, ...] = (
    _signal(
        spectral_entropy,
        (0.0, 1.0),
        "Entropy of the squared singular values over log r; collapses at cleanup.",
        "Truong et al. 2026 (arXiv:2604.13123)",
    ),
    _signal(
        spectral_entropy_rank,
        (1.0, math.inf),
        "Number of directions that a matrix uses, by entropy; falls at cleanup.",
        "Roy and Vetterli 2007, with squared singular values",
    ),
    _signal(
        stable_rank,
        (1.0, math.inf),
        "Squared Frobenius over squared spectral norm; falls at cleanup.",
        "Rudelson and Vershynin 2007",
    ),
)
