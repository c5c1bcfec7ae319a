"""One panel for each way to train without decay: train and held-out accuracy of all seeds."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from grokwatch.experiments.reproduce.other_ways_out import Attempt


def compose(
    figure: Figure,
    palette: Palette,
    found: "Mapping[str, Sequence[Attempt]]",
    open_ways: Collection[str],
) -> None:
    """Panels in two columns."""
    rows = math.ceil(len(found) / 2)
    grid = figure.add_gridspec(
        rows, 2, left=LEFT, right=RIGHT, top=0.865, bottom=0.12, hspace=0.5, wspace=0.16
    )
    named = ", ".join(open_ways) or "none of these"
    frame(
        figure,
        palette,
        headline=f"Ways out without weight decay: {named}",
        subtitle="Parity of 3 among 30 bits, 750 examples, bits as 0 and 1 unless it says so; "
        "a line for each seed",
        caption="Look at the blue lines, after the grey ones are at the top: with small steps and "
        "nothing else, which is the\ncontrol, and with each way out. It counts as open where most "
        "seeds pass 95 % after memorising.",
    )
    for number, (way, seeds) in enumerate(found.items()):
        axes = figure.add_subplot(grid[divmod(number, 2)])
        _draw(axes, seeds, palette)
        axes.set_title(way[0].upper() + way[1:])
        if number == 0:
            write(axes, "train", (0.97, 0.78), palette.train, ha="right", of_axes=True)
            write(axes, "held out", (0.97, 0.42), palette.test, ha="right", of_axes=True)


def _draw(axes: Axes, seeds: "Sequence[Attempt]", palette: Palette) -> None:
    """All seeds of one way."""
    for seed in seeds:
        axes.plot(seed.steps, seed.train, color=palette.train, linewidth=1.1)
        axes.plot(seed.steps, seed.test, color=palette.test, linewidth=1.5)
    set_steps(axes, 0, int(seeds[0].steps[-1]), logarithmic=False)
    set_shares(axes)
    axes.set_ylim(0.4, 1.06)
    axes.set_yticks([0.5, 0.75, 1.0])
