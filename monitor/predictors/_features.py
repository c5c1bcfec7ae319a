"""Scale-free features of a run since it memorized: what the hazard is fitted on, and judges by.

A feature follows one reading of the run on a clock of ln(step): two exponential averages, one of
the last tenth of the clock and one of the last half, and what the first one was just after
memorization. Levels, changes since then and slopes per unit of ln(step) come from these three, at
any cadence, with readings missing, in constant memory. Neither the step nor a budget is a feature;
the only clock is ln(step / memorization step).
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from grokwatch.monitor.errors import WireError
from grokwatch.monitor.predictors._readings import CHANGE, LEVEL, READINGS, SLOPE
from grokwatch.monitor.records import Observation

Floats = npt.NDArray[np.float64]

FAST: Final = 0.1
SLOW: Final = 0.5
REFERENCE_FROM: Final = 1.2
STALE: Final = 0.5
"""On the clock: a reading older than this is missing."""

_KEYS = {reading.name: reading.keys for reading in READINGS}
_LOSS = next(place for place, reading in enumerate(READINGS) if reading.name == "loss")
_IS_LOG = np.array([reading.scale == "log" for reading in READINGS])
_IS_LOG1P = np.array([reading.scale == "log1p" for reading in READINGS])
_ORDER = np.array(
    [
        (LEVEL, CHANGE, SLOPE).index(part) * len(READINGS) + place
        for place, reading in enumerate(READINGS)
        for part in reading.parts
    ]
)
_LEAST = 1e-12
_LONGEST = 100.0


class Course:
    """What is remembered of the readings of one run.

    Attributes:
        fast: `(K,)` average over the last tenth of the clock; NaN before the first reading.
        slow: `(K,)` over the last half.
        reference: `(K,)` `fast` just after memorization; NaN before that.
        seen: `(K,)` ln(step) of the newest reading.
    """

    def __init__(self) -> None:
        self.fast, self.slow, self.reference, self.seen = np.full((4, len(READINGS)), math.nan)

    def read(self, observation: Observation, train_step: int | None) -> None:
        """Take the readings of an observation, which is later than all before."""
        clock = math.log(max(observation.step, 1))
        x = scaled(observation)
        there = np.isfinite(x)
        passed = clock - self.seen
        with np.errstate(over="ignore", invalid="ignore"):
            for average, span in ((self.fast, FAST), (self.slow, SLOW)):
                weight = -np.expm1(np.minimum(passed, _LONGEST) / -span)
                moved = average + weight * (x - average)
                np.copyto(average, np.where(np.isnan(average), x, moved), where=there)
        self.seen[there] = clock
        if train_step is not None and observation.step >= REFERENCE_FROM * train_step:
            np.copyto(self.reference, self.fast, where=there & np.isnan(self.reference))

    def forget(self) -> None:
        """Forget all but what the readings were just after memorization: the run went back."""
        for part in (self.fast, self.slow, self.seen):
            part.fill(math.nan)

    def restart(self) -> None:
        """Forget that too: it went back to before memorization."""
        self.forget()
        self.reference.fill(math.nan)

    def state(self) -> bytes:
        """All of it, as bytes."""
        return np.stack((self.fast, self.slow, self.reference, self.seen)).astype("<f8").tobytes()

    def restore(self, state: bytes) -> None:
        """Continue from `state()`.

        Raises:
            WireError: the bytes are of other readings.
        """
        expected = 4 * len(READINGS) * 8
        if len(state) != expected:
            raise WireError(
                f"Expected {expected} bytes of {len(READINGS)} readings, got {len(state)}. "
                "Try the version of grokwatch that saved them."
            )
        self.fast, self.slow, self.reference, self.seen = (
            np.frombuffer(state, dtype="<f8").reshape(4, -1).astype(np.float64)
        )

    def features(self, step: int, train_step: int) -> Floats:
        """`(F,)` in the order of `NAMES`, NaN where missing."""
        clock = math.log(max(step, 1))
        old = ~(clock - self.seen <= STALE)
        stacked = np.concatenate(
            (self.fast, self.fast - self.reference, (self.fast - self.slow) / (SLOW - FAST))
        )
        stacked[np.concatenate((old, old, old))] = math.nan
        return np.concatenate(([clock - math.log(max(train_step, 1))], stacked[_ORDER]))


def scaled(observation: Observation) -> Floats:
    """`(K,)` the readings of an observation on their scales, NaN where missing."""
    values = observation.values
    x = np.array([_first(values, reading.keys) for reading in READINGS])
    if math.isnan(x[_LOSS]) and observation.train_loss > 0:
        x[_LOSS] = math.log(observation.train_loss)
    with np.errstate(invalid="ignore", divide="ignore"):
        x[_IS_LOG] = np.log(np.maximum(x[_IS_LOG], _LEAST))
        x[_IS_LOG1P] = np.log1p(np.maximum(x[_IS_LOG1P], 0.0))
    return x


def followed(name: str, observation: Observation) -> str:
    """Key of the signal that a reading follows here, its first one where none is measured."""
    keys = _KEYS.get(name, (name,))
    return next((key for key in keys if key in observation.values), keys[0])


def _first(values: Mapping[str, float], keys: tuple[str, ...]) -> float:
    for key in keys:
        if key in values:
            return values[key]
    return math.nan
