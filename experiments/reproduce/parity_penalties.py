"""L1 against L2: which penalty makes a parity network forget the bits that distract, and how fast?

Three strengths of each, three seeds, about a minute on one core. Strengths of the two cannot
be compared with one another, so each penalty is judged by its best one: the strength whose median
seed needs the fewest steps from memorization to generalization. The result holds where the best L1
needs fewer than the best L2, and leaves more input weights at nothing (below a hundredth of the
largest). A seed that generalises before it has memorised has nothing to forget: it has no wait, and
counts as one that was not seen to.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from grokwatch.experiments.reproduce import drawing_penalties
from grokwatch.experiments.reproduce.parity_bits import (
    generalized,
    groups,
    input_weights,
    memorized,
    zeros,
)
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.trajectory import Trajectory, follow
from grokwatch.experiments.reproduce.workshop import Changes, Workshop
from grokwatch.experiments.sweep.runs import Run

QUICK: Changes = {
    "task": {"num_train": 100, "num_test": 100},
    "model": {"hidden": 8},
    "run": {"steps": 40, "seeds": 1},
}

_LOOKS = 100


@dataclass(frozen=True, kw_only=True)
class Penalized:
    """Seeds of one penalty and one strength.

    Attributes:
        penalty: `L1` or `L2`.
        strength: its coefficient.
        models: their numbers in the stack.
        waits: steps from memorization to generalization, infinite where this was not seen.
        zeros: share of input weights at nothing in the end.
    """

    penalty: str
    strength: float
    models: tuple[int, ...]
    waits: tuple[float, ...]
    zeros: tuple[float, ...]

    @property
    def wait(self) -> float:
        """That of the median seed."""
        return median(self.waits)

    @property
    def zero(self) -> float:
        """That of the median seed."""
        return median(self.zeros)


def run(workshop: Workshop) -> Finding:
    """Train both penalties in one stack, and compare the best strength of each."""
    course, runs = trained(workshop)
    found = penalized(course, runs)
    best = {name: best_of(found, name) for name in ("L1", "L2")}
    compose = partial(drawing_penalties.compose, course=course, found=found, best=best)
    return Finding(
        sentence=sentence(best, len(best["L1"].waits), int(course.steps[-1])),
        columns=("penalty", "strength", "steps between", "seen in order", "weights at nothing"),
        rows=tuple(
            (
                each.penalty,
                f"{each.strength:g}",
                _steps(each.wait),
                f"{sum(map(math.isfinite, each.waits))} of {len(each.waits)}",
                f"{each.zero:.0%}",
            )
            for each in found
        ),
        figures=_figures(found),
        pictures=workshop.draw("parity-penalties", compose, size=(10, 8.2)),
        holds=workshop.quick or holds(best),
    )


def trained(workshop: Workshop) -> tuple[Trajectory, tuple[Run, ...]]:
    """All models of both penalties, with their weights along the way."""
    grids = [workshop.grid(name, QUICK) for name in ("parity-l1", "parity-l2")]
    runs = tuple(run for grid in grids for run in grid.runs)
    steps = runs[0].cell.steps
    at = range(0, steps + 1, max(1, steps // _LOOKS))
    return follow(runs, at, workshop.root, workshop.count), runs


def penalized(course: Trajectory, runs: Sequence[Run]) -> tuple[Penalized, ...]:
    """Gather seeds by penalty and strength."""
    last = zeros(input_weights(course)[-1])
    return tuple(
        Penalized(
            penalty=name,
            strength=strength,
            models=tuple(models),
            waits=tuple(wait(course, model) for model in models),
            zeros=tuple(float(last[model]) for model in models),
        )
        for name, option in (("L1", "l1"), ("L2", "decay"))
        for strength, models in groups(runs, option).items()
        if strength > 0
    )


def wait(course: Trajectory, model: int) -> float:
    """Steps from memorization to generalization, infinite where they were not seen in order."""
    first, last = memorized(course, model), generalized(course, model)
    return math.inf if first is None or last is None or last <= first else float(last - first)


def best_of(found: Sequence[Penalized], penalty: str) -> Penalized:
    """The strength with the shortest wait; of equal ones the first."""
    return min((each for each in found if each.penalty == penalty), key=lambda each: each.wait)


def holds(best: Mapping[str, Penalized]) -> bool:
    """The criterion above."""
    one, two = best["L1"], best["L2"]
    return one.wait < two.wait and one.zero > two.zero


def sentence(best: Mapping[str, Penalized], seeds: int, steps: int) -> str:
    """Both penalties at their best."""
    parts = [
        f"{name} at its best strength {each.strength:g} {_takes(each.wait)} and leaves "
        f"{each.zero:.0%} of the input weights at nothing"
        for name, each in best.items()
    ]
    return f"{', '.join(parts)} (medians of {seeds} seeds, {steps:,} steps trained)."


def _takes(steps: float) -> str:
    """How long the median seed took."""
    if not math.isfinite(steps):
        return "does not generalise after memorising"
    return f"takes {steps:,.0f} steps from memorising to generalising"


def _figures(found: Sequence[Penalized]) -> dict[str, float]:
    """What is finite of the table."""
    figures: dict[str, float] = {}
    for each in found:
        name = f"{each.penalty} {each.strength:g}"
        if math.isfinite(each.wait):
            figures[f"steps between, {name}"] = each.wait
        figures[f"weights at nothing, {name}"] = each.zero
    return figures


def _steps(steps: float) -> str:
    """Steps for a person."""
    return f"{steps:,.0f}" if math.isfinite(steps) else "more than were trained"
