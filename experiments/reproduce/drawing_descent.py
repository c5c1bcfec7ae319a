"""Panels on double descent: test error over width, samples, steps and effective parameters."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.descents import (
    Descents,
    Stories,
    courses,
    middle_of,
    num_parameters,
    past_threshold,
)
from grokwatch.experiments.reproduce.drawing_accuracies import draw_accuracies
from grokwatch.experiments.reproduce.drawing_steps import (
    LEFT,
    RIGHT,
    Where,
    frame,
    set_shares,
    set_steps,
    write,
)
from grokwatch.experiments.reproduce.peaks import Curve

_RATIOS = (0.03, 0.1, 0.3, 1, 3, 10)
_MOST = 10_000.0
_LAYOUT = {"left": LEFT, "right": RIGHT, "top": 0.86, "bottom": 0.15, "hspace": 0.44}


def compose(figure: Figure, palette: Palette, descents: Descents, headline: str) -> None:
    """Four panels, one for each axis that the test error is drawn over."""
    grid = figure.add_gridspec(2, 2, wspace=0.2, **_LAYOUT)
    noise = "a fifth of the labels wrong"
    frame(
        figure,
        palette,
        headline=headline,
        subtitle=f"Squared error on held-out digits, {noise}; dots and thin lines are seeds",
        caption="Look for peaks near the line at 1, where parameters are as many as answers to "
        "fit. In the last panel follow\nthe green points from the top: to the left means that more "
        "features use fewer parameters.",
    )
    width, samples, steps, fold = (figure.add_subplot(grid[at // 2, at % 2]) for at in range(4))
    curves = descents.curves()
    _draw_pair(width, curves["network, width"], curves["features, width"], palette)
    width.set_title("Over width")
    width.set_xlabel("parameters, for each example and class")
    _draw_pair(samples, curves["network, samples"], curves["features, samples"], palette)
    samples.set_title("Over samples")
    samples.set_xlabel("examples times classes, for each parameter")
    _draw_steps(steps, descents.networks, palette)
    _draw_fold(fold, descents, palette)


def compose_courses(figure: Figure, palette: Palette, networks: Stories, headline: str) -> None:
    """Train and test accuracy of four widths, from the narrowest to the widest."""
    grid = figure.add_gridspec(2, 2, wspace=0.2, **_LAYOUT)
    frame(
        figure,
        palette,
        headline=headline,
        subtitle="The networks of the first panel, by training step; a line for each seed, and a "
        "fifth of the labels wrong",
        caption="Look at where blue is highest, before or after the wrong labels are learned by "
        "heart, and at whether it\ngoes up again later, as that of a grokking network would.",
    )
    for at, width in enumerate(_picked(list(networks), 4)):
        axes = figure.add_subplot(grid[at // 2, at % 2])
        draw_accuracies(axes, networks[width], palette)
        set_steps(axes, 1, networks[width][0].last_step)
        set_shares(axes)
        axes.set_title(f"{width} neurons, {num_parameters(width):,} parameters")
        if at == 0:
            write(axes, "trained", (0.98, 0.15), palette.train, ha="right", of_axes=True)
            write(axes, "held-out", (0.98, 0.05), palette.test, ha="right", of_axes=True)


def _draw_pair(axes: Axes, network: Curve, features: Curve, palette: Palette) -> None:
    """Both models against how near they are to their threshold."""
    axes.axvline(1, color=palette.warning, linewidth=1.2, zorder=0)
    for curve, color in ((features, palette.signal), (network, palette.test)):
        for seed in curve.losses:
            axes.plot(curve.places, seed, color=color, linestyle="none", marker=".", markersize=4)
        axes.plot(curve.places, curve.middle, color=color, linewidth=1.8)
    axes.set_xscale("log")
    places = np.concatenate([network.places, features.places])
    axes.set_xlim(places.min() / 1.2, places.max() * 1.2)
    axes.xaxis.set_major_locator(FixedLocator(_RATIOS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
    axes.minorticks_off()
    _set_losses(axes, top=1_000)
    write(axes, "least squares\non features", (0.66, 0.86), palette.signal, of_axes=True)
    write(axes, "network", (0.66, 0.76), palette.test, of_axes=True)


def _draw_steps(axes: Axes, networks: Stories, palette: Palette) -> None:
    """Three widths by step: below the threshold, at it, and far above."""
    colors = (palette.train, palette.warning, palette.test)
    places = ((0.02, 0.58, "left"), (0.97, 0.8, "right"), (0.97, 0.16, "right"))
    marks = zip(_picked(list(networks), 3), colors, places, strict=False)
    for width, color, (x, y, side) in marks:
        curve = courses(networks[width])
        for seed in curve.losses:
            axes.plot(curve.places, seed, color=color, linewidth=0.7, alpha=0.5)
        axes.plot(curve.places, curve.middle, color=color, linewidth=2.0)
        ha: Where = "left" if side == "left" else "right"
        write(axes, f"{width} neurons", (x, y), color, ha=ha, of_axes=True)
    set_steps(axes, 1, networks[min(networks)][0].last_step)
    _set_losses(axes, top=1)
    axes.set_title("Over training steps, networks")


def _draw_fold(axes: Axes, descents: Descents, palette: Palette) -> None:
    """Least squares against effective parameters: up to the threshold, and back."""
    start, counts = descents.sizes.num_train, np.array(descents.features.places)
    every = np.ones(len(descents.components.places), dtype=bool)
    parts, part_losses = middle_of(descents.components, every)
    axes.plot(parts, part_losses, color=palette.warning, linestyle="dotted", linewidth=2.0)
    for kept, color in ((counts <= start, palette.train), (counts >= start, palette.signal)):
        parameters, losses = middle_of(descents.features, kept)
        axes.plot(parameters, losses, color=color, linewidth=1.8, marker="o", markersize=5)
    axes.set_xscale("log")
    axes.set_xlim(8, _MOST)
    axes.xaxis.set_major_locator(LogLocator(numticks=7))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.minorticks_off()
    _set_losses(axes, top=1)
    axes.set_title("Over effective parameters, least squares")
    axes.set_xlabel("parameters in use on held-out inputs")
    turn = f"{start} features:\n{past_threshold(descents)[0][0]:,.0f}, off the page"
    write(axes, turn, (0.68, 0.86), palette.faint, ha="right", of_axes=True)
    write(axes, f"up to {start}\nfeatures", (0.2, 0.5), palette.train, of_axes=True)
    write(axes, f"on from {start},\nto {counts[-1]:,}", (0.7, 0.36), palette.signal, of_axes=True)
    text = f"components of {counts[-1]:,}"
    write(axes, text, (0.03, 0.05), palette.warning, of_axes=True)


def _set_losses(axes: Axes, *, top: float) -> None:
    """A logarithmic axis of squared error."""
    axes.set_yscale("log")
    axes.set_ylim(0.02, top)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
    axes.minorticks_off()


def _picked(widths: Sequence[int], count: int) -> list[int]:
    """So many of the widths, evenly spread, without the narrowest where there are enough."""
    kept = widths[1:] if len(widths) > count else widths
    places = np.linspace(0, len(kept) - 1, count).round().astype(int)
    return [kept[at] for at in dict.fromkeys(places.tolist())]
