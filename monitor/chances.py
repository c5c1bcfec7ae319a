"""Chances at a few horizons, read off at any number of steps.

A predictor says how likely a run is to grok within a few horizons; a question about a budget, or
about any other number of steps, is answered here and never by the predictor.
"""

import bisect
import math
from collections.abc import Sequence

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Chance

_MOST_HAZARD = 40.0  # beyond what any probability below 1 comes to


def probability_within(chances: Sequence[Chance], steps: int) -> float:
    """Probability of grokking within a number of steps from now.

    The cumulative hazard H = -log(1 - p) is linear in log(horizon) between the horizons given, in
    proportion to the steps below the first one, and flat beyond the last: there the probability is
    a lower bound, since nothing was said of what comes later.

    Args:
        chances: by ascending horizon, probabilities not descending; at least one.
        steps: from now; 0 or fewer give no time at all.

    Returns:
        A probability in [0, 1], not descending in steps; at a horizon that was given, the
        probability that was given with it.

    Raises:
        ConfigurationError: there are no chances.

    Example:
        >>> given = (
        ...     Chance(horizon_steps=100, probability=0.5),
        ...     Chance(horizon_steps=10_000, probability=0.875),
        ... )
        >>> [round(probability_within(given, steps), 3) for steps in (0, 50, 100, 1000, 10**6)]
        [0.0, 0.293, 0.5, 0.75, 0.875]

    Source:
        definition.
    """
    if not chances:
        msg = "Expected at least one chance, got none. Try an assessment that could tell."
        raise ConfigurationError(msg)
    place = bisect.bisect_left(chances, steps, key=lambda chance: chance.horizon_steps)
    if place == len(chances):
        return chances[-1].probability
    later = chances[place]
    if later.horizon_steps == steps:
        return later.probability
    if place == 0:
        share = max(steps, 0) / max(later.horizon_steps, 1)
        return _between(0.0, later.probability, share)
    earlier = chances[place - 1]
    first = math.log(earlier.horizon_steps)
    share = (math.log(steps) - first) / (math.log(later.horizon_steps) - first)
    return _between(earlier.probability, later.probability, share)


def _between(low: float, high: float, share: float) -> float:
    """The probability whose hazard lies at a share of the way between two others'."""
    first, last = _hazard(low), _hazard(high)
    probability = -math.expm1(-(first + (last - first) * share))
    return min(max(probability, min(low, high)), max(low, high))


def _hazard(probability: float) -> float:
    """Cumulative hazard of a probability, finite even where it is 1."""
    return -math.log1p(-probability) if probability < 1 else _MOST_HAZARD
