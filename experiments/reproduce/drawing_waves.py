"""Pictures of a network that adds with waves: phases, votes, losses, and stars of components."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter
from numpy.typing import NDArray

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.anatomy import Anatomy
from grokwatch.experiments.reproduce.drawing_steps import LEFT, RIGHT, frame, set_steps, write
from grokwatch.experiments.reproduce.waves import Waves

_MOST_STARS = 4
_LEAST_LOSS = 1e-7


def compose(figure: Figure, palette: Palette, found: Anatomy) -> None:
    """Phases and votes above, losses below."""
    grid = figure.add_gridspec(
        2, 2, left=LEFT, right=RIGHT, top=0.865, bottom=0.12, hspace=0.42, wspace=0.2
    )
    gap, random = (np.degrees(np.median(x)) for x in (found.gaps, found.random))
    frame(
        figure,
        palette,
        headline=f"Phases are doubled to within {gap:.1f} degrees; key frequencies: "
        f"{len(found.keys)}",
        subtitle=f"Median gap of a neuron's output phase to twice that at its input; {random:.0f} "
        "degrees where they are paired at random",
        caption="Look at the last panel: at whether the loss with key frequencies alone falls, and "
        "the loss without them rises,\nbefore the loss on held-out pairs falls.",
    )
    _draw_phases(figure.add_subplot(grid[0, 0]), found, palette)
    _draw_votes(figure.add_subplot(grid[0, 1]), found, palette)
    _draw_losses(figure.add_subplot(grid[1, :]), found, palette)


def compose_stars(figure: Figure, palette: Palette, found: Anatomy) -> None:
    """A column for each of the strongest frequencies: a ray for each neuron, in and out."""
    keys = found.keys[:_MOST_STARS]
    grid = figure.add_gridspec(
        2, len(keys), left=0.06, right=0.98, top=0.8, bottom=0.13, hspace=0.08, wspace=0.08
    )
    frame(
        figure,
        palette,
        headline=f"Neurons of the {len(keys)} strongest frequencies, around a circle each",
        subtitle="Each ray is a neuron: cosine (right) and sine (up) component at its frequency",
        caption="Follow the numbers around above, and then below. A cross marks where twice the "
        "angle above says\nthat the ray below should end.",
    )
    colors = frequency_colors(found, palette)
    for column, key in enumerate(keys):
        chosen = np.flatnonzero(found.inputs.frequencies == key)
        chosen = chosen[np.argsort(found.inputs.phases[chosen] % (2 * np.pi))]
        above, below = (figure.add_subplot(grid[row, column]) for row in range(2))
        _draw_star(above, found.inputs, chosen, colors[key], palette)
        _draw_star(below, found.outputs, chosen, colors[key], palette)
        reach = found.outputs.amplitudes[chosen]
        twice = 2 * found.inputs.phases[chosen]
        below.plot(
            reach * np.cos(twice), reach * np.sin(twice), "x", color=palette.ink, markersize=6
        )
        above.set_title(f"frequency {key}", loc="center")
    for row, name in enumerate(("input weights", "output weights")):
        figure.axes[row].set_ylabel(name, color=palette.ink, fontsize=10.5)


def frequency_colors(found: Anatomy, palette: Palette) -> dict[int, str]:
    """A color for each key frequency; those after the fourth share one."""
    colors = (palette.test, palette.warning, palette.signal, palette.train)
    return {
        key: colors[rank] if rank < len(colors) else palette.faint
        for rank, key in enumerate(found.keys)
    }


def _draw_phases(axes: Axes, found: Anatomy, palette: Palette) -> None:
    """Phase out against phase in, with the line that doubles."""
    line = np.linspace(0, 360, 721)
    doubled = (2 * line) % 360
    doubled[np.abs(np.diff(doubled, prepend=0)) > 180] = np.nan
    axes.plot(line, doubled, color=palette.faint, linewidth=1.2)
    colors = frequency_colors(found, palette)
    for phase_in, phase_out, key in zip(
        np.degrees(found.inputs.phases) % 360,
        np.degrees(found.outputs.phases) % 360,
        found.inputs.frequencies,
        strict=True,
    ):
        axes.plot(phase_in, phase_out, "o", color=colors.get(int(key), palette.rule), markersize=7)
    axes.set_xlim(0, 360)
    axes.set_ylim(0, 360)
    axes.set_xticks([0, 90, 180, 270, 360])
    axes.set_yticks([0, 90, 180, 270, 360])
    axes.set_xlabel("phase of a neuron's input weights, degrees")
    axes.set_title("Phase at the output, degrees")
    write(axes, "twice", (45, 90), palette.faint, offset=(6, -12))


def _draw_votes(axes: Axes, found: Anatomy, palette: Palette) -> None:
    """What each frequency adds to the logits of one pair, and their sum."""
    a, b = found.pair
    answers = np.arange(found.modulus)
    colors = frequency_colors(found, palette)
    spread = 1.25 * max((np.ptp(vote) for vote in found.votes.values()), default=1.0) or 1.0
    for rank, (key, vote) in enumerate(found.votes.items()):
        base = -np.ptp(found.logits) / 2 - (rank + 0.4) * spread
        axes.plot(answers, vote - vote.mean() + base, color=colors[key], linewidth=1.5)
        write(axes, f"{key}", (found.modulus, base), colors[key], offset=(2, -3))
    total = found.logits - found.logits.mean()
    axes.plot(answers, total, color=palette.ink, linewidth=1.8)
    write(axes, "sum", (found.modulus, 0), palette.ink, offset=(2, -3))
    right = (a + b) % found.modulus
    axes.axvline(right, color=palette.rule, linewidth=5, zorder=0)
    axes.set_yticks([])
    axes.set_xlim(0, found.modulus * 1.08)
    axes.set_xlabel(f"answer; the band is the right one, {right}")
    axes.set_title(f"Logits of {a} + {b}, by frequency")


def _draw_losses(axes: Axes, found: Anatomy, palette: Palette) -> None:
    """Four losses along the training."""
    parts = (
        ("train", found.losses.train, palette.train, 1.6),
        ("held out", found.losses.test, palette.test, 1.8),
        ("excluded: without the key frequencies", found.losses.excluded, palette.warning, 1.8),
        ("restricted: with them alone", found.losses.restricted, palette.signal, 1.8),
    )
    for _, values, color, width in parts:
        axes.plot(found.steps, np.maximum(values, _LEAST_LOSS), color=color, linewidth=width)
    axes.axhline(np.log(found.modulus), color=palette.rule, linewidth=1.4, linestyle="--")
    set_steps(axes, int(found.steps[0]), int(found.steps[-1]))
    axes.set_yscale("log")
    axes.set_ylim(_LEAST_LOSS, 1e3)
    axes.yaxis.set_major_locator(FixedLocator([1e-6, 1e-4, 1e-2, 1, 100]))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title("Loss in nats, by training step")
    places = ((0.5, 0.42), (0.55, 0.94), (0.02, 0.94), (0.02, 0.6))
    for (name, _, color, _), place in zip(parts, places, strict=True):
        write(axes, name, place, color, of_axes=True)


def _draw_star(
    axes: Axes, waves: Waves, chosen: NDArray[np.intp],
    color: str, palette: Palette,
) -> None:  # fmt: skip
    """Rays from the middle, numbered around the circle as at the input."""
    x = waves.amplitudes[chosen] * np.cos(waves.phases[chosen])
    y = waves.amplitudes[chosen] * np.sin(waves.phases[chosen])
    reach = 1.3 * float(waves.amplitudes[chosen].max(initial=1e-9))
    for number, (right, up) in enumerate(zip(x, y, strict=True), 1):
        axes.plot([0, right], [0, up], color=color, linewidth=1.8)
        axes.plot(right, up, "o", color=color, markersize=5)
        axes.annotate(
            str(number), (1.18 * right, 1.18 * up), ha="center", va="center", fontsize=9.5,
            color=palette.ink,
        )  # fmt: skip
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.axhline(0, color=palette.rule, linewidth=0.8, zorder=0)
    axes.axvline(0, color=palette.rule, linewidth=0.8, zorder=0)
