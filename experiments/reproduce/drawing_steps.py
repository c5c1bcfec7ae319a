"""Axes of training steps, and the words around them that pictures of reproductions share."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, PercentFormatter

from grokwatch.experiments.palette import Palette

Where = Literal["left", "right", "center"]

LEFT = 0.075
RIGHT = 0.975


def frame(figure: Figure, palette: Palette, headline: str, subtitle: str, caption: str) -> None:
    """Write what was found above the panels, and what to look for below them.

    Args:
        figure: 10 inches wide.
        palette: colors.
        headline: the finding, at most 70 characters.
        subtitle: how it was made.
        caption: what to look for; one or two lines.
    """
    height = figure.get_figheight()
    figure.text(LEFT, 1 - 0.42 / height, headline, fontsize=15, weight="bold")
    figure.text(LEFT, 1 - 0.72 / height, subtitle, fontsize=10.5, color=palette.faint)
    figure.text(LEFT, 0.16 / height, caption, fontsize=10, color=palette.faint, va="bottom")


def set_steps(axes: Axes, first: int, last: int, *, logarithmic: bool = True) -> None:
    """An axis of training steps.

    Args:
        axes: of a panel.
        first: left end; at least 1 where it is logarithmic.
        last: right end.
        logarithmic: equal factors are equally wide, instead of equal differences.
    """
    axes.set_xlim(first, max(last, 2 * first + 1))
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=8))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.minorticks_off()


def set_shares(axes: Axes, top: float = 1.14) -> None:
    """An axis of shares from 0 to 100 %, with room for words above."""
    axes.set_ylim(-0.04, top)
    axes.set_yticks([0, 0.5, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def write(
    axes: Axes,
    text: str,
    place: tuple[float, float],
    color: str,
    *,
    offset: tuple[float, float] = (0.0, 0.0),
    ha: Where = "left",
    of_axes: bool = False,
) -> None:
    """Bold text near a point, with a rim of paper so that lines behind it do not disturb.

    Args:
        axes: of a panel.
        text: one or more lines.
        place: a point of the data, or of the panel from (0, 0) to (1, 1).
        color: of the text.
        offset: points to the right and up.
        ha: which side of the text is at the place.
        of_axes: the place is one of the panel.
    """
    axes.annotate(
        text,
        place,
        xycoords="axes fraction" if of_axes else "data",
        xytext=offset,
        textcoords="offset points",
        color=color,
        weight="bold",
        ha=ha,
        path_effects=[withStroke(linewidth=3, foreground=axes.get_facecolor())],
    )


def mark(axes: Axes, points: Sequence[tuple[float, float]], palette: Palette) -> None:
    """Published values, as rings that let lines be seen through them."""
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        linestyle="none",
        marker="o",
        markersize=7,
        markerfacecolor="none",
        markeredgecolor=palette.ink,
        markeredgewidth=1.6,
        zorder=5,
        clip_on=False,
    )
