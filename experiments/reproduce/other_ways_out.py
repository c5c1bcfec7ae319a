"""Generalising without weight decay: dropout, and large steps.

Three seeds each, about four minutes on one core. The control takes small steps without any penalty,
on 750 examples, where it must memorise: with more examples a network of this kind generalises by
itself. Large steps are also tried on bits written as -1 and 1. They were meant to be unstable, like
slingshots: whether they are is counted, as train accuracy that is lost again. A way out is open
where most of its seeds memorise, pass 95 % on held-out examples at a later look, and still do at
the end. The result holds where most seeds of each control memorise and the controls stay closed,
and dropout or large steps are open for the bits that the control saw. All were first trained for
4,000 steps, which dropout outlasted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from grokwatch.experiments.reproduce import drawing_ways
from grokwatch.experiments.reproduce.parity_bits import generalized, memorized
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.trajectory import Trajectory, follow
from grokwatch.experiments.reproduce.workshop import Changes, Workshop
from grokwatch.experiments.sweep.runs import Run
from grokwatch.monitor.labels import GENERALIZED, MEMORIZED

CONTROL, LARGE = "small steps", "large steps"
SIGNED = ", bits as -1 and 1"

_QUICK: Changes = {
    "task": {"num_train": 100, "num_test": 100},
    "model": {"hidden": 8},
    "run": {"steps": 40, "seeds": 2},
}
_LOOKS = 100
_SMALL = 0.01


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One seed of one way.

    Attributes:
        way: in words.
        steps: `(T,)`.
        train: train accuracy without dropout, `(T,)`.
        test: held-out accuracy, `(T,)`.
        memorized: step, None where it was not reached.
        generalized: step, None where it was not reached.
    """

    way: str
    steps: NDArray[np.int64]
    train: NDArray[np.float64]
    test: NDArray[np.float64]
    memorized: int | None
    generalized: int | None

    @property
    def spikes(self) -> int:
        """How often train accuracy fell below .99 again after it was reached."""
        fits = self.train >= MEMORIZED
        return int((fits[:-1] & ~fits[1:]).sum())


def run(workshop: Workshop) -> Finding:
    """Train the control and the ways out over seeds."""
    found: dict[str, list[Attempt]] = {}
    for name in ("other-ways-out-steps", "other-ways-out-dropout"):
        for each in _attempts(workshop, name):
            found.setdefault(each.way, []).append(each)
    compose = partial(drawing_ways.compose, found=found, open_ways=open_ways(found))
    return Finding(
        sentence=sentence(found),
        columns=("way", "seeds", "memorised", "passed 95 %", "last test accuracy", "spikes"),
        rows=tuple(_row(way, attempts) for way, attempts in found.items()),
        figures={
            key: value
            for way, attempts in found.items()
            for key, value in (
                (f"passed .95, {way}", float(_passed(attempts))),
                (f"last test accuracy, {way}", _last(attempts)),
                (f"spikes, {way}", float(median(each.spikes for each in attempts))),
            )
        },
        pictures=workshop.draw("other-ways-out", compose, size=(10, 8.6)),
        holds=workshop.quick or holds(found),
    )


def way_of(run: Run) -> str:
    """What a run tries, in words."""
    rate, lr = run.cell.model.options["dropout"], run.cell.optimizer.options["lr"]
    assert isinstance(lr, float)
    if rate:
        return f"dropout {rate:g}"
    name = CONTROL if lr < _SMALL else LARGE
    return name + (SIGNED if run.cell.task.options["signed"] else "")


def open_ways(found: Mapping[str, Sequence[Attempt]]) -> list[str]:
    """Those by which most seeds pass 95 % after memorising."""
    return [way for way, attempts in found.items() if 2 * _passed(attempts) > len(attempts)]


def holds(found: Mapping[str, Sequence[Attempt]]) -> bool:
    """The criterion above."""
    ways = open_ways(found)
    controls = [attempts for way, attempts in found.items() if way.startswith(CONTROL)]
    is_memorized = bool(controls) and all(
        2 * sum(each.memorized is not None for each in attempts) > len(attempts)
        for attempts in controls
    )
    is_closed = not any(way.startswith(CONTROL) for way in ways)
    return is_memorized and is_closed and any(not way.endswith(SIGNED) for way in ways)


def sentence(found: Mapping[str, Sequence[Attempt]]) -> str:
    """How many seeds of each way generalise."""
    parts = [
        f"{way} {_passed(attempts)} of {len(attempts)} (ends at {_last(attempts):.0%})"
        for way, attempts in found.items()
    ]
    steps = int(next(iter(found.values()))[0].steps[-1])
    large = [each for way, group in found.items() if way.startswith(LARGE) for each in group]
    spikes = sum(each.spikes for each in large)
    return (
        f"seeds that memorise and then pass 95 % without weight decay within {steps:,} steps: "
        f"{', '.join(parts)}. Train accuracy was lost again {spikes} times in the {len(large)} "
        f"runs with large steps, as far as the looks show"
        f"{'' if spikes else ': they were no slingshots'}."
    )


def _attempts(workshop: Workshop, name: str) -> list[Attempt]:
    """Train a grid, as many stacks as there are dropout rates."""
    stacks: dict[object, list[Run]] = {}
    for each in workshop.grid(name, _QUICK).runs:
        stacks.setdefault(each.cell.model.options["dropout"], []).append(each)
    found = []
    for runs in stacks.values():
        steps = runs[0].cell.steps
        at = range(0, steps + 1, max(1, steps // _LOOKS))
        course = follow(runs, at, workshop.root, workshop.count)
        found += [_attempt(course, run, model) for model, run in enumerate(runs)]
    return found


def _attempt(course: Trajectory, run: Run, model: int) -> Attempt:
    """One model of a stack."""
    return Attempt(
        way=way_of(run),
        steps=course.steps,
        train=course.scores["train_accuracy"][:, model],
        test=course.scores["test_accuracy"][:, model],
        memorized=memorized(course, model),
        generalized=generalized(course, model),
    )


def _passed(attempts: Sequence[Attempt]) -> int:
    """How many memorised, generalised at a later look, and still do at the end."""
    return sum(
        a.memorized is not None
        and a.generalized is not None
        and a.memorized < a.generalized
        and bool(a.test[-1] >= GENERALIZED)
        for a in attempts
    )


def _last(attempts: Sequence[Attempt]) -> float:
    """Median held-out accuracy at the end."""
    return float(median(float(each.test[-1]) for each in attempts))


def _row(way: str, attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """A way in figures."""
    first = [a.memorized for a in attempts if a.memorized is not None]
    return (
        way,
        str(len(attempts)),
        f"{median(first):,.0f}" if first else "-",
        str(_passed(attempts)),
        f"{_last(attempts):.2f}",
        f"{median(a.spikes for a in attempts):g}",
    )
