"""The weights as waves, packed for the page."""

import msgspec
import numpy as np

from grokwatch.monitor.report.packing import Packed, pack
from grokwatch.monitor.report.waves import (
    Real,
    by_wave,
    circle,
    harmonics,
    loudest,
    power,
    shares,
    stars,
)

MAX_CIRCLES = 5


class Circle(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens in the plane of one frequency, `(looks, p, 2)`; at the end they are 1 away on average.

    `share` is the frequency's part of the power at the end.
    """

    frequency: int
    share: float
    points: Packed


class WavesView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows of the waves; rows are those of the heatmap.

    Attributes:
        frequencies: the loudest one of each row at the end, `(rows,)`.
        phases: of that wave, `(rows,)`, radians.
        shares: each frequency's part of the power of all rows, `(looks, p // 2)`.
        own: each frequency's part of the power of each row, `(looks, rows, p // 2)`.
        stars_in: each row's wave of its frequency, `(looks, rows, 2)`.
        stars_out: the same of the weights that answers go out by, or None.
        circles: of the loudest frequencies, the loudest first.
    """

    frequencies: tuple[int, ...]
    phases: tuple[float, ...]
    shares: Packed
    own: Packed
    stars_in: Packed
    stars_out: Packed | None
    circles: tuple[Circle, ...]


def waves_view(inward: Real, outward: Real | None) -> WavesView:
    """Take the weights apart into waves.

    Args:
        inward: `(looks, rows, p)`.
        outward: as `inward`, or None.

    Returns:
        The view.
    """
    order = inward.shape[-1]
    waves = harmonics(inward)
    powers = power(waves, order)
    frequencies = loudest(powers[-1])
    phases = np.angle(waves[-1][np.arange(len(frequencies)), frequencies - 1])
    parts = shares(powers.sum(axis=1))
    keys = np.argsort(-parts[-1], kind="stable")[:MAX_CIRCLES] + 1
    keys = keys[np.isin(keys, frequencies)]
    return WavesView(
        frequencies=tuple(frequencies.tolist()),
        phases=tuple(phases.tolist()),
        shares=pack(parts, "i2"),
        own=pack(shares(powers), "i1"),
        stars_in=pack(stars(waves, frequencies), "i2"),
        stars_out=None if outward is None else pack(stars(harmonics(outward), frequencies), "i2"),
        circles=tuple(_circle(inward, int(key), float(parts[-1][key - 1])) for key in keys),
    )


def wave_order(rows: Real) -> list[int]:
    """Rows `(N, p)` in the order of their loudest frequency, and of their phase within it."""
    waves = harmonics(rows)
    frequencies = loudest(power(waves, rows.shape[-1]))
    phases = np.angle(waves[np.arange(len(rows)), frequencies - 1])
    return [int(row) for row in by_wave(frequencies, phases)]


def _circle(inward: Real, frequency: int, share: float) -> Circle:
    """The plane of one frequency at every look."""
    points = np.stack([circle(look.T, frequency) for look in inward])
    radius = float(np.linalg.norm(points[-1], axis=-1).mean())
    return Circle(frequency=frequency, share=share, points=pack(points / (radius or 1.0), "i1"))
