"""Colors by what they mean, for light and for dark pages.

Hues follow Okabe and Ito (2008), which stay apart for color-blind readers; those for dark pages are
the same hues, lighter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Style: TypeAlias = Literal["light", "dark"]


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Colors of one style, as `#rrggbb`."""

    paper: str
    ink: str
    faint: str
    rule: str
    train: str
    test: str
    warning: str
    signal: str

    def settings(self) -> dict[Any, Any]:
        """Matplotlib settings in these colors."""
        return {
            **_SHAPE,
            **dict.fromkeys(("text.color", "axes.titlecolor"), self.ink),
            **dict.fromkeys(("xtick.color", "ytick.color", "axes.labelcolor"), self.faint),
            **dict.fromkeys(("figure.facecolor", "axes.facecolor"), self.paper),
            **dict.fromkeys(("axes.edgecolor", "grid.color"), self.rule),
            "savefig.facecolor": self.paper,
        }


_SHAPE: Mapping[str, Any] = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "xtick.minor.visible": False,
    "ytick.major.size": 0.0,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
}

PALETTES: Mapping[Style, Palette] = {
    "light": Palette(
        paper="#ffffff",
        ink="#1f2328",
        faint="#59636e",
        rule="#dfe3e8",
        train="#8b949e",
        test="#0072b2",
        warning="#d55e00",
        signal="#008f68",
    ),
    "dark": Palette(
        paper="#0d1117",
        ink="#f0f6fc",
        faint="#9198a1",
        rule="#2a313c",
        train="#9198a1",
        test="#56b4e9",
        warning="#f58b3c",
        signal="#2fc79a",
    ),
}
