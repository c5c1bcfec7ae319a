"""How long to wait before trying again: twice as long each time, up to a cap, with jitter."""

import random
from typing import final


@final
class Backoff:
    """Capped exponential delays with jitter.

    Example:
        >>> backoff = Backoff(first_seconds=1.0, cap_seconds=4.0, source=random.Random(0))
        >>> [0.5 * bound <= backoff.failed() <= bound for bound in (1.0, 2.0, 4.0, 4.0)]
        [True, True, True, True]
    """

    def __init__(
        self,
        first_seconds: float = 0.5,
        cap_seconds: float = 60.0,
        source: random.Random | None = None,
    ) -> None:
        self._first_seconds = first_seconds
        self._cap_seconds = cap_seconds
        self._num_failures = 0
        # a generator of its own: the trainer's global one must not move
        self._random = random.Random() if source is None else source

    def failed(self) -> float:
        """Count a failure.

        Returns:
            Seconds to wait: between half of the bound and the bound, which doubles up to the cap.
        """
        self._num_failures += 1
        return delay(self._num_failures, self._first_seconds, self._cap_seconds, self._random)

    def succeeded(self) -> None:
        """Start over from the first delay."""
        self._num_failures = 0


def delay(
    num_failures: int, first_seconds: float, cap_seconds: float, source: random.Random
) -> float:
    """Seconds to wait after so many failures in a row, from 1: the rule behind `Backoff`."""
    bound = min(cap_seconds, first_seconds * 2.0 ** min(num_failures - 1, 60))
    return bound * source.uniform(0.5, 1.0)
