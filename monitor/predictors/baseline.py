"""Dummy predictors: the rows that no result table is printed without.

`never` and `always` give the base rate; `after_memorization` fires a fixed multiple of the
memorization step after memorization, which shows what a lead time is worth that comes from the
clock alone. All three wait for memorization, as every predictor does.
"""

import math

import msgspec

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors import Memorization, chances, signed
from grokwatch.monitor.records import Assessment, Chance, Observation, RunStarted
from grokwatch.monitor.state import Memory, pack, unpack
from grokwatch.monitor.vocabulary import Stage

_MULTIPLES = {"never": math.inf, "always": 0.0, "after_memorization": 10.0}


class BaselineMemory(Memory):
    """What a dummy remembers: the memorization step."""

    memorization: Memorization = msgspec.field(default_factory=Memorization)


class Baseline:
    """Says 1 from a fixed multiple of the memorization step after memorization on, 0 before.

    Args:
        name: how it signs its assessments.
        multiple: steps since memorization at which it fires, in memorization steps; infinite for
            never.

    Example:
        >>> dummy = Baseline("after_memorization", 10.0)
        >>> run = [
        ...     Observation(run_id="a", step=step, time=0.0, train_loss=0.1, train_accuracy=1.0)
        ...     for step in (100, 110, 120, 1100)
        ... ]
        >>> [dummy.update(observation).probability for observation in run]
        [None, None, 0.0, 1.0]
    """

    def __init__(self, name: str, multiple: float) -> None:
        self._name = name
        self._multiple = multiple
        self._memory = BaselineMemory()

    def update(self, observation: Observation, /) -> Assessment:
        """Judge by the clock; no signal is read."""
        memorization = self._memory.memorization
        memorization.update(observation)
        step, train_step = observation.step, memorization.step
        stage = Stage.FITTING
        given: tuple[Chance, ...] = ()
        if train_step is not None:
            due = step - train_step >= self._multiple * max(train_step, 1)
            stage = Stage.CIRCUIT_FORMATION if due else Stage.PLATEAU
            given = chances(step, train_step, float(due))
        reason = None if given else memorization.reason
        return signed(observation, f"{self._name}@1", stage, chances=given, reason=reason)

    def state(self) -> bytes:
        """Everything it remembers."""
        return pack(self._memory)

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`."""
        self._memory = unpack(state, BaselineMemory)


def make(run: RunStarted, *, name: str = "", multiple: str = "", **options: str) -> Baseline:
    """Make `never`, `always`, or `after_memorization,multiple=10`.

    Args:
        run: not read; a dummy knows nothing.
        name: which dummy.
        multiple: for `after_memorization`, in memorization steps, 0 or more.
        options: none are taken.

    Returns:
        The dummy.

    Raises:
        ConfigurationError: no such dummy, or an option that it does not take.
    """
    takes = {"multiple"} if name == "after_memorization" else set()
    given = set(options) | ({"multiple"} if multiple else set())
    if name not in _MULTIPLES or given - takes:
        msg = (
            f"Expected a baseline among {', '.join(_MULTIPLES)}, got {name!r} with options "
            f"{sorted(given)}. Try 'baseline:after_memorization,multiple=10'."
        )
        raise ConfigurationError(msg)
    return Baseline(name, _multiple(multiple) if multiple else _MULTIPLES[name])


def _multiple(text: str) -> float:
    """Read a multiple of the memorization step."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number >= 0:
        msg = f"Expected a multiple of 0 or more, got {text!r}. Try 'multiple=10'."
        raise ConfigurationError(msg)
    return number
