"""The matrices that a run kept: the looks that belong to its course, of one shape, by step."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grokwatch.monitor.errors import ProbeError
from grokwatch.monitor.probe import Group
from grokwatch.monitor.records import AnyRecord, Observation, RunStarted, WeightFrame
from grokwatch.monitor.story import start_of

_INWARD = ("input", "embedding")
_OUTWARD = ("output", "unembedding")
_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What was kept of a run.

    Attributes:
        group: what the rows of matrices run over, or None where they run over nothing known.
        inward_role: whose matrices `inward` are.
        steps: of the looks, ascending.
        inward: `(looks, order, width)`.
        outward_role: whose matrices `outward` are.
        outward: as `inward`, or None where none was kept at the same steps.
        num_damaged: frames that are no matrices.
    """

    group: Group | None
    inward_role: str
    steps: tuple[int, ...]
    inward: npt.NDArray[np.float32]
    outward_role: str = ""
    outward: npt.NDArray[np.float32] | None = None
    num_damaged: int = 0

    @property
    def width(self) -> int:
        """Neurons, or dimensions of the embedding."""
        return int(self.inward.shape[2])


def read_looks(records: Sequence[AnyRecord]) -> Looks | None:
    """Gather the looks of a run.

    Args:
        records: of one run, as its journal gives them.

    Returns:
        The looks; None where no matrix was kept.
    """
    frames = list(_of_the_course(records))
    matrices = [(f, m) for f in frames if (m := _matrix(f)) is not None]
    group = _group(start_of(records))
    inward_role, inward = _by_step(matrices, _INWARD)
    if not inward:
        inward_role, inward = _by_step(matrices, tuple(f.role for f, _ in matrices))
    if not inward:
        return None
    steps = tuple(sorted(inward))
    is_over = group is not None and len(inward[steps[-1]]) == group.order
    outward_role, outward = _by_step(matrices, _OUTWARD)
    is_paired = is_over and set(steps) <= set(outward) and inward_role in _INWARD
    return Looks(
        group=group if is_over else None,
        inward_role=inward_role,
        steps=steps,
        inward=np.stack([inward[step] for step in steps]),
        outward_role=outward_role if is_paired else "",
        outward=np.stack([outward[step] for step in steps]) if is_paired else None,
        num_damaged=len(frames) - len(matrices),
    )


def _of_the_course(records: Sequence[AnyRecord]) -> Iterable[WeightFrame]:
    """Frames by step; what a later attempt trained again counts once, as the later one has it."""
    starts: dict[int, int] = {}
    for record in records:
        if isinstance(record, Observation | WeightFrame):
            first = starts.get(record.attempt, record.step)
            starts[record.attempt] = min(first, record.step)
    frames = [record for record in records if isinstance(record, WeightFrame)]
    for frame in sorted(frames, key=lambda frame: frame.step):
        later = [step for attempt, step in starts.items() if attempt > frame.attempt]
        if frame.step < min(later, default=frame.step + 1):
            yield frame


def _matrix(frame: WeightFrame) -> npt.NDArray[np.float32] | None:
    """The matrix of a frame; None where its bytes do not fit its shape."""
    is_matrix = len(frame.shape) == 2 and min(frame.shape) > 0
    if not is_matrix or len(frame.data) != _BYTES * frame.shape[0] * frame.shape[1]:
        return None
    return np.frombuffer(frame.data, dtype="<f4").reshape(frame.shape)


def _by_step(
    matrices: Sequence[tuple[WeightFrame, npt.NDArray[np.float32]]], roles: Sequence[str]
) -> tuple[str, dict[int, npt.NDArray[np.float32]]]:
    """Matrices of the first of the roles that has any; of one shape, that of the last."""
    for role in roles:
        own = [(frame.step, matrix) for frame, matrix in matrices if frame.role == role]
        if own:
            shape = own[-1][1].shape
            return role, {step: matrix for step, matrix in own if matrix.shape == shape}
    return "", {}


def _group(started: RunStarted | None) -> Group | None:
    """The group that the run says, where this version knows it."""
    try:
        return Group.parse(started.group) if started and started.group else None
    except ProbeError:
        return None
