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
        bound = min(self._cap_seconds, self._first_seconds * 2.0 ** min(self._num_failures, 60))
        self._num_failures += 1
        return bound * self._random.uniform(0.5, 1.0)

    def succeeded(self) -> None:
        """Start over from the first delay."""
        self._num_failures = 0
