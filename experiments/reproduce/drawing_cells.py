"""Phase diagrams of cells in halves: published on the left of each, ours on the right."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.parity_agreement import WITHIN
from grokwatch.experiments.reproduce.parity_sweep import SEEDS, Counts

_GAP = 0.07
_BRIGHT = 0.48
_LEAST = 0.08


def draw_cells(axes: Axes, decay: float, ours: Counts, published: Counts, palette: Palette) -> None:
    """One decay: width across, train size up; each half is colored by its count.

    Args:
        axes: of a panel.
        decay: which cells.
        ours: counts; cells without one stay empty on the right.
        published: counts of all cells.
        palette: colors.
    """
    places = [place for place in published if place.decay == decay]
    widths, sizes = (sorted({getattr(p, name) for p in places}) for name in ("hidden", "num_train"))
    for place in places:
        left, low = widths.index(place.hidden), sizes.index(place.num_train)
        counts = (published[place], ours.get(place))
        for half, count in enumerate(counts):
            if count is not None:
                _half(axes, left + half / 2, low, count, half, palette)
        if counts[1] is not None and abs(counts[1] - published[place]) > WITHIN:
            _outline(axes, left, low, palette)
    _frame(axes, widths, sizes)


def draw_key(axes: Axes, palette: Palette) -> None:
    """One large cell, and what its halves and colors mean."""
    axes.set_axis_off()
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 10)
    for half, (count, name) in enumerate(((9, "published"), (4, "ours"))):
        box = Rectangle((0.3 + 1.3 * half, 7.0), 1.3, 2.3, color=color(count, palette), linewidth=0)
        axes.add_patch(box)
        axes.text(
            0.95 + 1.3 * half, 8.15, str(count), ha="center", va="center", weight="bold",
            color=_ink(count, palette),
        )  # fmt: skip
        axes.text(0.95 + 1.3 * half, 6.6, name, ha="center", va="top", fontsize=9.5)
    axes.text(3.4, 9.2, "how many of nine seeds\ngeneralise: pale none,\nfull colour all", va="top")
    frame = Rectangle((0.3, 3.3), 2.6, 1.5, fill=False, edgecolor=palette.warning, linewidth=2.2)
    axes.add_patch(frame)
    axes.text(3.4, 4.05, f"more than {WITHIN} seeds apart", va="center")


def color(count: int, palette: Palette) -> tuple[float, ...]:
    """From paper, where no seed generalises, to full color, where all do."""
    low, high = to_rgb(palette.paper), to_rgb(palette.signal)
    share = min(1.0, _LEAST + (1 - _LEAST) * (count / SEEDS))
    return tuple((1 - share) * a + share * b for a, b in zip(low, high, strict=True))


def _half(axes: Axes, left: float, low: float, count: int, half: int, palette: Palette) -> None:
    """One half of a cell, and its count where it is neither none nor all."""
    box = Rectangle(
        (left + _GAP * (1 - half), low + _GAP), 0.5 - _GAP, 1 - 2 * _GAP,
        facecolor=color(count, palette), linewidth=0,
    )  # fmt: skip
    axes.add_patch(box)
    if 0 < count < SEEDS:
        axes.text(
            left + 0.25 + _GAP * (0.5 - half), low + 0.5, str(count), ha="center", va="center",
            fontsize=9.5, color=_ink(count, palette),
        )  # fmt: skip


def _outline(axes: Axes, left: float, low: float, palette: Palette) -> None:
    """Says that the halves differ."""
    box = Rectangle(
        (left + _GAP / 2, low + _GAP / 2), 1 - _GAP, 1 - _GAP,
        fill=False, edgecolor=palette.warning, linewidth=2.2,
    )  # fmt: skip
    axes.add_patch(box)


def _ink(count: int, palette: Palette) -> str:
    """Whichever of ink and paper is easier to read on the color of a count."""
    red, green, blue = color(count, palette)
    is_bright = 0.3 * red + 0.59 * green + 0.11 * blue > _BRIGHT
    dark_first = sum(to_rgb(palette.ink)) < sum(to_rgb(palette.paper))
    return palette.ink if is_bright == dark_first else palette.paper


def _frame(axes: Axes, widths: Sequence[int], sizes: Sequence[int]) -> None:
    """Axes of widths and train sizes."""
    axes.set_xlim(0, len(widths))
    axes.set_ylim(0, len(sizes))
    axes.set_xticks([0.5 + i for i in range(len(widths))], [str(width) for width in widths])
    axes.set_yticks([0.5 + i for i in range(len(sizes))], [f"{size:,}" for size in sizes])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
