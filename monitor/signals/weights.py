"""Weight norms: how large the network is.

Weight decay drives the norm down once the training data is memorized, on structured and on random
labels alike, so that no norm is evidence of grokking by itself.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.snapshot import Readings, Signal, Snapshot


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
    tensors = list(parameters)
    dtype = torch.promote_types(tensors[0].dtype, torch.float32)
    if models:
        flat = (tensor.reshape(*models, -1) for tensor in tensors)
        norms = [torch.linalg.vector_norm(x, order, dim=-1, dtype=dtype) for x in flat]
    else:
        norms = list(torch._foreach_norm(tensors, order, dtype=dtype))
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms), order, dim=0)
    return norm


def _read_l2(snapshot: Snapshot) -> Readings:
    """Read the l2 norm of all trainable weights and of each role's matrix."""
    total = {"weight_norm": parameter_norm(snapshot.weights.values(), models=snapshot.models)}
    roles = {
        f"weight_norm@{role}": parameter_norm([matrix], models=snapshot.models)
        for role, matrix in snapshot.matrices.items()
    }
    return total | roles


def _read_l1(snapshot: Snapshot) -> Readings:
    """Read the l1 norm of all trainable weights."""
    norm = parameter_norm(snapshot.weights.values(), models=snapshot.models, order=1.0)
    return {"weight_norm_l1": norm}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="weight_norm",
        read=_read_l2,
        bounds=(0.0, float("inf")),
        summary="l2 norm of all trainable weights, or of one role; falls after memorization.",
        source="Liu et al. 2023 (Omnigrok)",
    ),
    Signal(
        name="weight_norm_l1",
        read=_read_l1,
        bounds=(0.0, float("inf")),
        summary="l1 norm of all trainable weights; falls faster than l2 as weights become sparse.",
        source="Golechha 2024 (weight sparsity in grokking)",
    ),
)
