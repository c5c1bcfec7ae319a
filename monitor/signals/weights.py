"""Weight norms: how large the network is.

Weight decay drives the norm down once the training data is memorized, on structured and on random
labels alike, so that no norm is evidence of grokking by itself. The norm of the last layer goes up
and down in slingshots.
"""

import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.vectors import sample
from grokwatch.monitor.snapshot import Cost, Readings, Signal, Snapshot

LAST_ROLES = ("unembedding", "output")


def parameter_norms(
    parameters: Iterable[Float[Tensor, "..."]],
    *,
    models: tuple[int, ...] = (),
    order: float = 2.0,
) -> Float[Tensor, "tensors ..."]:
    """Norm of each parameter.

    (sum_i |p_i|^order)^(1/order) over the entries of one tensor.

    Args:
        parameters: tensors that carry the leading model axes, at least one.
        models: the leading model axes.
        order: 2 for the l2 norm, 1 for the l1 norm.

    Returns:
        `(tensors, *models)`, at least 0, at least float32; unit of the parameters.

    Example:
        >>> parameter_norms([torch.tensor([3.0, 4.0]), torch.tensor(-1.0)])
        tensor([5., 1.])

    Source:
        definition.
    """
    tensors = list(parameters)
    dtype = torch.promote_types(tensors[0].dtype, torch.float32)
    if models:
        flat = (tensor.reshape(*models, -1) for tensor in tensors)
        norms = [torch.linalg.vector_norm(x, order, dim=-1, dtype=dtype) for x in flat]
    else:
        norms = list(torch._foreach_norm(tensors, order, dtype=dtype))
    return torch.stack(norms)


def parameter_norm(
    parameters: Iterable[Float[Tensor, "..."]],
    *,
    models: tuple[int, ...] = (),
    order: float = 2.0,
) -> Float[Tensor, "..."]:
    """Norm of all parameters as one vector.

    (sum_i |p_i|^order)^(1/order).

    Args:
        parameters: tensors that carry the leading model axes, at least one.
        models: the leading model axes.
        order: 2 for the l2 norm, 1 for the l1 norm.

    Returns:
        The norm, shape `models`, at least 0, at least float32; unit of the parameters.

    Example:
        >>> parameter_norm([torch.tensor([3.0, 0.0]), torch.tensor(4.0)])
        tensor(5.)

    Source:
        definition.
    """
    norms = parameter_norms(parameters, models=models, order=order)
    norm: Tensor = torch.linalg.vector_norm(norms, order, dim=0)
    return norm


def total_norm(snapshot: Snapshot, order: float = 2.0) -> Float[Tensor, "..."]:
    """Norm of all trainable weights, once per snapshot.

    `parameter_norm` of `Snapshot.weights`.

    Args:
        snapshot: what can be read.
        order: 2 for the l2 norm, 1 for the l1 norm.

    Returns:
        The norm, shape `models`; unit of the weights.

    Example:
        >>> total_norm(Snapshot(step=1, weights={"w": torch.tensor([3.0, 4.0])}))
        tensor(5.)

    Source:
        definition.
    """
    return snapshot.once(
        f"weights.norm.{order:g}",
        lambda: parameter_norm(snapshot.weights.values(), models=snapshot.models, order=order),
    )


def sampled_weights(snapshot: Snapshot) -> Float[Tensor, "..."]:
    """All trainable weights as one vector per model, sampled and once per snapshot.

    `vectors.sample` of `Snapshot.weights`.

    Args:
        snapshot: what can be read.

    Returns:
        `(*models, S)`, S at most about 2^18; read, never written.

    Example:
        >>> sampled_weights(Snapshot(step=1, weights={"w": torch.tensor([3.0, 4.0])}))
        tensor([3., 4.])

    Source:
        definition.
    """
    return snapshot.once("weights.sample", lambda: sample(snapshot.weights, snapshot.models))


def role_norm(snapshot: Snapshot, role: str, order: float = 2.0) -> Float[Tensor, "..."]:
    """Norm of one role's matrix, once per snapshot.

    `parameter_norm` of that of `Snapshot.matrices`.

    Args:
        snapshot: what can be read.
        role: which matrix.
        order: 2 for the l2 norm, 1 for the l1 norm.

    Returns:
        The norm, shape `models`; unit of the weights.

    Example:
        >>> role_norm(Snapshot(step=1, matrices={"input": torch.ones(2, 2)}), "input")
        tensor(2.)

    Source:
        definition.
    """
    return snapshot.once(
        f"weights.norm.{order:g}@{role}",
        lambda: parameter_norm([snapshot.matrices[role]], models=snapshot.models, order=order),
    )


def _read_l2(snapshot: Snapshot) -> Readings:
    """Read the l2 norm of all trainable weights and of each role's matrix."""
    roles = {f"weight_norm@{role}": role_norm(snapshot, role) for role in snapshot.matrices}
    return {"weight_norm": total_norm(snapshot)} | roles


def _read_l1(snapshot: Snapshot) -> Readings:
    """Read the l1 norm of all trainable weights and of each role's matrix."""
    roles = {f"weight_norm_l1@{r}": role_norm(snapshot, r, 1.0) for r in snapshot.matrices}
    return {"weight_norm_l1": total_norm(snapshot, 1.0)} | roles


def _read_last_layer(snapshot: Snapshot) -> Readings:
    """Read the l2 norm of the last matrix: by its role, or else the last one of the model."""
    for role in LAST_ROLES:
        if role in snapshot.matrices:
            return {"last_layer_norm": role_norm(snapshot, role)}
    tensors = list(snapshot.weights.values())
    wide = [tensor for tensor in tensors if tensor.ndim - len(snapshot.models) >= 2]
    last = (wide or tensors)[-1]
    return {"last_layer_norm": parameter_norm([last], models=snapshot.models)}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="weight_norm",
        read=_read_l2,
        bounds=(0.0, math.inf),
        summary="l2 norm of all trainable weights, or of one role; falls at cleanup, under decay.",
        source="Liu et al. 2023 (Omnigrok)",
    ),
    Signal(
        name="weight_norm_l1",
        read=_read_l1,
        bounds=(0.0, math.inf),
        cost=Cost.MODERATE,
        summary="l1 norm of all trainable weights; falls faster than l2 as weights become sparse.",
        source="Golechha 2024 (weight sparsity in grokking)",
    ),
    Signal(
        name="last_layer_norm",
        read=_read_last_layer,
        bounds=(0.0, math.inf),
        summary="l2 norm of the last layer; grows in steps where slingshots happen.",
        source="Thilak et al. 2022",
    ),
)
