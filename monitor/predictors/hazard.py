"""The fitted predictor: a streaming discrete-time hazard of grokking.

At each look after memorization it gives the chance of grokking within any number of steps from
now, and that of test accuracy leaving its plateau at all, from scale-free features of what training
did since (`_features`). What it knows was fitted by `grokwatch fit` on the runs of the corpus and
comes as data (`_model`). It says that it cannot tell before memorization, too soon after it, while
the loss is not finite, where no structure is measured, and where a run is unlike all that it was
fitted on.
"""

import functools
import math
from itertools import chain, repeat
from pathlib import Path

import msgspec
import numpy as np

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors import FOREVER, HORIZONS, Memorization, signed
from grokwatch.monitor.predictors._concerns import Concerns
from grokwatch.monitor.predictors._features import Course, Floats, followed
from grokwatch.monitor.predictors._model import GROKKING, RISING, Hazard, read_model
from grokwatch.monitor.predictors._readings import FAMILIES, NAMES
from grokwatch.monitor.protocols import Levels
from grokwatch.monitor.records import (
    Assessment,
    Chance,
    Evidence,
    Interval,
    Observation,
    RunStarted,
)
from grokwatch.monitor.state import Memory, pack, unpack
from grokwatch.monitor.vocabulary import Stage

MODELS = Path(__file__).parent / "models"
"""Folder of what is shipped: `hazard`, and for validation those fitted without a part."""

JUDGED_FROM = 1.5
"""Memorization steps, from which it judges."""

_SHIPPED = "hazard"
_HORIZONS = np.array(HORIZONS, dtype=np.float64)
_HOLD = 3
_CLEAR_SHARE = 0.5
_MOST_EVIDENCE = 5
_STRUCTURED, _CLEAN_FALL = 0.5, -0.1  # as the threshold rule has it
_SPARSITY, _NORM = NAMES.index("concentration.level"), NAMES.index("weight_norm.change")
_ALWAYS = "clock"
_STRUCTURE = np.array([family == "structure" for family in FAMILIES])
_NO_STRUCTURE = (
    "no reading of structure, and by loss and norms alone it would be wrong too often. "
    "Try Probe(group='cyclic:<p>') or Probe(group='bits:<n>') with what the inputs run over"
)


class HazardMemory(Memory):
    """What it remembers of a run.

    Attributes:
        memorization: its step, or how far it is.
        step: last step judged; None before the first.
        stage: the last stage given.
        concerns: whether numbers are stuck, or a collapse is near.
        course: of the readings, as bytes.
    """

    memorization: Memorization = msgspec.field(default_factory=Memorization)
    step: int | None = None
    stage: Stage = Stage.FITTING
    concerns: Concerns = msgspec.field(default_factory=Concerns)
    course: bytes = b""


class HazardPredictor:
    """Judges by a fitted hazard.

    The stage is FITTING until the run has memorized; then PLATEAU, CIRCUIT_FORMATION while the
    chance of rising is high, and CLEANUP where weights are sparse and their norm has fallen too.
    Each look decides anew; one that it cannot tell leaves the stage as it was.

    An observation at or before the last step is a rewind: the readings are forgotten, memorization
    too where it came later, and it waits until they are there again. A train loss that is not
    finite freezes what is remembered.

    Args:
        run: what is known before the first observation.
        hazard: what was fitted.
        only: families of readings that are used, see `_readings`. By default all of them, and it
            cannot tell where none of structure is measured.
    """

    def __init__(self, run: RunStarted, hazard: Hazard, only: frozenset[str] | None = None) -> None:
        self._hazard = hazard
        self._needs_structure = only is None
        self._hidden = np.array(
            [only is not None and family not in {*only, _ALWAYS} for family in FAMILIES]
        )
        self._knows_loss = all(skipped.name != "train_loss" for skipped in run.skipped)
        self._memory = HazardMemory()
        self._course = Course()

    @property
    def levels(self) -> Levels:
        """From which chances on a run is warned of and given up, as they were fitted."""
        model = self._hazard.model
        return Levels(
            raise_at=model.raise_at,
            clear_at=model.raise_at * _CLEAR_SHARE,
            hold=_HOLD,
            give_up_at=model.give_up_at,
        )

    def update(self, observation: Observation, /) -> Assessment:
        """Take the next observation and judge, in constant time and memory."""
        if self._knows_loss and not math.isfinite(observation.train_loss):
            reason = f"diverged: train loss is {observation.train_loss} at step {observation.step}"
            return self._sign(observation)(reason=reason)
        memory, step = self._memory, observation.step
        if memory.step is not None and step <= memory.step:
            self._course.forget()
        memory.step, before = step, memory.memorization.step
        memory.concerns.update(observation, memory.stage)
        memory.memorization.update(observation)
        train_step = memory.memorization.step
        if train_step is None and before is not None:
            self._course.restart()
        self._course.read(observation, train_step)
        if train_step is None:
            memory.stage = Stage.FITTING
            return self._sign(observation)(reason=memory.memorization.reason)
        if memory.stage is Stage.FITTING:
            memory.stage = Stage.PLATEAU
        if step < JUDGED_FROM * train_step:
            reason = f"too soon after memorization at step {train_step}"
            return self._sign(observation)(reason=reason)
        features = self._course.features(step, train_step)
        features[self._hidden] = np.nan
        if self._needs_structure and np.isnan(features[_STRUCTURE]).all():
            return self._sign(observation)(reason=_NO_STRUCTURE)
        return self._judge(observation, features, train_step)

    def state(self) -> bytes:
        """Everything it remembers, at most 2 KiB."""
        self._memory.course = self._course.state()
        return pack(self._memory)

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`.

        Raises:
            WireError: the bytes are no such state, or of other readings.
        """
        memory = unpack(state, HazardMemory)
        course = Course()
        course.restore(memory.course)
        self._memory, self._course = memory, course

    def _judge(self, observation: Observation, features: Floats, train_step: int) -> Assessment:
        """Chances, the time it may take, the stage, and what speaks for it."""
        hazard = self._hazard
        chosen = hazard.chosen(features)
        if hazard.unlike(chosen) > hazard.model.most_unlike:
            reason = "unlike the runs that the predictor was fitted on, in too many of its readings"
            return self._sign(observation)(reason=reason)
        inputs = hazard.inputs(chosen)
        logits = hazard.logits(inputs)
        unit = observation.step - train_step
        found = hazard.chances(logits, _HORIZONS)
        found[RISING:] = np.maximum(found[RISING:], found[GROKKING])  # who groks has risen
        chances, *rising = ([*map(_chance, HORIZONS, row, repeat(unit))] for row in found.tolist())
        self._memory.stage = self._stage(features, found[-1, len(HORIZONS) // 2])
        low, high = hazard.arrival(logits[GROKKING])
        eta = Interval(low=math.floor(low * unit), high=min(math.ceil(high * unit), FOREVER))
        return self._sign(observation)(
            chances=tuple(chances),
            rising=tuple(chain(*rising)),
            eta=eta,
            evidence=self._evidence(observation, inputs),
        )

    def _evidence(self, observation: Observation, inputs: Floats) -> tuple[Evidence, ...]:
        """The signals that speak loudest, in log-odds."""
        parts, names = self._hazard.evidence(inputs), self._hazard.readings
        loudest = np.argsort(-np.abs(parts), kind="stable")[:_MOST_EVIDENCE].tolist()
        return tuple(
            Evidence(signal=followed(names[place], observation), contribution=float(parts[place]))
            for place in loudest
            if parts[place]
        )

    def _stage(self, features: Floats, probability: float) -> Stage:
        """Where the run stands; it goes back where the signs do."""
        if probability < self._hazard.model.raise_at:
            return Stage.PLATEAU
        is_structured = bool(features[_SPARSITY] >= _STRUCTURED)
        is_clean = is_structured and bool(features[_NORM] <= _CLEAN_FALL)
        return Stage.CLEANUP if is_clean else Stage.CIRCUIT_FORMATION

    def _sign(self, observation: Observation) -> functools.partial[Assessment]:
        """Everything of an assessment but what is said."""
        memory = self._memory
        return functools.partial(
            signed,
            observation,
            self._hazard.model.name,
            memory.stage,
            concerns=memory.concerns.at(observation.step),
        )


def _chance(horizon: int, probability: float, unit: int) -> Chance:
    return Chance(horizon_steps=min(max(horizon * unit, 1), FOREVER), probability=probability)


def basis_of(run: RunStarted) -> str:
    """Kind of group that a run's inputs run over, empty where none was named.

    Example:
        >>> basis_of(RunStarted(run_id="a", time=0.0, group="cyclic:67"))
        'cyclic'
    """
    return (run.group or "").partition(":")[0]


def make(
    run: RunStarted, *, model: str = _SHIPPED, only: str = "", **others: str
) -> HazardPredictor:
    """Make the predictor.

    Args:
        run: what is known before the first observation.
        model: name of a shipped model, or a file that `grokwatch fit` wrote.
        only: families of readings that are used, with `+` between them; all by default.
        others: options it does not take.

    Returns:
        The predictor.

    Raises:
        ConfigurationError: an option or a family that there is not, or no such model.
    """
    families = frozenset(only.split("+")) if only else None
    unknown = sorted({*others, *((families or frozenset()) - {*FAMILIES})})
    if unknown:
        known = ", ".join(sorted({*FAMILIES}))
        msg = (
            f"Expected model= or only= with families among {known}, got {', '.join(unknown)}. "
            "Try 'hazard:' or 'hazard:only=loss+norms'."
        )
        raise ConfigurationError(msg)
    is_name = Path(model).name == model and not Path(model).suffix
    path = MODELS / f"{model}.json" if is_name else Path(model)
    return HazardPredictor(run, _loaded(path, basis_of(run)), families)


@functools.cache
def _loaded(path: Path, basis: str) -> Hazard:
    """Read once in a process: thousands of runs may be judged by one model."""
    return Hazard(read_model(path).over(basis))
