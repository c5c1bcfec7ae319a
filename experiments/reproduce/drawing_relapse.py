"""Accuracy curves of tiny networks that unlearn what they had understood."""

import itertools
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.accuracies import held_out, trained
from grokwatch.experiments.reproduce.drawing_accuracies import draw_line
from grokwatch.experiments.reproduce.drawing_steps import (
    LEFT,
    RIGHT,
    frame,
    set_shares,
    set_steps,
    write,
)
from grokwatch.experiments.reproduce.swings import turns
from grokwatch.monitor.story import Story

_LEAST = 0.05


def compose(
    figure: Figure,
    palette: Palette,
    once: Sequence[Story],
    twice: Sequence[Story],
    num_fallen: int,
    num_back: int,
) -> None:
    """One panel for each network, one line for each seed.

    Args:
        figure: empty.
        palette: colors.
        once: runs without decay.
        twice: runs with a little.
        num_fallen: how many of `once` generalise, and memorise after they lost it.
        num_back: how many of `twice` lose it and come back.
    """
    grid = figure.add_gridspec(2, 1, left=LEFT, right=RIGHT, top=0.85, bottom=0.125, hspace=0.36)
    frame(
        figure,
        palette,
        headline=f"Generalised, then memorised: {num_fallen} of {len(once)} tiny networks; and "
        f"back: {num_back} of {len(twice)}",
        subtitle="The first count is of seeds without decay, the second of seeds with decay .05",
        caption="Look for a blue line that falls while the grey one does not: there pairs of the "
        "train set are kept, and the\nrule is lost. The bold seed is the one whose held-out "
        "accuracy swings most; the grey line is its own.",
    )
    titles = ("Embedding 5, hidden 10, no decay", "Embedding 8, hidden 16, decay .05")
    for row, (title, runs) in enumerate(zip(titles, (once, twice), strict=True)):
        axes = figure.add_subplot(grid[row, 0])
        _draw(axes, runs, palette)
        axes.set_title(f"{title}: accuracy, by training step")


def _draw(axes: Axes, stories: Sequence[Story], palette: Palette) -> None:
    """All seeds, and the one that swings most in bold with its train accuracy."""
    boldest = max(stories, key=_swing)
    for story in stories:
        is_bold = story is boldest
        curve = held_out(story)
        axes.plot(
            *zip(*curve, strict=True),
            color=palette.test,
            linewidth=2.4 if is_bold else 0.9,
            alpha=1.0 if is_bold else 0.6,
            zorder=3 if is_bold else 2,
        )
    draw_line(axes, trained(boldest), palette.train, 1.8)
    set_steps(axes, min(100, boldest.last_step), boldest.last_step)
    set_shares(axes)
    write(axes, "trained pairs, bold seed", (0.02, 0.9), palette.train, of_axes=True)
    write(axes, "held-out pairs, all seeds", (0.02, 0.8), palette.test, of_axes=True)


def _swing(story: Story) -> float:
    """All falls of the held-out accuracy together."""
    found = turns(held_out(story), _LEAST)
    return sum(max(0.0, a.value - b.value) for a, b in itertools.pairwise(found))
