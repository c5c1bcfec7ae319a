"""The weight matrix that people look at: before and after."""

import torch
from torch import nn

from grokwatch.monitor.records import WeightFrame
from grokwatch.monitor.roles import Roles, named_weights

MAX_BYTES = 2**20


def weight_frame(roles: Roles, module: nn.Module, run_id: str, step: int) -> WeightFrame | None:
    """Copy the matrix that runs over the group; where none does, the embedding or the input.

    Args:
        roles: found in the module.
        module: the model.
        run_id: the run.
        step: optimizer updates made.

    Returns:
        The frame, or None where there is no such matrix of at most 1 MiB.
    """
    with torch.no_grad():
        matrices, indexed = roles.read(named_weights(module))
        others = {role: matrices[role] for role in ("embedding", "input") if role in matrices}
        for role, matrix in (*indexed.items(), *others.items()):
            if matrix.numel() * 4 <= MAX_BYTES:
                data = matrix.detach().to("cpu", torch.float32).contiguous().numpy()
                return WeightFrame(
                    run_id=run_id,
                    step=step,
                    role=role,
                    shape=tuple(matrix.shape),
                    data=data.astype("<f4").tobytes(),
                )
    return None
