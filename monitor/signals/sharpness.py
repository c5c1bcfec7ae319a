"""Sharpness: the top eigenvalue of the train-loss Hessian, as it is and as Adam sees it.

The raw value falls with the loss by itself, so it is also given per loss, and per squared relative
change of the weights. An adaptive optimizer is unstable by the sharpness of the preconditioned
Hessian, not by the raw one. On a sub-batch of the train set, either is biased upward.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from grokwatch.monitor.signals.landscape import per_loss, train_loss
from grokwatch.monitor.signals.vectors import flatten
from grokwatch.monitor.signals.weights import total_norm
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

LEAST_PRODUCTS = 4
MOST_PRODUCTS = 16
MOST_KEPT = 1 << 23
TOLERANCE = 0.05


class RitzPair(NamedTuple):
    """An estimate of the top eigenpair.

    Attributes:
        value: `(*models,)` Ritz value, never above the top eigenvalue but for rounding.
        residual: `(*models,)` length of H v - value v: an eigenvalue lies within this distance of
            the value.
        vector: `(*models, P)` Ritz vector v, of length 1.
    """

    value: Tensor
    residual: Tensor
    vector: Tensor


def top_eigenvalue(
    product: Callable[[Tensor], Tensor],
    start: Float[Tensor, "*models P"],
    most: int = MOST_PRODUCTS,
    tolerance: float = TOLERANCE,
) -> RitzPair:
    """Greatest eigenvalue of a symmetric matrix by Lanczos steps from a start vector.

    The top eigenpair of Q^T H Q, where Q is an orthonormal basis of span(v, H v, ..., H^(m-1) v),
    for the least m >= 4 at which the residual is within a tolerance of the value; that is then off
    by about the residual's square over the distance to the next eigenvalue. Started from the vector
    found last time, a few steps follow a slowly turning eigenvector. Keeps m + 1 vectors while it
    runs, so that a model of P weights gets no more than 8 million / P steps, but 4.

    Args:
        product: multiplies H with `(*models, P)` vectors.
        start: start vectors v, not zero.
        most: how often `product` is called at most.
        tolerance: largest residual, as a share of the value, to stop at.

    Returns:
        The Ritz pair; NaN with the start vector where products are not finite.

    Example:
        >>> diagonal = torch.tensor([-7.0, 1.0, 5.0])
        >>> top_eigenvalue(lambda v: diagonal * v, torch.ones(3)).value.round()
        tensor(5., dtype=torch.float64)

    Source:
        Lanczos 1950; Parlett 1998 (the residual bound).
    """
    size = start.shape[-1]
    least = min(LEAST_PRODUCTS, most, size)
    most = min(most, max(LEAST_PRODUCTS, MOST_KEPT // size), size)
    basis = [normalize(start, dim=-1)]
    alphas, betas, found = [], [], None
    for count in range(1, most + 1):
        image = product(basis[-1]).to(start.dtype)
        alphas.append(torch.linalg.vecdot(image, basis[-1]))
        image = _orthogonalize(_orthogonalize(image, basis), basis)
        betas.append(torch.linalg.vector_norm(image, dim=-1))
        basis.append(torch.where(betas[-1][..., None] > 0, image / betas[-1][..., None], 0.0))
        if count >= least:
            pair = _ritz_pair(basis, alphas, betas)
            found = pair if found is None else _first_found(found, pair, tolerance)
            if bool(_is_found(found, tolerance).all()):
                break
    assert found is not None  # at least one product
    is_finite = found.value.isfinite()[..., None]
    return found._replace(vector=torch.where(is_finite, found.vector, start))


def _is_found(pair: RitzPair, tolerance: float) -> Tensor:
    """Whether more products would add nothing: the residual is small, or nothing is finite."""
    return ~(pair.residual > tolerance * pair.value.abs())


def _first_found(old: RitzPair, new: RitzPair, tolerance: float) -> RitzPair:
    """Keep the pair of each model that was found already, so that a stack equals its models."""
    is_found = _is_found(old, tolerance)
    value, residual = (
        torch.where(is_found, before, after) for before, after in zip(old[:2], new[:2], strict=True)
    )
    return RitzPair(value, residual, torch.where(is_found[..., None], old.vector, new.vector))


def _ritz_pair(
    basis: Sequence[Tensor], alphas: Sequence[Tensor], betas: Sequence[Tensor]
) -> RitzPair:
    """The top pair that a basis with one vector more than products gives."""
    values, vectors, finite = _top_of_tridiagonal(alphas, betas)
    ritz = sum((q * y[..., None] for q, y in zip(basis, vectors, strict=False)), basis[0] * 0)
    residual = torch.where(finite, (betas[-1] * vectors[-1]).abs(), torch.nan)
    return RitzPair(values, residual, ritz)


def preconditioned(
    product: Callable[[Tensor], Tensor], preconditioner: Float[Tensor, "*models P"]
) -> Callable[[Tensor], Tensor]:
    """Multiply with P^-1/2 H P^-1/2, the Hessian in the coordinates of an adaptive optimizer.

    Where the preconditioner is 0 (a parameter that no gradient ever reached), so is the product.

    Args:
        product: multiplies H with `(*models, P)` vectors.
        preconditioner: the diagonal of P, what each gradient is divided by; not negative.

    Returns:
        A function that multiplies; its matrix has the eigenvalues of P^-1 H.

    Example:
        >>> multiply = preconditioned(lambda v: 6 * v, torch.tensor([4.0, 0.0]))
        >>> multiply(torch.ones(2))
        tensor([1.5000, 0.0000])

    Source:
        Cohen et al. 2022 (adaptive gradient methods at the edge of stability).
    """
    scale = torch.where(preconditioner == 0, 0.0, preconditioner.rsqrt())
    return lambda vector: scale * product(scale * vector)


def _orthogonalize(x: Tensor, basis: Sequence[Tensor]) -> Tensor:
    """Take away from x what lies along the basis."""
    for q in basis:
        x = x - q * torch.linalg.vecdot(q, x)[..., None]
    return x


def _top_of_tridiagonal(
    alphas: Sequence[Tensor], betas: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor], Tensor]:
    """Top eigenvalue of a tridiagonal matrix, its vector by entry, and whether all was finite.

    After an invariant subspace (beta 0) nothing is left to multiply; what follows is put below the
    first entry, so that it is never the top.
    """
    first = alphas[0]
    kept, alive = [first], torch.ones_like(first, dtype=torch.bool)
    for alpha, beta in zip(alphas[1:], betas, strict=False):
        alive = alive & (beta != 0)
        kept.append(torch.where(alive, alpha, first - first.abs() - 1))
    off = torch.stack([*betas[:-1], torch.zeros_like(first)], -1)[..., :-1].double()
    matrix = torch.diag_embed(torch.stack(kept, -1).double())
    matrix = matrix + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    finite = matrix.isfinite().all(-1).all(-1)
    values, vectors = torch.linalg.eigh(torch.where(finite[..., None, None], matrix, 0.0))
    top = torch.where(finite, values[..., -1], torch.nan)
    return top, list(vectors[..., -1].to(first.dtype).unbind(-1)), finite


def _start(snapshot: Snapshot, dtype: torch.dtype, name: str) -> Tensor:
    """Last observation's Ritz vector, or a fixed random vector, the same for each model."""
    weights = list(snapshot.weights.values())
    size = sum(math.prod(w.shape[len(snapshot.models) :]) for w in weights)
    last = snapshot.memory.get(name)
    if last is not None and last.shape == (*snapshot.models, size):
        return last.to(weights[0].device, dtype)
    generator = torch.Generator(device="cpu").manual_seed(0)
    fresh = torch.randn(size, generator=generator, device="cpu", dtype=torch.float32)
    return fresh.to(weights[0].device, dtype).expand(*snapshot.models, size)


def _read_sharpness(snapshot: Snapshot) -> Readings:
    """Read the top Hessian eigenvalue, and remember its vector for the next time."""
    landscape = snapshot.landscape
    assert landscape is not None  # its need
    pair = top_eigenvalue(landscape.product, _start(snapshot, landscape.dtype, "sharpness"))
    snapshot.memory["sharpness"] = pair.vector
    length = total_norm(snapshot)
    return {
        "sharpness": pair.value,
        "sharpness.residual": pair.residual,
        "sharpness.normalized": pair.value * length.square(),
        "sharpness.per_loss": per_loss(pair.value, train_loss(snapshot)),
    }


def _read_preconditioned(snapshot: Snapshot) -> Readings:
    """Read the top eigenvalue of the preconditioned Hessian, and remember its vector."""
    landscape, by_name = snapshot.landscape, snapshot.preconditioner
    assert landscape is not None  # its needs
    assert by_name is not None
    parts = {
        name: by_name[name] if name in by_name else torch.zeros_like(weight)
        for name, weight in snapshot.weights.items()
    }
    diagonal = flatten(parts, snapshot.models).to(landscape.dtype)
    multiply = preconditioned(landscape.product, diagonal)
    pair = top_eigenvalue(multiply, _start(snapshot, landscape.dtype, "preconditioned_sharpness"))
    snapshot.memory["preconditioned_sharpness"] = pair.vector
    return {
        "preconditioned_sharpness": pair.value,
        "preconditioned_sharpness.residual": pair.residual,
    }


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="sharpness",
        read=_read_sharpness,
        needs=frozenset({Need.LANDSCAPE}),
        bounds=(-math.inf, math.inf),
        cost=Cost.DEAR,
        summary="Top eigenvalue of the train-loss Hessian; rises, then falls with the loss.",
        source="Lanczos 1950; Cohen et al. 2021 (sharpness during training)",
    ),
    Signal(
        name="preconditioned_sharpness",
        read=_read_preconditioned,
        needs=frozenset({Need.LANDSCAPE, Need.PRECONDITIONER}),
        bounds=(-math.inf, math.inf),
        cost=Cost.DEAR,
        summary="Top Hessian eigenvalue as Adam scales it; unstable above 38 / lr at beta1 0.9.",
        source="Cohen et al. 2022 (adaptive gradient methods at the edge of stability)",
    ),
)
