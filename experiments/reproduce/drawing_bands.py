"""Shares of phases by weight decay as bands, and the steps to memorise and to generalise below."""

import itertools
from collections.abc import Mapping, Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.drawing_steps import LEFT, RIGHT, frame, set_shares, write
from grokwatch.experiments.reproduce.parity_bits import decay_of, steps_of
from grokwatch.monitor.story import Story
from grokwatch.monitor.vocabulary import Phase

_WORDS = {
    Phase.MEMORIZATION: "memorise",
    Phase.GROKKING: "grok",
    Phase.COMPREHENSION: "fit and\ngeneralise\ntogether",
    Phase.CONFUSION: "do not fit",
}
_SHORT = {
    Phase.MEMORIZATION: "memorise",
    Phase.GROKKING: "grok",
    Phase.COMPREHENSION: "fit together",
    Phase.CONFUSION: "fail",
}
_FITTING = 0.3


def compose(
    figure: Figure,
    palette: Palette,
    phases: Mapping[float, Sequence[Phase]],
    stories: Sequence[Story],
) -> None:
    """Bands above, steps below."""
    seeds = max(len(found) for found in phases.values())
    grid = figure.add_gridspec(
        2, 1, height_ratios=(1.35, 1), left=LEFT, right=RIGHT, top=0.83, bottom=0.175, hspace=0.4
    )
    frame(
        figure,
        palette,
        headline=headline(phases),
        subtitle=f"Parity of 3 among 30 bits, 1,250 examples, 32 neurons; {seeds} seeds for each "
        "decay",
        caption="Look from left to right at the wait between the two dots of a decay, and at where "
        "dots are missing. Dots are\nmedians of the seeds that got there.",
    )
    above = figure.add_subplot(grid[0])
    _draw_bands(above, phases, palette)
    _draw_steps(figure.add_subplot(grid[1]), phases, stories, palette)


def headline(phases: Mapping[float, Sequence[Phase]]) -> str:
    """What most seeds do, from the smallest decay to the largest."""
    parts = [
        next((words for phase, words in _SHORT.items() if 2 * found.count(phase) > len(found)), "-")
        for found in phases.values()
    ]
    different = [words for words, _ in itertools.groupby(parts) if words != "-"]
    return f"More weight decay: {', '.join(different) or 'no phase has most seeds'}"


def colors(palette: Palette) -> dict[Phase, tuple[str, float]]:
    """Color and opacity of a phase."""
    return {
        Phase.MEMORIZATION: (palette.train, 1.0),
        Phase.GROKKING: (palette.test, 1.0),
        Phase.COMPREHENSION: (palette.signal, 1.0),
        Phase.CONFUSION: (palette.warning, 1.0),
    }


def _draw_bands(axes: Axes, phases: Mapping[float, Sequence[Phase]], palette: Palette) -> None:
    """A column for each decay, stacked by phase; each phase is named once, where it is largest."""
    places: dict[Phase, tuple[float, float, float]] = {}
    for column, found in enumerate(phases.values()):
        bottom = 0.0
        for phase, (color, opacity) in colors(palette).items():
            share = found.count(phase) / len(found)
            axes.bar(column, share, 1.0, bottom, color=color, alpha=opacity, linewidth=0)
            if share > max(_FITTING, places.get(phase, (0.0, 0.0, 0.0))[2]):
                places[phase] = (column, bottom + share / 2, share)
            bottom += share
    for phase, (x, y, _) in places.items():
        axes.text(x, y, _WORDS[phase], ha="center", va="center", color=palette.paper, weight="bold")
    _frame(axes, phases)
    set_shares(axes, 1.0)
    axes.set_ylim(0, 1)
    axes.set_title("Share of seeds")


def _draw_steps(
    axes: Axes,
    phases: Mapping[float, Sequence[Phase]],
    stories: Sequence[Story],
    palette: Palette,
) -> None:
    """Median steps at which train loss and test loss fell below .05."""
    for column, decay in enumerate(phases):
        found = [steps_of(story) for story in stories if decay_of(story) == decay]
        first = [step for step, _ in found if step is not None]
        last = [step for _, step in found if step is not None]
        steps = [(median(reached), color) for reached, color in (
            (first, palette.train), (last, palette.test)) if reached]  # fmt: skip
        if len(steps) == 2:
            axes.plot([column] * 2, [y for y, _ in steps], color=palette.rule, zorder=1)
        for step, color in steps:
            axes.plot(column, step, "o", color=color, markersize=8, zorder=2)
    axes.set_yscale("log")
    axes.minorticks_off()
    _frame(axes, phases)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.set_yticks([300, 1_000, 3_000])
    axes.set_ylim(150, 9_000)
    axes.set_title("Steps until train and test loss are below .05")
    axes.set_xlabel("weight decay")
    write(axes, "test loss", (0.01, 0.85), palette.test, of_axes=True)
    write(axes, "train loss", (0.077, 0.4), palette.train, of_axes=True)


def _frame(axes: Axes, phases: Mapping[float, Sequence[Phase]]) -> None:
    """One column for each decay."""
    axes.set_xlim(-0.5, len(phases) - 0.5)
    axes.set_xticks(range(len(phases)), [f"{decay:g}" for decay in phases])
    axes.tick_params(length=0)
