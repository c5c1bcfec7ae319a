"""The corpus at a glance: a square for each run, nine to a cell, in the color of its phase."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from grokwatch.experiments.corpus.rows import RunRow
from grokwatch.experiments.drawing import draw
from grokwatch.experiments.palette import Palette
from grokwatch.monitor.records import HyperParameter
from grokwatch.monitor.vocabulary import Phase

_ACROSS = ("optimizer.decay", "optimizer.l1")
_UP = (
    "task.train_fraction",
    "task.num_train",
    "task.label_noise",
    "task.modulus",
    "task.operation",
    "optimizer.lr",
)
_WORDS: Mapping[str, str] = {
    "optimizer.decay": "decay",
    "optimizer.l1": "L1",
    "task.train_fraction": "share trained",
    "task.num_train": "examples",
    "task.label_noise": "wrong labels",
    "task.modulus": "modulus",
    "task.operation": "operation",
    "optimizer.lr": "learning rate",
}
_ORDER = (
    Phase.GROKKING,
    Phase.COMPREHENSION,
    Phase.PARTIAL,
    Phase.MEMORIZATION,
    Phase.CONFUSION,
)
_SIDE = 3
_GAP = 0.1
_COLUMNS = 2
_ROW_INCHES = 2.15
_EDGE_INCHES = 1.9


@dataclass(frozen=True)
class Map:
    """The cells of a slice, by two of their settings.

    Attributes:
        name: of the slice.
        across: setting that varies from left to right.
        up: setting that varies from bottom to top.
        cells: (value across, value up) -> runs.
    """

    name: str
    across: str
    up: str
    cells: Mapping[tuple[HyperParameter, HyperParameter], Sequence[RunRow]]


def map_of(name: str, rows: Sequence[RunRow]) -> Map:
    """Lay out a slice.

    Args:
        name: of the slice.
        rows: its runs.

    Returns:
        Its map; where more settings vary, runs of several cells share a place.
    """
    across, up = (_varying(rows, keys) for keys in (_ACROSS, _UP))
    cells: dict[tuple[HyperParameter, HyperParameter], list[RunRow]] = {}
    for row in rows:
        place = (row.hyper_parameters[across], row.hyper_parameters[up])
        cells.setdefault(place, []).append(row)
    return Map(name, across, up, cells)


def draw_maps(folder: Path, name: str, maps: Sequence[Map]) -> tuple[str, ...]:
    """Draw maps of slices.

    Args:
        folder: of the files; it is made.
        name: of the files, without an ending.
        maps: at least one.

    Returns:
        Names of the files.
    """
    rows = -(-len(maps) // _COLUMNS)
    size = (10.0, _EDGE_INCHES + _ROW_INCHES * rows)
    return draw(folder, name, partial(_compose, maps=maps), size=size)


def color_of(row: RunRow, palette: Palette) -> tuple[str, float]:
    """Color and opacity of a run."""
    if row.diverged:
        return palette.warning, 0.35
    return {
        Phase.MEMORIZATION: (palette.train, 0.55),
        Phase.PARTIAL: (palette.test, 0.35),
        Phase.GROKKING: (palette.test, 1.0),
        Phase.COMPREHENSION: (palette.signal, 1.0),
        Phase.CONFUSION: (palette.warning, 1.0),
    }[row.outcome.phase]


def _varying(rows: Sequence[RunRow], keys: Sequence[str]) -> str:
    """The first setting with the most values."""
    values = {
        key: {repr(row.hyper_parameters[key]) for row in rows}
        for key in keys
        if all(key in row.hyper_parameters for row in rows)
    }
    return max(values, key=lambda key: len(values[key]))


def _compose(figure: Figure, palette: Palette, maps: Sequence[Map]) -> None:
    """Headline, what the colors mean, and a panel for each map."""
    height = figure.get_figheight()
    rows = -(-len(maps) // _COLUMNS)
    figure.text(0.075, 1 - 0.42 / height, "What became of every run", fontsize=17, weight="bold")
    runs = sum(len(found) for each in maps for found in each.cells.values())
    mixed = sum(_is_mixed(found) for each in maps for found in each.cells.values())
    cells = sum(len(each.cells) for each in maps)
    subtitle = f"{runs:,} runs, a square each; {mixed} of {cells} places have both outcomes"
    figure.text(0.075, 1 - 0.72 / height, subtitle, fontsize=10.5, color=palette.faint)
    _draw_key(figure, palette, 1 - 1.08 / height)
    grid = figure.add_gridspec(
        rows, _COLUMNS, left=0.105, right=0.975, top=1 - 1.55 / height, bottom=0.55 / height,
        hspace=0.62, wspace=0.26,
    )  # fmt: skip
    for number, each in enumerate(maps):
        axes = figure.add_subplot(grid[number // _COLUMNS, number % _COLUMNS])
        _draw_map(axes, each, palette)


def _draw_key(figure: Figure, palette: Palette, y: float) -> None:
    """Names of the phases in their colors."""
    words = (
        ("memorised", palette.train, 0.55, 0.075),
        ("generalised in part", palette.test, 0.35, 0.22),
        ("generalised later", palette.test, 1.0, 0.43),
        ("together", palette.signal, 1.0, 0.62),
        ("not fitted", palette.warning, 1.0, 0.755),
        ("diverged", palette.warning, 0.35, 0.88),
    )
    side = 0.16
    width, height = side / figure.get_figwidth(), side / figure.get_figheight()
    for word, color, opacity, x in words:
        box = Rectangle(
            (x, y), width, height, color=color, alpha=opacity, transform=figure.transFigure
        )
        figure.add_artist(box)
        figure.text(x + 1.5 * width, y + height / 2, word, va="center", fontsize=9.5)


def _draw_map(axes: Axes, each: Map, palette: Palette) -> None:
    """One slice: a block of squares for each place."""
    across, up = (sorted({place[axis] for place in each.cells}, key=_order) for axis in (0, 1))
    for (x, y), rows in each.cells.items():
        for number, row in enumerate(sorted(rows, key=_goodness)):
            _draw_run(axes, across.index(x), up.index(y), number, len(rows), row, palette)
    axes.set_xlim(0, len(across))
    axes.set_ylim(0, len(up))
    axes.set_xticks([0.5 + i for i in range(len(across))], [_written(value) for value in across])
    axes.set_yticks([0.5 + i for i in range(len(up))], [_written(value) for value in up])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel(_WORDS[each.across])
    axes.set_ylabel(_WORDS[each.up])
    axes.set_title(each.name)


def _draw_run(
    axes: Axes, left: int, low: int, number: int, total: int, row: RunRow, palette: Palette
) -> None:
    """One square; nine make a block, more make it wider."""
    columns = max(_SIDE, -(-total // _SIDE))
    width, height = (1 - 2 * _GAP) / columns, (1 - 2 * _GAP) / _SIDE
    color, opacity = color_of(row, palette)
    box = Rectangle(
        (left + _GAP + width * (number // _SIDE), low + _GAP + height * (number % _SIDE)),
        0.88 * width, 0.86 * height, color=color, alpha=opacity, linewidth=0,
    )  # fmt: skip
    axes.add_patch(box)


def _is_mixed(rows: Sequence[RunRow]) -> bool:
    return len({row.generalized for row in rows if not row.diverged}) > 1


def _goodness(row: RunRow) -> tuple[bool, int]:
    """Runs of one end side by side, those that generalize first."""
    return row.diverged, _ORDER.index(row.outcome.phase)


def _order(value: HyperParameter) -> tuple[str, float, str]:
    """Numbers by size, texts by letter."""
    if isinstance(value, int | float):
        return "", float(value), ""
    return "text", 0.0, str(value)


def _written(value: HyperParameter) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
