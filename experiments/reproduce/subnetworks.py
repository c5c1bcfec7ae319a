"""A few neurons take over: the sparse part of a network that generalises, and the dense rest.

Merrill et al. trained with decay; here are both penalties of `parity-penalties`, whose models are
found again, so that this takes seconds after it and a minute before it. Neurons are ordered by the
product of the norms of their input and output weights. The sparse part are those neurons, at the
last step, that keep 98 % of the accuracy on the train set; the dense part are all others; both are
then followed back in time. The result holds where most models generalise after memorising, and in
most of these the neurons needed at the end are at most half of those needed at memorization, the
sparse part alone passes 95 % on held-out examples, and the dense part ends below 75 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from grokwatch.experiments.reproduce import drawing_subnetworks
from grokwatch.experiments.reproduce.parity_bits import generalized, memorized
from grokwatch.experiments.reproduce.parity_neurons import (
    examples_of,
    nested_accuracies,
    neurons,
    order,
    sufficient,
)
from grokwatch.experiments.reproduce.parity_penalties import trained
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.trajectory import Trajectory
from grokwatch.experiments.reproduce.workshop import Workshop
from grokwatch.experiments.sweep.runs import Run

_SOLVED, _UNSOLVED = 0.95, 0.75


@dataclass(frozen=True, kw_only=True)
class Takeover:
    """One model that memorised, and generalised after that.

    Attributes:
        penalty: `L1` or `L2`.
        memorized: step.
        generalized: step.
        needed: how many neurons suffice on the train set, `(T,)`.
        sparse: held-out accuracy of the sparse part, `(T,)`.
        dense: held-out accuracy of the dense part, `(T,)`.
        between: neurons needed at the memorization step.
    """

    penalty: str
    memorized: int
    generalized: int
    needed: NDArray[np.int64]
    sparse: NDArray[np.float64]
    dense: NDArray[np.float64]
    between: int

    @property
    def is_found(self) -> bool:
        """Whether it is what was published, by the criterion above."""
        return (
            2 * self.needed[-1] <= self.between
            and float(self.sparse[-1]) >= _SOLVED
            and float(self.dense[-1]) < _UNSOLVED
        )


def run(workshop: Workshop) -> Finding:
    """Split every model that generalised, and follow the parts."""
    course, runs = trained(workshop)
    found = [each for each in map(partial(takeover, course, runs), range(len(runs))) if each]
    count = sum(each.is_found for each in found)
    figures = {"models that generalise": float(len(found)), "with a takeover": float(count)}
    if found:
        figures |= _medians(found)
    compose = partial(drawing_subnetworks.compose, steps=course.steps, found=found, count=count)
    return Finding(
        sentence=sentence(found, len(runs), _width(course)),
        columns=("penalty", "memorised", "generalised", "needed then", "needed at the end", "rest"),
        rows=tuple(
            (
                each.penalty,
                f"{each.memorized:,}",
                f"{each.generalized:,}",
                str(each.between),
                str(each.needed[-1]),
                f"{each.dense[-1]:.2f}",
            )
            for each in found
        ),
        figures=figures,
        pictures=workshop.draw("subnetworks", compose, size=(10, 7.4)),
        holds=workshop.quick or holds(found, len(runs)),
    )


def holds(found: Sequence[Takeover], num_trained: int) -> bool:
    """The criterion above, of so many models that were trained."""
    return 2 * len(found) > num_trained and 2 * sum(each.is_found for each in found) > len(found)


def takeover(course: Trajectory, runs: Sequence[Run], model: int) -> Takeover | None:
    """Split one model, None where it did not generalise after memorising."""
    first, last = memorized(course, model), generalized(course, model)
    if first is None or last is None or last <= first:
        return None
    inputs, outputs = neurons(course, model)
    examples = examples_of(runs[model])
    needed = []
    for step in range(len(course.steps)):
        ranked = order(inputs[step], outputs[step])
        alone, _ = nested_accuracies(inputs[step][ranked], outputs[step][ranked], examples["train"])
        needed.append(sufficient(alone))
    ranked = order(inputs[-1], outputs[-1])
    parts = np.array([
        [found[needed[-1]] for found in nested_accuracies(w[ranked], v[ranked], examples["test"])]
        for w, v in zip(inputs, outputs, strict=True)
    ])  # fmt: skip
    return Takeover(
        penalty="L1" if runs[model].cell.optimizer.options["l1"] else "L2",
        memorized=first,
        generalized=last,
        needed=np.array(needed),
        sparse=parts[:, 0],
        dense=parts[:, 1],
        between=needed[int(np.searchsorted(course.steps, first))],
    )


def sentence(found: Sequence[Takeover], num_trained: int, width: int) -> str:
    """How many neurons take over, and what the rest can do."""
    if not found:
        return (
            f"none of {num_trained} models generalised after memorising, so that there is nothing "
            "to split."
        )
    count = sum(each.is_found for each in found)
    middle = _medians(found)
    return (
        f"in {count} of {len(found)} models that generalise after memorising (of {num_trained} "
        "trained) a few neurons take over: the median "
        f"model needs {middle['needed at memorization']:.0f} of {width} neurons when it has "
        f"memorised and {middle['needed at the end']:.0f} at the end; these alone reach "
        f"{middle['sparse part']:.0%} on held-out examples, all others together "
        f"{middle['dense part']:.0%}."
    )


def _medians(found: Sequence[Takeover]) -> dict[str, float]:
    """Of all models that generalised."""
    return {
        "needed at memorization": float(median(each.between for each in found)),
        "needed at the end": float(median(int(each.needed[-1]) for each in found)),
        "sparse part": float(median(float(each.sparse[-1]) for each in found)),
        "dense part": float(median(float(each.dense[-1]) for each in found)),
    }


def _width(course: Trajectory) -> int:
    """Number of neurons."""
    return int(course.weights["hidden.weight"].shape[2])
