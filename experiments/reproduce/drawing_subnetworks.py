"""Neurons that are needed, and what the sparse and the dense part of a network can do alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.drawing_steps import (
    LEFT,
    RIGHT,
    frame,
    set_shares,
    set_steps,
    write,
)

if TYPE_CHECKING:
    from grokwatch.experiments.reproduce.subnetworks import Takeover


def compose(
    figure: Figure,
    palette: Palette,
    steps: NDArray[np.int64],
    found: "Sequence[Takeover]",
    count: int,
) -> None:
    """Neurons above, accuracies below, by step over the generalization step; L2 left, L1 right."""
    grid = figure.add_gridspec(
        2, 2, left=LEFT, right=RIGHT - 0.02, top=0.85, bottom=0.135, hspace=0.4, wspace=0.16
    )
    frame(
        figure,
        palette,
        headline=f"A few neurons take over: {count} of {len(found)} models that generalise",
        subtitle="Parity networks with one hidden layer; steps in units of each model's own step "
        "of generalisation",
        caption="Look left and right of the dotted line: above at how many neurons the train set "
        "needs, below at whether\nthose that are needed at the end, and all others together, do "
        "better than guess (50 %).",
    )
    for column, penalty in enumerate(("L2", "L1")):
        above, below = (figure.add_subplot(grid[row, column]) for row in (0, 1))
        for each in found:
            if each.penalty == penalty:
                when = steps / each.generalized
                above.plot(when, each.needed, color=palette.ink, linewidth=1.1)
                below.plot(when, each.sparse, color=palette.test, linewidth=1.3)
                below.plot(when, each.dense, color=palette.warning, linewidth=1.1)
        above.set_title(f"{penalty}: neurons that the train set needs")
        above.set_ylim(bottom=0)
        below.set_title(f"{penalty}: held-out accuracy of parts alone")
        set_shares(below)
        below.set_ylim(0.2, 1.08)
        below.set_yticks([0.5, 0.75, 1.0])
        for axes in (above, below):
            _frame(axes, palette)
        if column == 0:
            write(below, "needed at the end", (0.02, 0.86), palette.test, of_axes=True)
            write(below, "all others", (0.02, 0.16), palette.warning, of_axes=True)


def _frame(axes: Axes, palette: Palette) -> None:
    """Steps over the generalization step, up to twice that."""
    axes.axvline(1, color=palette.faint, linewidth=0.9, linestyle=":")
    set_steps(axes, 0, 2, logarithmic=False)
    axes.set_xlim(0, 2)
    axes.set_xticks([0, 0.5, 1, 1.5, 2], ["0", "½", "generalised", "1½", "twice"])
