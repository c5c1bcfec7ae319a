"""Latencies: how long something took, counted into buckets."""

from typing import final

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets, in seconds."""


@final
class Latencies:
    """Counts of durations by bucket; written by one thread, read by any.

    Attributes:
        count: durations noted.
        total: their sum, in seconds.

    Example:
        >>> latencies = Latencies()
        >>> latencies.note(0.02)
        >>> latencies.buckets()[0.025], latencies.buckets()[0.01]
        (1, 0)
    """

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self._counts = [0] * len(BOUNDS)

    def note(self, seconds: float) -> None:
        """Count a duration."""
        self.count += 1
        self.total += seconds
        for place, bound in enumerate(BOUNDS):
            self._counts[place] += seconds <= bound

    def buckets(self) -> dict[float, int]:
        """Upper bound -> how many took at most that long."""
        return dict(zip(BOUNDS, self._counts, strict=True))
