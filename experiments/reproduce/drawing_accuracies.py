"""Lines of train and test accuracy over training steps."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.accuracies import held_out, trained
from grokwatch.monitor.story import Story


def draw_accuracies(axes: Axes, stories: Sequence[Story], palette: Palette) -> None:
    """A grey line on the train set and a blue one on held-out examples, for each seed."""
    for story in stories:
        draw_line(axes, trained(story), palette.train, 1.3)
        draw_line(axes, held_out(story), palette.test, 1.8)


def draw_line(axes: Axes, points: Sequence[tuple[float, float]], color: str, width: float) -> None:
    """One line through points.

    Args:
        axes: of a panel.
        points: places and heights.
        color: of the line.
        width: of the line, points.
    """
    axes.plot([x for x, _ in points], [y for _, y in points], color=color, linewidth=width)
