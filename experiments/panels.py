"""The panels of a run's picture; each draws one question's answer on the axes that it is given.

Steps are logarithmic: memorization takes a hundred steps and generalization ten thousand. Lines are
named where they are instead of in a legend.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, PercentFormatter
from numpy.typing import NDArray

from grokwatch.experiments.palette import Palette
from grokwatch.monitor.probe import Group
from grokwatch.monitor.records import WeightFrame
from grokwatch.monitor.story import Story

Points = Sequence[tuple[int, float]]

_FIRST_STEP = 10
_RISEN = 0.3
_SPARSITY = {
    "cyclic": "inverse_participation_ratio.excess",
    "bits": "coordinate_gini_coefficient.excess",
}
_ROLES = ("input", "embedding")


def draw_accuracy(axes: Axes, story: Story, palette: Palette) -> None:
    """Train and test accuracy, the warning, and the steps between it and the rise."""
    train = [(o.step, o.train_accuracy) for o in story.observations if o.train_accuracy is not None]
    test = [(e.step, e.test_accuracy) for e in story.evaluations if e.test_accuracy is not None]
    _draw(axes, train, palette.train)
    _draw(axes, test, palette.test, 2.6)
    _set_steps(axes, story)
    axes.set_ylim(-0.04, 1.14)
    axes.set_yticks([0, 0.5, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_title("Accuracy, by training step")
    _name(axes, train, "on training data", palette.train, share=0.45)
    _name(axes, test, "on held-out data", palette.test, share=0.45)
    _mark_warning(axes, story, palette, text="warning")
    _mark_lead(axes, story, palette)


def draw_sparsity(axes: Axes, story: Story, palette: Palette) -> None:
    """What the predictor saw and what it made of it; both run from 0 to 1."""
    cyclic = _kind(story) == "cyclic"
    sparsity = sparsity_points(story)
    judged = [
        (a.step, a.rise_probability) for a in story.assessments if a.rise_probability is not None
    ]
    _draw(axes, judged, palette.warning, 1.4)
    _draw(axes, sparsity, palette.signal)
    _set_steps(axes, story)
    axes.set_ylim(-0.06, 1.08)
    axes.set_yticks([0, 0.5, 1])
    axes.set_title(f"{'Fourier' if cyclic else 'Input'} sparsity of the weights")
    pure = "one wave" if cyclic else "one bit"
    _name(axes, sparsity, f"sparsity (0 noise, 1 {pure})", palette.signal, share=0.02, span=0.55)
    _name_rise(axes, judged, "chance of a rise", palette.warning)
    _mark_warning(axes, story, palette)


def draw_norm(axes: Axes, story: Story, palette: Palette) -> None:
    """Weight norm: it moves too, but also where nothing generalizes."""
    steps, values = story.series("weight_norm")
    _draw(axes, list(zip(steps, values, strict=True)), palette.ink)
    _set_steps(axes, story)
    axes.set_ylim(0, 1.1 * max(values, default=1.0))
    axes.set_title("Weight norm")
    _mark_warning(axes, story, palette)


def draw_weights(axes: Axes, frame: WeightFrame, story: Story, palette: Palette, name: str) -> None:
    """One weight matrix as a heatmap: a row for each ReLU, a column for each token or bit.

    Rows are ordered by the last matrix of the run: before and after compare row by row.
    """
    matrix = _by_unit(frame, story)
    last = [each for each in story.frames if each.role == frame.role][-1]
    order = _row_order(_by_unit(last, story), cyclic=_kind(story) == "cyclic")
    limit = float(np.abs(matrix).max()) or 1.0
    colors = LinearSegmentedColormap.from_list(
        "weights", [palette.test, palette.paper, palette.warning]
    )
    axes.imshow(
        matrix[order], cmap=colors, vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest"
    )
    axes.grid(visible=False)
    axes.spines[:].set_visible(True)
    axes.set_xticks([0, matrix.shape[1] - 1])
    axes.set_yticks([])
    axes.set_xlabel("token" if _kind(story) == "cyclic" else "bit of the input", labelpad=-8)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("ReLUs")
    axes.set_title(name)


def pick_frames(story: Story) -> tuple[WeightFrame, WeightFrame] | None:
    """The matrix nearest to memorization and the last one; None where fewer than two were kept."""
    role = next((r for r in _ROLES if any(f.role == r for f in story.frames)), None)
    frames = [f for f in story.frames if f.role == role]
    if len({f.step for f in frames}) < 2:
        return None
    target = np.log1p(story.outcome.train_step or 0)
    before = min(frames[:-1], key=lambda frame: abs(np.log1p(frame.step) - target))
    return before, frames[-1]


def sparsity_points(story: Story) -> Points:
    """The sparsity that fits the task's group, of the first role that has it."""
    for role in _ROLES:
        steps, values = story.series(f"{_SPARSITY[_kind(story)]}@{role}")
        if steps:
            return list(zip(steps, values, strict=True))
    return []


def _kind(story: Story) -> str:
    """`cyclic` or `bits`, as the run's group says; `cyclic` where it says nothing."""
    named = story.started.group if story.started else None
    return "cyclic" if named is None else Group.parse(named).kind


def _by_unit(frame: WeightFrame, story: Story) -> NDArray[np.float32]:
    """The matrix with units as rows, tokens or bits as columns."""
    matrix = np.frombuffer(frame.data, dtype="<f4").reshape(frame.shape)
    named = story.started.group if story.started else None
    order = None if named is None else Group.parse(named).order
    return matrix.T if order == matrix.shape[0] or order is None else matrix


def _row_order(matrix: NDArray[np.float32], *, cyclic: bool) -> NDArray[np.intp]:
    """Rows by what they respond to most: their loudest frequency, or their heaviest bit."""
    if cyclic:
        waves = np.fft.rfft(matrix, axis=1)[:, 1:]
        loudest = np.abs(waves).argmax(axis=1)
        phase = np.angle(waves[np.arange(len(waves)), loudest])
        return np.lexsort((phase, loudest))
    heaviest = np.abs(matrix).argmax(axis=1)
    return np.lexsort((matrix[np.arange(len(matrix)), heaviest], heaviest))


def _draw(axes: Axes, points: Points, color: str, width: float = 2.0) -> None:
    """A line through points; nothing where there are none."""
    axes.plot([x for x, _ in points], [y for _, y in points], color=color, linewidth=width)


def _set_steps(axes: Axes, story: Story) -> None:
    """A logarithmic axis of steps, the same for all panels of a run."""
    axes.set_xscale("log")
    axes.set_xlim(_FIRST_STEP, max(story.last_step, 10 * _FIRST_STEP))
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.minorticks_off()


def _name(
    axes: Axes, points: Points, text: str, color: str, *, share: float, span: float = 0.2
) -> None:
    """Write what a line is just above it, from a share of the axis on, over a span of it."""
    if not points:
        axes.text(0.02, 0.5, f"{text}: not measured", transform=axes.transAxes, color=color)
        return
    low, high = np.log(axes.get_xlim())
    start, end = np.exp(low + share * (high - low)), np.exp(low + (share + span) * (high - low))
    under = [y for x, y in points if start <= x <= end] or [points[-1][1]]
    _write(axes, text, (start, max(under)), color, offset=(0, 5))


def _name_rise(axes: Axes, points: Points, text: str, color: str) -> None:
    """Write what a line is to the left of its rise, or at its end where it does not rise."""
    if not points:
        _write(
            axes, f"no {text} yet", (axes.get_xlim()[1], 0.85), color, offset=(-4, 0), ha="right"
        )
        return
    top = max(y for _, y in points)
    if top >= _RISEN:
        x, y = next((x, y) for x, y in points if y >= 0.9 * top)
        _write(axes, text, (x, y), color, offset=(-6, -4), ha="right")
    else:
        _write(axes, text, (axes.get_xlim()[1], top), color, offset=(-4, 6), ha="right")


def _write(
    axes: Axes,
    text: str,
    place: tuple[float, float],
    color: str,
    *,
    offset: tuple[float, float],
    ha: Literal["left", "right", "center"] = "left",
) -> None:
    """Bold text near a point, with a rim of paper so that lines behind it do not disturb."""
    rim = withStroke(linewidth=3, foreground=axes.get_facecolor())
    axes.annotate(
        text,
        place,
        xytext=offset,
        textcoords="offset points",
        color=color,
        weight="bold",
        ha=ha,
        path_effects=[rim],
    )


def _mark_warning(axes: Axes, story: Story, palette: Palette, text: str = "") -> None:
    """A line where the warning came."""
    if story.warning is None:
        return
    axes.axvline(story.warning.step, color=palette.warning, linewidth=1.4, zorder=0)
    if text:
        place = (story.warning.step, 0.72)
        _write(axes, text, place, palette.warning, offset=(-6, 0), ha="right")


def _mark_lead(axes: Axes, story: Story, palette: Palette) -> None:
    """A band from the warning to the rise of test accuracy, with its length."""
    onset = story.outcome.onset_step
    if story.warning is None or onset is None or onset <= story.warning.step:
        return
    axes.axvspan(story.warning.step, onset, color=palette.warning, alpha=0.14, linewidth=0)
    middle = float(np.sqrt(story.warning.step * onset))
    lead = f"{onset - story.warning.step:,}\nsteps"
    _write(axes, lead, (middle, 0.45), palette.warning, offset=(0, 0), ha="center")
