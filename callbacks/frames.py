"""The weights that people look at over time: few looks, one copy each, within the budget.

At each look the matrix that tokens or bits come in by is kept, and the one that answers go out by
where it runs over the group too. A matrix of more than 1 MiB is not kept at all.
"""

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from grokwatch.callbacks.frame_plan import FramePlan
from grokwatch.monitor.budget import Budget
from grokwatch.monitor.errors import ProbeError
from grokwatch.monitor.records import SkippedSignal, WeightFrame
from grokwatch.monitor.roles import Roles, View, named_weights

MAX_BYTES = 2**20
MAX_RUN_BYTES = 64 * 2**20
NAME = "weight_frames"

_BYTES = 4
_ENDS = (("input", "embedding"), ("output", "unembedding"))


@final
class Frames:
    """Copies matrices at the steps that its plan and the budget allow.

    Args:
        most: looks of the run, over all of its attempts; none where it is 0.
        roles: found in the module.
        module: the model, read now for its shapes.
        budget: what a look may cost.
        budget_steps: optimizer updates that will be made at most, or None.

    Attributes:
        plan: when to look.
        skipped: the matrices that are too large, and what would help.
    """

    def __init__(
        self,
        most: int,
        roles: Roles,
        module: nn.Module,
        budget: Budget,
        budget_steps: int | None,
    ) -> None:
        found = _found(roles) if most else {}
        shapes = {role: matrix.shape for role, matrix in read(found, module).items()}
        large = [role for role in found if shapes[role].numel() * _BYTES > MAX_BYTES]
        self._views = {role: view for role, view in found.items() if role not in large}
        self._budget = budget
        self._spent = 0.0
        self._expected = 0.0
        size = _BYTES * sum(shapes[role].numel() for role in self._views)
        num_looks = min(most, MAX_RUN_BYTES // max(1, size))
        self._max_bytes = MAX_RUN_BYTES // max(1, num_looks)
        self.plan = FramePlan(num_looks, budget_steps)
        self.skipped = tuple(_too_large(role, shapes[role]) for role in large)

    def catch_up(self, kept: Sequence[int], step: int) -> None:
        """Continue a run that has been looked at before.

        Args:
            kept: steps of its looks, in the order in which they were made.
            step: optimizer updates made.
        """
        for each in kept:
            self.plan.note(each)
        self.plan.rewind(step)

    def look(
        self,
        module: nn.Module,
        run_id: str,
        step: int,
        *,
        is_turning: bool = False,
        is_last: bool = False,
    ) -> tuple[WeightFrame, ...]:
        """Copy the matrices, where plan and budget want it.

        Args:
            module: the model.
            run_id: the run.
            step: optimizer updates made.
            is_turning: whether something began or ended here.
            is_last: whether the run ends here, so that the budget is not asked.

        Returns:
            A frame of each matrix, or nothing.

        Raises:
            ProbeError: a matrix has grown beyond what may be kept.
        """
        is_wanted = self.plan.wants(step, is_turning=is_turning, is_last=is_last)
        cost = self._spent + self._expected
        if not (self._views and is_wanted and (is_last or self._budget.allows(cost, step))):
            return ()
        begin = self._budget.clock()
        matrices = read(self._views, module)
        self._check_sizes(matrices)
        frames = tuple(
            WeightFrame(run_id=run_id, step=step, role=role, shape=shape, data=data)
            for role, shape, data in _copied(matrices)
        )
        self._expected = self._budget.clock() - begin
        self._spent += self._expected
        self.plan.note(step)
        return frames

    def _check_sizes(self, matrices: Mapping[str, Tensor]) -> None:
        """Refuse matrices that have grown since the start beyond the share of a look."""
        sizes = [_BYTES * matrix.numel() for matrix in matrices.values()]
        if max(sizes) > MAX_BYTES or sum(sizes) > self._max_bytes:
            msg = (
                f"Expected weights to keep of at most {self._max_bytes} bytes a look, got matrices "
                f"of {sizes} bytes. Try Probe(frames=...) with functions that give fewer numbers."
            )
            raise ProbeError(msg)


def read(views: Mapping[str, View], module: nn.Module) -> dict[str, Tensor]:
    """Read matrices, with the group on the rows of those that run over it.

    Args:
        views: role -> view.
        module: the model; read, never changed.

    Returns:
        Role -> matrix on the model's device.
    """
    if not views:
        return {}
    weights = named_weights(module)
    with torch.no_grad():
        matrices = {role: view.matrix(weights).detach() for role, view in views.items()}
        return {
            role: matrix if views[role].axis is None else views[role].indexed(matrix)
            for role, matrix in matrices.items()
        }


def _found(roles: Roles) -> dict[str, View]:
    """A view of each end that runs over the group; else of the embedding or the input."""
    views = {**roles.views, **roles.frames}
    over = [role for role, view in views.items() if view.axis is not None]
    ends = [next((role for role in end if role in over), None) for end in _ENDS]
    others = [role for role in ("embedding", "input") if role in views][:1]
    return {role: views[role] for role in ends if role} or {role: views[role] for role in others}


def _copied(matrices: Mapping[str, Tensor]) -> list[tuple[str, tuple[int, ...], bytes]]:
    """Role, shape and bytes of each matrix, by one copy from the device."""
    device = next(iter(matrices.values())).device
    flat = torch.cat([m.to(device, torch.float32).reshape(-1) for m in matrices.values()])
    parts = torch.split(flat.cpu(), [matrix.numel() for matrix in matrices.values()])
    return [
        (role, tuple(matrix.shape), part.numpy().astype("<f4").tobytes())
        for (role, matrix), part in zip(matrices.items(), parts, strict=True)
    ]


def _too_large(role: str, shape: torch.Size) -> SkippedSignal:
    """What is not kept, and why."""
    rows, columns = shape
    return SkippedSignal(
        name=NAME,
        reason=f"the {role} has {rows:,} x {columns:,} numbers, more than 1 MiB",
        remedy=f"Probe(frames={{{role!r}: ...}}) with a function that gives fewer of them",
    )
