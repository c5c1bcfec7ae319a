"""Two penalties side by side: held-out accuracy by step, and the input weights that are left."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.drawing_steps import (
    LEFT,
    RIGHT,
    frame,
    set_shares,
    set_steps,
    write,
)
from grokwatch.experiments.reproduce.parity_bits import NUM_RELEVANT, input_weights
from grokwatch.experiments.reproduce.trajectory import Trajectory

if TYPE_CHECKING:
    from grokwatch.experiments.reproduce.parity_penalties import Penalized


def compose(
    figure: Figure,
    palette: Palette,
    course: Trajectory,
    found: "Sequence[Penalized]",
    best: "Mapping[str, Penalized]",
) -> None:
    """Accuracy above, sorted weights of the best strengths below; L1 left, L2 right."""
    grid = figure.add_gridspec(
        2, 2, left=LEFT, right=RIGHT - 0.02, top=0.86, bottom=0.135, hspace=0.42, wspace=0.2
    )
    frame(
        figure,
        palette,
        headline=headline(best),
        subtitle="Parity of 3 among 30 bits: steps from memorising to generalising, and input "
        "weights at nothing",
        caption="Look above at how early held-out accuracy rises, below at how many weights of "
        "bits that do not matter\nare under the dotted line, a hundredth of the largest weight.",
    )
    for column, penalty in enumerate(("L1", "L2")):
        axes = figure.add_subplot(grid[0, column])
        _draw_accuracy(axes, course, [e for e in found if e.penalty == penalty], palette)
        axes.set_title(f"{penalty}: held-out accuracy, by training step")
        axes = figure.add_subplot(grid[1, column])
        _draw_weights(axes, course, best[penalty].models, palette)
        axes.set_title(f"{penalty} {best[penalty].strength:g}: sizes of input weights at the end")


def headline(best: "Mapping[str, Penalized]") -> str:
    """Steps and emptied weights of both penalties."""
    return "; ".join(
        f"{name}: {f'{each.wait:,.0f} steps' if math.isfinite(each.wait) else 'not in time'}, "
        f"{each.zero:.0%} emptied"
        for name, each in best.items()
    )


def _draw_accuracy(
    axes: Axes, course: Trajectory, found: "Sequence[Penalized]", palette: Palette
) -> None:
    """A line for each seed, darker for stronger penalties."""
    colors = (palette.train, palette.warning, palette.test)
    for number, (each, color) in enumerate(zip(found, colors, strict=False)):
        accuracy = course.scores["test_accuracy"][:, list(each.models)]
        axes.plot(course.steps, accuracy, color=color, linewidth=1.5)
        place = (0.97, 0.32 - 0.1 * number)
        write(axes, f"{each.strength:g}", place, color, ha="right", of_axes=True)
    set_steps(axes, 0, int(course.steps[-1]), logarithmic=False)
    set_shares(axes)
    axes.set_ylim(0.4, 1.05)
    axes.set_yticks([0.5, 0.75, 1.0])


def _draw_weights(axes: Axes, course: Trajectory, models: Sequence[int], palette: Palette) -> None:
    """Weights of relevant and of distracting bits, largest first, over the largest."""
    for model in models:
        weights = np.abs(input_weights(course)[-1, model])
        parts = (
            (weights[:, NUM_RELEVANT:], palette.warning),
            (weights[:, :NUM_RELEVANT], palette.test),
        )
        for part, color in parts:
            ordered = np.sort(part.ravel())[::-1] / weights.max()
            shares = np.arange(1, ordered.size + 1) / ordered.size
            axes.plot(shares, np.maximum(ordered, 1e-5), color=color, linewidth=1.5)
    axes.axhline(0.01, color=palette.faint, linewidth=0.8, linestyle=":")
    axes.set_yscale("log")
    axes.set_ylim(8e-6, 2)
    axes.minorticks_off()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["largest", "half", "all weights"])
    write(axes, "three bits that matter", (0.97, 0.9), palette.test, ha="right", of_axes=True)
    write(axes, "27 that do not", (0.03, 0.08), palette.warning, of_axes=True)
