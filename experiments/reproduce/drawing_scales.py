"""Panels on initial scale: courses at one scale, times at all scales, loss against norm."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.accuracies import held_out
from grokwatch.experiments.reproduce.drawing_accuracies import draw_accuracies, draw_line
from grokwatch.experiments.reproduce.drawing_steps import set_shares, set_steps, write
from grokwatch.experiments.reproduce.lag import GENERALIZED, Lag, lag_of, late_norm
from grokwatch.monitor.story import Story

_FIRST_STEP, _LAST_STEP = 10, 20_000
_NORMS = (7.0, 150.0)
_LOSSES = (1e-6, 1e2)


def draw_course(
    axes: Axes,
    stories: Sequence[Story],
    palette: Palette,
    title: str,
    *,
    control: Sequence[Story] = (),
) -> None:
    """Train and test accuracy of all seeds.

    Args:
        axes: of the panel.
        stories: one for each seed.
        palette: colors.
        title: of the panel.
        control: test accuracy of other runs, which had no decay.
    """
    for story in control:
        draw_line(axes, held_out(story), palette.warning, 1.1)
    draw_accuracies(axes, stories, palette)
    set_steps(axes, 1, max(story.last_step for story in stories))
    set_shares(axes)
    axes.set_title(title)
    axes.set_xlabel("training step")
    if control:
        write(axes, "trained", (0.56, 0.62), palette.train, ha="right", of_axes=True)
        write(axes, "held-out", (0.82, 0.74), palette.test, ha="right", of_axes=True)
        write(axes, "held-out, no decay", (0.99, 0.03), palette.warning, ha="right", of_axes=True)
    else:
        write(axes, "trained", (0.42, 0.92), palette.train, of_axes=True)
        write(axes, "held-out", (0.42, 0.66), palette.test, of_axes=True)


def draw_times(axes: Axes, lags: Mapping[float, Sequence[Lag]], palette: Palette) -> None:
    """Steps until memorised and until generalised, at each scale; a dot for each seed."""
    for name, color, text in (
        ("generalized", palette.test, f"{GENERALIZED:.0%} of held-out right"),
        ("memorized", palette.train, "99% of trained right"),
    ):
        points = [
            (scale, step)
            for scale, group in lags.items()
            for lag in group
            if (step := getattr(lag, name)) is not None
        ]
        axes.plot(*_columns(points), color=color, linestyle="none", marker="o", markersize=6)
        tops = _middles(points)
        axes.plot(*_columns(tops), color=color, linewidth=1.6)
        if tops:
            offset = (0.0, 9.0) if name == "generalized" else (0.0, -36.0)
            write(axes, text, tops[-1], color, ha="right", offset=offset)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(list(lags)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda scale, _: f"{scale:g}"))
    axes.set_xlim(min(lags) / 1.3, max(lags) * 1.3)
    axes.set_yscale("log")
    axes.set_ylim(_FIRST_STEP, _LAST_STEP)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.minorticks_off()
    axes.set_xlabel("initial weights, times the usual")
    axes.set_title("Step at which it is reached")


def draw_losses(axes: Axes, scales: Mapping[float, Sequence[Story]], palette: Palette) -> None:
    """Train and test loss against the norm of the weights, from memorising on, of all runs."""
    for stories in scales.values():
        for story in stories:
            start = lag_of(story).memorized
            norms = dict(zip(*story.series("weight_norm"), strict=True))
            kept = [step for step in norms if start is not None and step >= start]
            train = {o.step: o.train_loss for o in story.observations}
            test = {e.step: e.test_loss for e in story.evaluations}
            draw_line(axes, [(norms[s], train[s] or 0.0) for s in kept], palette.train, 0.9)
            draw_line(axes, [(norms[s], test[s] or 0.0) for s in kept], palette.test, 1.4)
    _mark_norm(axes, [lag_of(story) for group in scales.values() for story in group], palette)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*_NORMS)
    axes.set_ylim(*_LOSSES)
    axes.xaxis.set_major_locator(FixedLocator([10, 20, 50, 100]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda norm, _: f"{norm:g}"))
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.minorticks_off()
    axes.set_xlabel("norm of all weights")
    axes.set_title("Loss from memorising on, all scales")
    write(axes, "held-out", (0.68, 0.84), palette.test, ha="right", of_axes=True)
    write(axes, "trained", (0.97, 0.3), palette.train, ha="right", of_axes=True)


def _mark_norm(axes: Axes, lags: Sequence[Lag], palette: Palette) -> None:
    """The norm at which runs that lagged generalised, in the middle of them."""
    norm = late_norm(lags)
    if norm is not None:
        axes.axvline(norm, color=palette.warning, linewidth=1.2, zorder=0)
        text = f"{GENERALIZED:.0%} of held-out\nright at norm {norm:.0f}"
        write(axes, text, (norm, _LOSSES[0]), palette.warning, offset=(5, 8))


def _middles(points: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """The middle one, by height, of the points above each place."""
    above: dict[float, list[int]] = {}
    for place, height in points:
        above.setdefault(place, []).append(height)
    return [(place, sorted(heights)[len(heights) // 2]) for place, heights in above.items()]


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Places and heights."""
    return [x for x, _ in points], [y for _, y in points]
