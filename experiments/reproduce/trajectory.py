"""Weights and scores along a training, for pictures of what the records do not keep."""

import io
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grokwatch.experiments.counting import Counting
from grokwatch.experiments.sweep.runs import Run, digest
from grokwatch.experiments.sweep.stack import Stack
from grokwatch.experiments.sweep.store import set_aside
from grokwatch.experiments.threads import one_thread
from grokwatch.monitor.folder import explained, make_private, put

FOLDER = "trajectories"

_FORMAT = 2
"""Goes up where the same runs would be trained or kept in another way; part of a file's name."""

_SHARES = 20
_SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@dataclass(frozen=True)
class Trajectory:
    """S models at T steps.

    Attributes:
        steps: `(T,)`, ascending; 0 is before the first update.
        scores: `train_loss`, `train_accuracy`, `test_loss` and `test_accuracy`, each `(T, S)`.
        weights: name -> `(T, S, ...)` float32.
    """

    steps: NDArray[np.int64]
    scores: Mapping[str, NDArray[np.float64]]
    weights: Mapping[str, NDArray[np.float32]]


def follow(runs: Sequence[Run], at: Collection[int], root: Path, count: Counting) -> Trajectory:
    """Train runs of equal shapes as one stack, and keep their weights at some steps.

    Args:
        runs: one for each model, of one shape, optimizer and number of steps.
        at: steps to keep, from 0 to the last.
        root: the folder of all of grokwatch's files; a trajectory is found again there. A file that
            is not whole is kept aside, and trained again.
        count: shows progress.

    Returns:
        The models at those steps.

    Raises:
        JournalError: the folder cannot be written.
    """
    steps = sorted(at)
    named = [_FORMAT, [run.id for run in runs], [run.settings() for run in runs], steps]
    path = root / FOLDER / f"{digest(named)}.npz"
    parts = _read(path)
    if parts is None:
        with explained(path.parent):
            make_private(root, path.parent)
        parts = _train(runs, steps, count)
        _write(path, parts)
    return Trajectory(
        np.array(steps),
        {key: parts[key] for key in _SCORES},
        {key.removeprefix("w:"): part for key, part in parts.items() if key.startswith("w:")},
    )


def _read(path: Path) -> dict[str, NDArray] | None:  # type: ignore[type-arg]
    """What a file keeps, None where there is none, or none that is whole: that one is set aside."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            parts = dict(kept)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error):
        set_aside(path)
        return None
    if not parts.keys() >= {*_SCORES}:
        set_aside(path)
        return None
    return parts


def _write(path: Path, parts: Mapping[str, NDArray]) -> None:  # type: ignore[type-arg]
    """Write a file as a whole."""
    packed = io.BytesIO()
    np.savez(packed, **parts)  # type: ignore[arg-type]
    put(path, packed.getbuffer())


def _train(runs: Sequence[Run], steps: Sequence[int], count: Counting) -> dict[str, NDArray]:  # type: ignore[type-arg]
    """Scores by name, and weights by `w:` and name, with an axis of steps in front."""
    stack, last = Stack(runs), max(steps)
    kept: dict[str, list[NDArray]] = {}  # type: ignore[type-arg]
    with one_thread(), count(f"train {runs[0].cell.model.name}", _SHARES) as done:
        for step in range(last + 1):
            if step:
                stack.step()
            if step in steps:
                for key, part in _look(stack).items():
                    kept.setdefault(key, []).append(part)
            for _ in range(_shares(step, last) - _shares(step - 1, last)):
                done(f"step {step:,}")
    return {key: np.stack(parts) for key, parts in kept.items()}


def _shares(step: int, last: int) -> int:
    """How many shares of the work are done."""
    return max(0, step) * _SHARES // max(1, last)


def _look(stack: Stack) -> dict[str, NDArray]:  # type: ignore[type-arg]
    """Scores and weights of all models now."""
    train, test = stack.train_scores(), stack.test_scores()
    scores = (train.losses, train.accuracies, test.losses, test.accuracies)
    weights = {f"w:{name}": weight for name, weight in stack.copied_weights().items()}
    found = dict(zip(_SCORES, scores, strict=True)) | weights
    return {name: part.detach().numpy().copy() for name, part in found.items()}
