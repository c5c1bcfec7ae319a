"""A peak between two valleys, and how far it stands above them in every seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """How several seeds fare on held-out inputs along one axis.

    Attributes:
        places: `(K,)`, ascending.
        losses: squared error, `(seeds, K)`, > 0.
        errors: share of wrong answers, `(seeds, K)`.
    """

    places: Floats
    losses: Floats
    errors: Floats

    @property
    def middle(self) -> Floats:
        """Geometric mean of the losses over seeds, `(K,)`."""
        middle: Floats = np.exp(np.log(self.losses).mean(axis=0))
        return middle


@dataclass(frozen=True)
class Peak:
    """The place that stands highest above the lowest places on both sides, by the mean of seeds.

    Attributes:
        before: place of the lowest mean loss to the left.
        place: of the peak.
        after: place of the lowest mean loss to the right.
        losses: at those three, `(seeds, 3)`.
        errors: at those three, `(seeds, 3)`.
    """

    before: float
    place: float
    after: float
    losses: Floats
    errors: Floats

    @property
    def rises(self) -> Floats:
        """Loss at the peak over that in the left valley, `(seeds,)`."""
        rises: Floats = self.losses[:, 1] / self.losses[:, 0]
        return rises

    @property
    def falls(self) -> Floats:
        """Loss at the peak over that in the right valley, `(seeds,)`."""
        falls: Floats = self.losses[:, 1] / self.losses[:, 2]
        return falls

    def stands_out(self, least: float) -> bool:
        """Whether all seeds rise and fall, in the median by at least that factor."""
        both = np.stack([self.rises, self.falls])
        return bool((both > 1).all() and (np.median(both, axis=1) >= least).all())


def find_peak(curve: Curve) -> Peak:
    """Find the peak between two valleys.

    Args:
        curve: of at least three places.

    Returns:
        The peak; of a curve without one, the least unlike one, which does not stand out.

    Example:
        >>> losses = np.array([[0.5, 0.2, 0.6, 0.1]])
        >>> find_peak(Curve(np.arange(4.0), losses, losses)).place
        2.0
    """
    middle = curve.middle
    inner = range(1, len(middle) - 1)
    best = max(inner, key=lambda at: middle[at] / max(middle[:at].min(), middle[at + 1 :].min()))
    before = int(middle[:best].argmin())
    after = best + 1 + int(middle[best + 1 :].argmin())
    found = [before, best, after]
    return Peak(
        before=float(curve.places[before]),
        place=float(curve.places[best]),
        after=float(curve.places[after]),
        losses=curve.losses[:, found],
        errors=curve.errors[:, found],
    )


def ascents(values: Sequence[float]) -> float:
    """Share of steps that go up, of all from one value to the next.

    Example:
        >>> ascents([1, 2, 4, 3])
        0.6666666666666666
    """
    return float((np.diff(np.asarray(values)) > 0).mean())
