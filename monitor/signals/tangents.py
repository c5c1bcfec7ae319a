"""Tangent kernel: how the gradients of the outputs agree with the labels, and how fast they turn.

K = J J^T, where row i of J is the gradient of one random contrast of example i's logits, comes from
gradients sketched to S numbers. Inner products are right on average, the diagonal's too, with an
error of about 1/sqrt(S) of the two lengths. That error adds up to (tr K)^2 / S in |K|^2: alignment
reads low where S is not far above the number of directions in J. Velocity does not suffer, for the
sketch is the same every time.
"""

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from grokwatch.monitor.signals.representations import centered, even_rows
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

MOST_ROWS = 128


def tangent_alignment(
    J: Float[Tensor, "*models k S"], targets: Integer[Tensor, "*batch k"]
) -> Float[Tensor, "*models"]:
    """Centered kernel alignment (CKA) of the tangent kernel with the label kernel.

    <K, L> / (|K| |L|) with K = J J^T and L_ij = [y_i = y_j], both centered.

    Args:
        J: sketched gradient of a contrast of each row's logits.
        targets: class of each row, for all models or for each.

    Returns:
        In [0, 1]; sqrt((C - 1) / (k - 1)) where all gradients are orthogonal and of one length, and
        C classes are as frequent; 0 where one of the kernels is 0.

    Example:
        >>> tangent_alignment(torch.eye(5)[[0, 0, 3, 3]], torch.tensor([1, 1, 2, 2]))
        tensor(1., dtype=torch.float64)

    Source:
        Cortes, Mohri and Rostamizadeh 2012; Kumar et al. 2023 (arXiv:2310.06110).
    """
    J = centered(J)
    same = (targets[..., None, :] == targets[..., None]).to(J.device, J.dtype)
    L = centered(centered(same).mT).expand(*J.shape[:-1], J.shape[-2])
    return _cosine(J @ J.mT, L).clamp(0, 1)


def kernel_velocity(
    K: Float[Tensor, "*models k k"], before: Float[Tensor, "*models k k"]
) -> Float[Tensor, "*models"]:
    """How far a kernel turned.

    1 - <K, K'> / (|K| |K'|), as half the square of the difference of K / |K| and K' / |K'|.

    Args:
        K: a kernel.
        before: K', the same kernel earlier.

    Returns:
        In [0, 1]; 0 where nothing turned, and where one of the kernels is 0.

    Example:
        >>> kernel_velocity(torch.diag(torch.tensor([3.0, 4.0])), torch.eye(2))
        tensor(0.0101, dtype=torch.float64)

    Source:
        Fort et al. 2020 (arXiv:2010.15110).
    """
    lengths = torch.linalg.matrix_norm(K.double()) * torch.linalg.matrix_norm(before.double())
    turned = (_unit(K) - _unit(before)).square().sum((-1, -2)) / 2
    return torch.where(lengths == 0, 0.0, turned.clamp(0, 1))


def _unit(K: Tensor) -> Tensor:
    """The matrix over its Frobenius norm; 0 stays 0."""
    length = torch.linalg.matrix_norm(K.double())[..., None, None]
    return K / torch.where(length == 0, 1.0, length)


def _cosine(K: Tensor, L: Tensor) -> Tensor:
    """Cosine of the angle between two matrices; 0 where one of them is 0."""
    return (_unit(K) * _unit(L)).sum((-1, -2))


def _rows(snapshot: Snapshot) -> Tensor:
    """Which rows of the train probe are looked at."""
    assert snapshot.logits is not None  # its need
    return even_rows(snapshot.logits.shape[-2], MOST_ROWS)


def _gradients(snapshot: Snapshot) -> Tensor:
    """Sketched gradients of these rows, found once."""
    assert snapshot.tangents is not None  # its need
    tangents, rows = snapshot.tangents, _rows(snapshot)
    return snapshot.once("tangents.rows", lambda: tangents(rows).double())


def _read_alignment(snapshot: Snapshot) -> Readings:
    """Read the alignment with the labels."""
    if snapshot.targets is None:
        return {}
    targets = snapshot.targets[..., _rows(snapshot).to(snapshot.targets.device)]
    return {"tangent_alignment": tangent_alignment(_gradients(snapshot), targets)}


def _read_velocity(snapshot: Snapshot) -> Readings:
    """Read how far the kernel turned since the last reading, and keep it for the next."""
    J = _gradients(snapshot)
    K = J @ J.mT
    before = snapshot.memory.get("tangent_velocity")
    if before is None or before.shape != K.shape:
        before = torch.zeros_like(K)
    before = before.to(K.device)
    finite = K.isfinite().all(-1).all(-1)[..., None, None]
    snapshot.memory["tangent_velocity"] = torch.where(finite, _unit(K), before).float()
    return {"tangent_velocity": kernel_velocity(K, before.to(K.dtype))}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="tangent_alignment",
        read=_read_alignment,
        needs=frozenset({Need.TANGENTS, Need.LOGITS}),
        bounds=(0.0, 1.0),
        cost=Cost.DEAR,
        summary="Alignment of the tangent kernel with the labels (CKA); flat with many classes.",
        source="Kumar et al. 2023 (arXiv:2310.06110)",
    ),
    Signal(
        name="tangent_velocity",
        read=_read_velocity,
        needs=frozenset({Need.TANGENTS, Need.LOGITS}),
        bounds=(0.0, 1.0),
        cost=Cost.DEAR,
        summary="How far the tangent kernel turned since the last reading; 0 at the first.",
        source="Fort et al. 2020 (arXiv:2010.15110); Kumar et al. 2023",
    ),
)
