"""The picture of the circular solution: circle, neurons, logits, and how many neurons it takes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.circle import circular_logits, neurons
from grokwatch.experiments.reproduce.drawing_steps import (
    LEFT,
    RIGHT,
    frame,
    set_shares,
    write,
)
from grokwatch.monitor.story import Story

MODULUS = 67
COUNTS = tuple(range(1, 13))

_SHOWN = 5
_LABELLED = range(0, MODULUS, 8)


def compose(
    figure: Figure,
    palette: Palette,
    accuracies: Mapping[str, Sequence[float]],
    stories: Sequence[Story],
) -> None:
    """Circle and neurons above, logits and accuracies below.

    Args:
        figure: empty.
        palette: colors.
        accuracies: activation -> share of right pairs for each number in `COUNTS`.
        stories: of the trained networks with five neurons.
    """
    grid = figure.add_gridspec(
        2, 2, left=LEFT, right=RIGHT, top=0.87, bottom=0.135, hspace=0.36, wspace=0.2
    )
    enough = next((n for n, x in zip(COUNTS, accuracies["relu"], strict=True) if x == 1), None)
    frame(
        figure,
        palette,
        headline=f"{enough or 'No number of'} ReLUs on a circle add modulo {MODULUS}, without error"
        if enough
        else f"ReLUs on a circle add modulo {MODULUS}",
        subtitle="Weights written down, not trained: neuron n of 5 looks in direction 72n degrees "
        "and votes for twice that",
        caption="Look at the last panel: squaring neurons are exact for 3 and for 5 or more, as "
        "proven; compare\nReLUs in odd and in even numbers. Diamonds: networks trained on fixed "
        "circles, on held-out pairs.",
    )
    _draw_circle(figure.add_subplot(grid[0, 0]), palette)
    _draw_neurons(figure.add_subplot(grid[0, 1]), palette)
    _draw_logits(figure.add_subplot(grid[1, 0]), palette)
    _draw_counts(figure.add_subplot(grid[1, 1]), accuracies, stories, palette)


def neuron_colors(palette: Palette) -> tuple[str, ...]:
    """A color for each of the five neurons."""
    return (palette.test, palette.warning, palette.signal, palette.ink, palette.train)


def _draw_circle(axes: Axes, palette: Palette) -> None:
    """Tokens on their circle, and the directions in which the neurons look."""
    turns = 2 * np.pi * np.arange(MODULUS) / MODULUS
    axes.plot(np.cos(turns), np.sin(turns), "o", color=palette.train, markersize=3)
    for token in _LABELLED:
        x, y = 1.17 * np.cos(turns[token]), 1.17 * np.sin(turns[token])
        axes.text(x, y, str(token), ha="center", va="center", fontsize=9.5, color=palette.faint)
    for number, color in enumerate(neuron_colors(palette)):
        # A neuron reads cos(x + p), which is greatest at x = -p.
        angle = -2 * np.pi * number / _SHOWN
        x, y = 0.82 * np.cos(angle), 0.82 * np.sin(angle)
        axes.annotate(
            "", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": color, "lw": 2.2}
        )
        axes.text(
            0.62 * np.cos(angle + 0.2), 0.62 * np.sin(angle + 0.2), str(number), color=color,
            ha="center", va="center", weight="bold",
        )  # fmt: skip
    axes.set_xlim(-1.3, 1.3)
    axes.set_ylim(-1.3, 1.3)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_title("Tokens on a circle, and where five neurons look")


def _draw_neurons(axes: Axes, palette: Palette) -> None:
    """What each ReLU makes of pairs (a, a)."""
    states = np.einsum("aan->na", neurons(MODULUS, _SHOWN, "relu"))
    for number, (row, color) in enumerate(zip(states, neuron_colors(palette), strict=True)):
        axes.plot(np.arange(MODULUS), row, color=color)
        top = int(row.argmax())
        write(axes, str(number), (top, row[top]), color, offset=(0, 4), ha="center")
    axes.set_xlim(0, MODULUS - 1)
    axes.set_ylim(0, 2.4)
    axes.set_xlabel("token a, twice")
    axes.set_title("What each ReLU makes of a + a")


def _draw_logits(axes: Axes, palette: Palette) -> None:
    """Logits of a + 0 by a and answer: a ridge along the right one."""
    logits = circular_logits(MODULUS, _SHOWN, "relu")[:, 0]
    scaled = (logits / np.abs(logits).max(-1, keepdims=True)).T
    colors = LinearSegmentedColormap.from_list(
        "logits", [palette.test, palette.paper, palette.warning]
    )
    axes.imshow(scaled, cmap=colors, vmin=-1, vmax=1, origin="lower", interpolation="nearest")
    axes.plot(
        np.arange(MODULUS), np.arange(MODULUS), color=palette.ink, linewidth=1.2, linestyle=":"
    )
    axes.grid(visible=False)
    axes.set_xticks([0, 33, 66])
    axes.set_yticks([0, 33, 66])
    axes.set_xlabel("a + b")
    axes.set_ylabel("answer")
    axes.set_title("Logits follow the sum around")


def _draw_counts(
    axes: Axes,
    accuracies: Mapping[str, Sequence[float]],
    stories: Sequence[Story],
    palette: Palette,
) -> None:
    """Right pairs against the number of neurons, and where training arrives with five."""
    axes.plot(COUNTS, accuracies["square"], color=palette.signal, marker="o", markersize=5)
    axes.plot(COUNTS, accuracies["relu"], color=palette.test, marker="s", markersize=5)
    finals = [story.evaluations[-1].test_accuracy or 0.0 for story in stories]
    axes.plot(
        [_SHOWN] * len(finals), finals, "D", color=palette.warning, markersize=8,
        markerfacecolor="none", markeredgewidth=1.6, zorder=4,
    )  # fmt: skip
    axes.set_xticks(COUNTS)
    axes.set_xlim(0.6, 12.4)
    set_shares(axes)
    axes.set_xlabel("neurons")
    axes.set_title(f"Right pairs modulo {MODULUS}")
    write(axes, "squared", (3, 1.0), palette.signal, offset=(0, 7), ha="center")
    write(axes, "ReLU", (8.0, 0.5), palette.test, offset=(0, -4), ha="center")
    write(axes, "trained", (_SHOWN, max(finals)), palette.warning, offset=(9, 6))
