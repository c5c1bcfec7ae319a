"""Pictures of a parity run: accuracy and loss by step, and every input weight by step."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.drawing_steps import (
    LEFT,
    RIGHT,
    frame,
    mark,
    set_shares,
    set_steps,
    write,
)
from grokwatch.experiments.reproduce.parity_bits import NUM_RELEVANT, input_weights
from grokwatch.experiments.reproduce.trajectory import Trajectory

_LEAST_LOSS = 1e-6
_EACH = 4


def compose(
    figure: Figure,
    palette: Palette,
    course: Trajectory,
    models: Sequence[int],
    published: tuple[int, int],
    count: int,
) -> None:
    """Accuracy and loss of all seeds above, input weights of the first one below."""
    grid = figure.add_gridspec(
        2, 2, height_ratios=(1, 1.25), left=LEFT, right=RIGHT, top=0.86, bottom=0.125, hspace=0.34,
        wspace=0.2,
    )  # fmt: skip
    frame(
        figure,
        palette,
        headline=f"Distracting bits are learned, then forgotten: {count} of {len(models)} seeds",
        subtitle="Parity of 3 among 30 bits, 1,200 examples, 64 neurons, L1 penalty; a line for "
        "each seed",
        caption="Look below between the two published steps (rings) at the weights of bits that do "
        "not matter, and above at\nwhether held-out accuracy rises as they go to zero.",
    )
    _draw_accuracy(figure.add_subplot(grid[0, 0]), course, models, published, palette)
    _draw_loss(figure.add_subplot(grid[0, 1]), course, models, palette)
    _draw_weights(figure.add_subplot(grid[1, :]), course, models[0], published, palette)


def _draw_accuracy(
    axes: Axes,
    course: Trajectory,
    models: Sequence[int],
    published: tuple[int, int],
    palette: Palette,
) -> None:
    """Train and test accuracy of all seeds."""
    lines = (("train_accuracy", palette.train, 1.3), ("test_accuracy", palette.test, 1.7))
    for name, color, width in lines:
        axes.plot(course.steps, course.scores[name][:, models], color=color, linewidth=width)
    mark(axes, [(published[0], 0.99), (published[1], 0.95)], palette)
    set_steps(axes, 0, int(course.steps[-1]), logarithmic=False)
    set_shares(axes)
    axes.set_ylim(0.4, 1.1)
    axes.set_yticks([0.5, 0.75, 1.0])
    axes.set_title("Accuracy, by training step")
    write(axes, "train", (0.03, 0.9), palette.train, of_axes=True)
    write(axes, "held out", (0.97, 0.5), palette.test, ha="right", of_axes=True)


def _draw_loss(axes: Axes, course: Trajectory, models: Sequence[int], palette: Palette) -> None:
    """Train and test loss of all seeds."""
    lines = (("train_loss", palette.train, 1.3), ("test_loss", palette.test, 1.7))
    for name, color, width in lines:
        losses = np.maximum(course.scores[name][:, models], _LEAST_LOSS)
        axes.plot(course.steps, losses, color=color, linewidth=width)
    axes.set_yscale("log")
    axes.minorticks_off()
    set_steps(axes, 0, int(course.steps[-1]), logarithmic=False)
    axes.set_title("Loss")
    write(axes, "train", (0.3, 0.15), palette.train, of_axes=True)
    write(axes, "held out", (0.5, 0.85), palette.test, of_axes=True)


def _draw_weights(
    axes: Axes, course: Trajectory, model: int, published: tuple[int, int], palette: Palette
) -> None:
    """The input weights of some neurons of one seed; those of all would hide one another."""
    bits = input_weights(course)[:, model, ::_EACH]
    relevant, distracting = bits[..., :NUM_RELEVANT], bits[..., NUM_RELEVANT:]
    count = len(course.steps)
    for part, color, opacity in (
        (relevant, palette.test, 1.0),
        (distracting, palette.warning, 1.0),
    ):
        lines = part.reshape(count, -1)
        axes.plot(course.steps, lines, color=color, alpha=opacity, linewidth=0.6)
    top = 1.35 * float(np.abs(bits).max())
    axes.set_ylim(-top, top)
    mark(axes, [(step, 0.0) for step in published], palette)
    set_steps(axes, 0, int(course.steps[-1]), logarithmic=False)
    axes.set_title("Input weights of every fourth neuron of one seed")
    write(axes, "the three bits that matter", (0.97, 0.9), palette.test, ha="right", of_axes=True)
    write(axes, "27 distracting bits", (0.12, 0.1), palette.warning, of_axes=True)
