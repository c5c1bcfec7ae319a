"""A row for each architecture: where its seeds arrive, and how circular their weights are."""

import math
from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.drawing_steps import RIGHT, frame
from grokwatch.experiments.reproduce.milestones import last_accuracy, last_value
from grokwatch.monitor.story import Story

GENERALIZED = 0.95
SPARSITY = "inverse_participation_ratio.excess@input"

_LEFT = 0.17
_STEP = 0.09


def compose(figure: Figure, palette: Palette, groups: Mapping[str, Sequence[Story]]) -> None:
    """Accuracy at the left, sparsity at the right; a dot for each seed.

    Args:
        figure: empty.
        palette: colors.
        groups: architecture -> its runs.
    """
    grid = figure.add_gridspec(1, 2, left=_LEFT, right=RIGHT, top=0.82, bottom=0.17, wspace=0.1)
    solved = [name for name, runs in groups.items() if any(map(_is_solved, runs))]
    steps = max(story.last_step for runs in groups.values() for story in runs)
    frame(
        figure,
        palette,
        headline=f"Generalised within {steps:,} steps: {len(solved)} of {len(groups)} ways to "
        "write a network",
        subtitle="A dot for each seed at the end, lr 5e-3, decay 1; blue where held-out accuracy "
        "is past 95 %",
        caption="Look from top to bottom: less is shared, or less is factored. Separate: a hidden "
        "layer for each token.\nDirect: one trained matrix in place of a product of two.",
    )
    left, right = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    _draw(left, groups, last_accuracy, palette)
    left.set_title("Held-out accuracy")
    left.xaxis.set_major_formatter(PercentFormatter(1.0))
    left.set_yticks(range(len(groups)), list(groups), color=palette.ink, fontsize=10.5)
    _draw(right, groups, lambda story: last_value(story, SPARSITY), palette)
    right.set_title("Fourier sparsity: 0 noise, 1 one wave")
    right.set_yticks(range(len(groups)), [""] * len(groups))


def _draw(
    axes: Axes,
    groups: Mapping[str, Sequence[Story]],
    measure: Callable[[Story], float],
    palette: Palette,
) -> None:
    """One dot for each run, side by side within a row."""
    for row, runs in enumerate(groups.values()):
        for rank, story in enumerate(runs):
            value = measure(story)
            place = row + _STEP * (rank - (len(runs) - 1) / 2)
            color = palette.test if _is_solved(story) else palette.train
            if math.isfinite(value):
                axes.plot(value, place, "o", color=color, markersize=7, clip_on=False)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([0, 0.5, 1])
    axes.grid(visible=True, axis="both")


def _is_solved(story: Story) -> bool:
    """Whether it generalised, at the end."""
    return last_accuracy(story) >= GENERALIZED
