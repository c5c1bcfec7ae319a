"""Which neurons of a parity network do the work: those with the largest weights, and the rest."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from grokwatch.experiments.reproduce.trajectory import Trajectory
from grokwatch.experiments.sweep.building import task_of
from grokwatch.experiments.sweep.runs import Run

KEPT = 0.98
"""Neurons suffice where they keep this share of the accuracy of all."""


def neurons(course: Trajectory, model: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Input weights `(T, hidden, n + 1)` and the weight in the margin `(T, hidden)` of each neuron.

    The margin is the logit of odd less that of even.
    """
    output = course.weights["output.weight"][:, model]
    margin = output[:, 1] - output[:, 0] if output.shape[1] == 2 else output[:, 0]
    return course.weights["hidden.weight"][:, model], margin


def order(inputs: NDArray[np.float32], outputs: NDArray[np.float32]) -> NDArray[np.int64]:
    """Neurons by the product of the norms of what goes in and what comes out, largest first.

    The product stays when a neuron's input weights grow and its output weight shrinks by the same
    factor, which changes nothing of what a ReLU computes.
    """
    sizes = np.linalg.norm(inputs, axis=-1) * np.abs(outputs)
    return np.argsort(-sizes, kind="stable")


def nested_accuracies(
    inputs: NDArray[np.float32],
    outputs: NDArray[np.float32],
    examples: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Accuracy of the first k neurons alone, and of all but these, for k from 0 to all.

    Args:
        inputs: `(hidden, n + 1)`, in the order in which neurons are taken.
        outputs: `(hidden,)`.
        examples: inputs `(N, n)` and targets `(N,)` of 0 and 1.

    Returns:
        Twice `(hidden + 1,)`; a margin of 0 answers even.

    Example:
        >>> x, y = np.array([[1.0], [-1.0]], dtype=np.float32), np.array([1, 0])
        >>> one = np.array([[1.0, 0.0]], dtype=np.float32), np.array([1.0], dtype=np.float32)
        >>> [found.tolist() for found in nested_accuracies(*one, (x, y))]
        [[0.5, 1.0], [1.0, 0.5]]
    """
    bits, targets = examples
    constant = np.ones((len(bits), 1), dtype=np.float32)
    states = np.maximum(np.concatenate([bits, constant], axis=1) @ inputs.T, 0)
    parts = np.cumsum(states.astype(np.float64) * outputs, axis=1)
    first = np.concatenate([np.zeros((len(bits), 1)), parts], axis=1)
    rest = first[:, -1:] - first
    # What is left of a difference of equal sums is rounding, not an answer.
    rest[:, -1] = 0.0
    is_odd = targets[:, None] == 1
    return ((first > 0) == is_odd).mean(0), ((rest > 0) == is_odd).mean(0)


def sufficient(accuracies: NDArray[np.float64]) -> int:
    """The smallest k whose first k neurons keep `KEPT` of the accuracy of all."""
    return int(np.argmax(accuracies >= KEPT * accuracies[-1]))


def examples_of(run: Run) -> Mapping[str, tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """The examples of a run, `train` and `test`."""
    split = task_of(run.cell, run.seed).split()
    return {
        "train": (_array(split.train_inputs), split.train_targets.numpy()),
        "test": (_array(split.test_inputs), split.test_targets.numpy()),
    }


def _array(inputs: torch.Tensor) -> NDArray[np.float32]:
    """Inputs outside torch."""
    array: NDArray[np.float32] = inputs.numpy().astype(np.float32)
    return array
