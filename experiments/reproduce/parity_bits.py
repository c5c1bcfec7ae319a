"""What the input weights of a parity network make of bits that matter and of those that do not."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from grokwatch.experiments.reproduce.trajectory import Trajectory
from grokwatch.experiments.sweep.runs import Run
from grokwatch.monitor.labels import GENERALIZED, MEMORIZED, Hold
from grokwatch.monitor.story import Story

NUM_RELEVANT = 3

_HIDDEN = "hidden.weight"
_SMALL = 0.01


def input_weights(course: Trajectory) -> NDArray[np.float32]:
    """Weights of bits `(T, S, hidden, n)`, without those of the constant."""
    return course.weights[_HIDDEN][..., :-1]


def sizes(course: Trajectory) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Root mean square of the weights of relevant and of distracting bits, each `(T, S)`."""
    squares = input_weights(course).astype(np.float64) ** 2
    relevant, distracting = squares[..., :NUM_RELEVANT], squares[..., NUM_RELEVANT:]
    return np.sqrt(relevant.mean((-1, -2))), np.sqrt(distracting.mean((-1, -2)))


def zeros(weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of weights below a hundredth of their model's largest.

    Args:
        weights: `(S, ...)`.

    Returns:
        `(S,)`.
    """
    flat = np.abs(weights.reshape(len(weights), -1))
    shares: NDArray[np.float64] = (flat < _SMALL * flat.max(-1, keepdims=True)).mean(-1)
    return shares


def memorized(course: Trajectory, model: int) -> int | None:
    """First step with train accuracy .99, held."""
    return first_held(course.steps, course.scores["train_accuracy"][:, model], MEMORIZED)


def generalized(course: Trajectory, model: int) -> int | None:
    """First step with test accuracy .95, held."""
    return first_held(course.steps, course.scores["test_accuracy"][:, model], GENERALIZED)


def first_held(steps: NDArray[np.int64], values: NDArray[np.float64], level: float) -> int | None:
    """Step at which a level was first reached and held, as labels have it; None where never."""
    hold = Hold()
    for step, value in zip(steps.tolist(), values.tolist(), strict=True):
        if hold.update(step, passes=value >= level):
            return hold.since
    return None


def groups(runs: Sequence[Run], option: str) -> dict[float, list[int]]:
    """Numbers of the models in a stack by one of their optimizer's options, ascending."""
    found: dict[float, list[int]] = {}
    for number, run in enumerate(runs):
        value = run.cell.optimizer.options[option]
        if isinstance(value, float):
            found.setdefault(value, []).append(number)
    return dict(sorted(found.items()))


def decay_of(story: Story) -> float:
    """The weight decay of a run."""
    settings = story.started.hyper_parameters if story.started else {}
    decay = settings.get("optimizer.decay", 0.0)
    return float(decay) if isinstance(decay, int | float) else 0.0


def steps_of(story: Story, level: float = 0.05) -> tuple[int | None, int | None]:
    """First steps with train loss and with test loss below a level, None where never."""
    train = ((o.step, o.train_loss) for o in story.observations)
    test = ((e.step, e.test_loss) for e in story.evaluations)
    first, last = (
        next((step for step, loss in series if loss is not None and loss < level), None)
        for series in (train, test)
    )
    return first, last
