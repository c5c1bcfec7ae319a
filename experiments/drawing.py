"""Pictures as files, one for light pages and one for dark ones."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from grokwatch.experiments.palette import PALETTES, Palette

_DOTS_PER_INCH = 160

Compose = Callable[[Figure, Palette], None]
"""Draws into a figure, in the palette's colors."""


def draw(
    folder: Path, name: str, compose: Compose, *, size: tuple[float, float] = (10.0, 6.0)
) -> tuple[str, ...]:
    """Draw a picture in every style.

    Args:
        folder: of the files; it is made.
        name: of the files, without an ending.
        compose: draws.
        size: inches.

    Returns:
        Names of the files, `NAME.png` and `NAME-dark.png`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {"light": f"{name}.png", "dark": f"{name}-dark.png"}
    for style, palette in PALETTES.items():
        with mpl.rc_context(palette.settings()):
            figure = Figure(figsize=size, dpi=_DOTS_PER_INCH)
            compose(figure, palette)
            figure.savefig(folder / files[style], metadata={"Software": None})
    return tuple(files.values())
