"""The loss landscape where the weights are: slope, curvature along the update, sharpness.

The first two cost no backward pass. Both see the batch of the moment: on mini-batches they are
noisy, and the curvature is biased upward. Sharpness falls with the loss by itself, so read it
relative to the loss.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.weights import parameter_norm
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

NUM_PRODUCTS = 4


def update_curvature(
    gradients: Mapping[str, Tensor],
    previous_gradients: Mapping[str, Tensor],
    update: Mapping[str, Tensor],
    *,
    models: tuple[int, ...] = (),
) -> Float[Tensor, "..."]:
    """Curvature of the loss along the last update, by the difference of two gradients.

    (g - g') . d / (d . d): the Hessian's Rayleigh quotient along d, averaged between the two
    points; exact on a quadratic loss. 0 where nothing moved. A parameter that the loss did not
    reach has no gradient and counts as one of 0.

    Args:
        gradients: g by parameter name, with leading model axes, on the newer weights.
        previous_gradients: g' on the older weights.
        update: d, newer minus older weights.
        models: the leading model axes.

    Returns:
        Curvature, shape `models`, any sign; unit of loss per squared weight.

    Example:
        >>> old, new = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 2.0])  # gradient 6 w
        >>> update_curvature({"w": 6 * new}, {"w": 6 * old}, {"w": new - old})
        tensor(6.)

    Source:
        Barzilai and Borwein 1988 (the reciprocal of their first step size).
    """
    pairs = []
    for name, moved in update.items():
        newer, older = (
            _flat(tensors[name] if name in tensors else torch.zeros_like(moved), models)
            for tensors in (gradients, previous_gradients)
        )
        pairs.append((newer - older, _flat(moved, models)))
    change = torch.stack([torch.linalg.vecdot(y, d) for y, d in pairs]).sum(0)
    length = torch.stack([torch.linalg.vecdot(d, d) for _, d in pairs]).sum(0)
    return torch.where(length == 0, 0.0, change / length)


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
    num_products: int = NUM_PRODUCTS,
) -> RitzPair:
    """Greatest eigenvalue of a symmetric matrix by a few Lanczos steps from a start vector.

    The top eigenpair of Q^T H Q, where Q is an orthonormal basis of span(v, H v, ..., H^(m-1) v).
    Started from the vector found last time, a few steps follow a slowly turning eigenvector. Keeps
    m + 1 vectors while it runs.

    Args:
        product: multiplies H with `(*models, P)` vectors.
        start: start vectors v, not zero.
        num_products: m, how often `product` is called at most.

    Returns:
        The Ritz pair; NaN with the start vector where products are not finite.

    Example:
        >>> diagonal = torch.tensor([-7.0, 1.0, 5.0])
        >>> top_eigenvalue(lambda v: diagonal * v, torch.ones(3)).value.round()
        tensor(5., dtype=torch.float64)

    Source:
        Lanczos 1950; Parlett 1998 (the residual bound).
    """
    basis = [torch.nn.functional.normalize(start, dim=-1)]
    alphas, betas = [], []
    for _ in range(min(num_products, start.shape[-1])):
        image = product(basis[-1]).to(start.dtype)
        alphas.append(torch.linalg.vecdot(image, basis[-1]))
        image = _orthogonalize(_orthogonalize(image, basis), basis)
        betas.append(torch.linalg.vector_norm(image, dim=-1))
        basis.append(torch.where(betas[-1][..., None] > 0, image / betas[-1][..., None], 0.0))
    values, vectors, finite = _top_of_tridiagonal(alphas, betas)
    ritz = sum((q * y[..., None] for q, y in zip(basis, vectors, strict=False)), start * 0)
    return RitzPair(
        value=values,
        residual=(betas[-1] * vectors[-1]).abs(),
        vector=torch.where(finite[..., None], ritz, start),
    )


def _flat(x: Tensor, models: tuple[int, ...]) -> Tensor:
    """One vector per model, at least float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32)).reshape(*models, -1)


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


def _start(snapshot: Snapshot) -> Tensor:
    """Last observation's Ritz vector, or a fixed random vector, the same for each model."""
    weights = list(snapshot.weights.values())
    size = sum(math.prod(w.shape[len(snapshot.models) :]) for w in weights)
    last = snapshot.memory.get("sharpness")
    if last is not None and last.shape == (*snapshot.models, size):
        return last
    generator = torch.Generator(device="cpu").manual_seed(0)
    fresh = torch.randn(size, generator=generator, device="cpu", dtype=torch.float32)
    dtype = torch.promote_types(weights[0].dtype, torch.float32)
    return fresh.to(weights[0].device, dtype).expand(*snapshot.models, size)


def _read_gradient_norm(snapshot: Snapshot) -> Readings:
    """Read the l2 norm of the gradient."""
    gradients = snapshot.gradients or {}
    return {"gradient_norm": parameter_norm(gradients.values(), models=snapshot.models)}


def _read_update_curvature(snapshot: Snapshot) -> Readings:
    """Read the curvature along the last update."""
    gradients, previous = snapshot.gradients or {}, snapshot.previous_gradients or {}
    update = snapshot.update or {}
    curvature = update_curvature(gradients, previous, update, models=snapshot.models)
    return {"update_curvature": curvature}


def _read_sharpness(snapshot: Snapshot) -> Readings:
    """Read the top Hessian eigenvalue, and remember its vector for the next time."""
    assert snapshot.hvp is not None  # its need
    pair = top_eigenvalue(snapshot.hvp, _start(snapshot))
    snapshot.memory["sharpness"] = pair.vector
    return {"sharpness": pair.value, "sharpness.residual": pair.residual}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="gradient_norm",
        read=_read_gradient_norm,
        needs=frozenset({Need.GRADIENTS}),
        bounds=(0.0, math.inf),
        summary="l2 norm of the gradient of the batch just trained on; falls at memorization.",
        source="definition; before clipping",
    ),
    Signal(
        name="update_curvature",
        read=_read_update_curvature,
        needs=frozenset({Need.UPDATE}),
        bounds=(-math.inf, math.inf),
        summary="Curvature of the train loss along the update; biased upward on mini-batches.",
        source="Barzilai and Borwein 1988",
    ),
    Signal(
        name="sharpness",
        read=_read_sharpness,
        needs=frozenset({Need.HVP}),
        bounds=(-math.inf, math.inf),
        cost=Cost.DEAR,
        summary="Top eigenvalue of the train-loss Hessian, with residual; falls with the loss.",
        source="Lanczos 1950; Cohen et al. 2021 (sharpness during training)",
    ),
)
