"""What a model more costs a stack in memory, and whether memory grows with steps.

Peaks of fresh processes with stacks of two sizes: the slope is what one model takes.
"""

import gc
import json
import sys
from statistics import median
from typing import NamedTuple

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call

from grokwatch.experiments.bench.peaks import forget_peak, from_child, peak_bytes
from grokwatch.experiments.bench.rows import Row, spread
from grokwatch.experiments.bench.sweep_arms import parts_of
from grokwatch.experiments.bench.sweep_shapes import COMPUTE, Shape
from grokwatch.experiments.counting import Counting, Done
from grokwatch.experiments.stacked.losses import cross_entropy
from grokwatch.experiments.sweep.stack import Stack
from grokwatch.experiments.threads import one_thread
from grokwatch.monitor.loss_ring import CAPACITY

GROWTH_STEPS = 10_000
MOST = 1.3
SIZES = (256, 1024)
_GROWING, _STEPS, _PARTS = 16, 5, 5
_LEAST_SEEN = 64


class Rise(NamedTuple):
    """Bytes: what building and the first steps needed at most, and what later steps needed more."""

    built: int
    grown: int


def memory_rows(
    counting: Counting, shape: Shape, *, repeats: int, growth_steps: int | None
) -> list[Row]:
    """Measure one shape in children, eager stacks.

    Args:
        counting: told of the children.
        shape: of the models.
        repeats: slopes, of which the median counts.
        growth_steps: over which memory must not grow, None for 10,000, after as many.

    Returns:
        A row for the slope, and one for growth.
    """
    steps = growth_steps or GROWTH_STEPS
    slopes = []
    with counting("sweep, memory", 2 * repeats + 1) as done:
        for _ in range(repeats):
            few, many = (_child(shape, size, 0, done) for size in SIZES)
            slopes.append((many.built - few.built) / (SIZES[1] - SIZES[0]))
        grown = _child(shape, _GROWING, steps, done).grown
    return [_slope(shape, slopes), _growth(shape, grown, steps)]


def rise(shape: Shape, count: int, steps: int) -> Rise:
    """Train one stack here, in a process that did nothing else.

    Args:
        shape: of the models.
        count: how many.
        steps: later ones, 0 to leave them out.
    """
    with one_thread():
        _train(Stack(shape.runs(2), compiled=False), _STEPS)  # What is loaded at first use.
        gc.collect()
        before = forget_peak()
        stack = Stack(shape.runs(count), compiled=False)
        _train(stack, _STEPS)
        built = peak_bytes() - before
        if not steps:
            return Rise(built, 0)
        _train(stack, 2 * CAPACITY)  # The last losses are kept: so many, and no more.
        before, after = (_peak_of(stack, steps) for _ in range(2))
        return Rise(built, after - before)


def _peak_of(stack: Stack, steps: int) -> int:
    """Median peak of some parts of so many steps: the system counts pages with some delay."""
    peaks = []
    for _ in range(_PARTS):
        gc.collect()
        forget_peak()
        _train(stack, max(1, steps // _PARTS))
        peaks.append(peak_bytes())
    return int(median(peaks))


def activation_bytes(shape: Shape) -> int:
    """What the backward pass of one model needs, weights and examples not among it."""
    parts = parts_of(shape.runs(1)[0])
    inputs, targets = parts.split[:2]
    weights = {name: part.detach()[None] for name, part in parts.model.named_parameters()}
    kept = {part.data_ptr() for part in weights.values()}
    saved: dict[int, torch.Tensor] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        # A tensor that is held keeps its memory from being given to another.
        saved[tensor.data_ptr()] = tensor
        return tensor

    for part in weights.values():
        part.requires_grad_()
    with saved_tensors_hooks(note, lambda tensor: tensor):
        logits = functional_call(parts.model, weights, (inputs[None],))
        _held = cross_entropy(logits, targets[None])
    return sum(part.nbytes for place, part in saved.items() if place not in kept)


def _train(stack: Stack, steps: int) -> None:
    for _ in range(steps):
        stack.step()


def _child(shape: Shape, count: int, steps: int, done: Done) -> Rise:
    sizes = (shape.modulus, shape.hidden, shape.num_train, count, steps)
    found = Rise(*from_child(__name__, *map(str, sizes)))
    done(f"{count} models")
    return found


def _slope(shape: Shape, slopes: list[float]) -> Row:
    """Bytes of one model, against what nothing could do without."""
    needed = 4 * 4 * shape.num_parameters + activation_bytes(shape)
    found = spread(slopes)
    return Row(
        workload=shape.name,
        what="memory of one model more in an eager stack",
        **found._asdict(),
        unit="bytes",
        target=f"at most {MOST:g} times {needed / 2**10:.1f} KiB",
        is_met=found.value <= MOST * needed,
        note=(
            f"{found.value / needed:.2f} times weights, gradients, two moments and activations; "
            f"slope of the peak from {SIZES[0]} to {SIZES[1]} models"
        ),
    )


def _growth(shape: Shape, grown: int, steps: int) -> Row:
    """What came later; a tensor that is kept at every step takes more than the bytes that pass."""
    return Row(
        workload=shape.name,
        what=f"growth of memory over {steps:,} steps of {_GROWING} models",
        value=float(grown),
        unit="bytes",
        target=f"0, seen to {_LEAST_SEEN} bytes a step",
        is_met=grown < _LEAST_SEEN * steps,
        note=f"{grown / steps:.4f} bytes a step; median peak of these over that of as many before",
    )


if __name__ == "__main__":
    modulus, hidden, num_train, count, steps = map(int, sys.argv[1:])
    found = rise(Shape(modulus, hidden, num_train, COMPUTE, scan=1), count, steps)
    sys.stdout.write(f"{json.dumps(found)}\n")
