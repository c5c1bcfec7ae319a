"""Predictors: who judges a run from its observations.

One module each, whose name is its configuration name and which has `make(run, **options)`. Targets
read `<module>:<option>,<option>`, where an option is `key=value`, or a bare word for `name`:
`threshold:`, `baseline:never`. Modules with a leading underscore are shared parts.
"""

import pkgutil
from importlib import import_module

import msgspec

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.labels import MEMORIZED, Hold
from grokwatch.monitor.protocols import Predictor
from grokwatch.monitor.records import (
    Assessment,
    Chance,
    Concern,
    Evidence,
    Interval,
    Observation,
    RunStarted,
)
from grokwatch.monitor.vocabulary import Stage

DEFAULT_PREDICTOR = "hazard:"
"""Who judges where nobody else is named."""

FOREVER = 2**63 - 1
"""Largest number of steps a record can carry."""

HORIZON = 10
"""The standard horizon, in steps since memorization; a budget is no feature."""

HORIZONS = (1, 3, HORIZON, 30, 100)
"""What is said of all of these answers for any budget; the standard one is in the middle."""

NOT_MEMORIZED = "not memorized yet: train accuracy has not held .99 for three observations"
NO_ACCURACY = (
    "cannot see memorization: no train accuracy is measured. "
    "Try Probe(train_accuracy=...) with the name of a logged one."
)


class Memorization(msgspec.Struct, forbid_unknown_fields=True):
    """Whether and when a run memorized, causally: the same rule as the label, seen as it happens.

    Attributes:
        hold: of train accuracy at .99 or above.
        step: where it began to hold; None until it has held.
        measured: whether any train accuracy was seen.
    """

    hold: Hold = msgspec.field(default_factory=Hold)
    step: int | None = None
    measured: bool = False

    def update(self, observation: Observation) -> None:
        """Take the next observation; one up to the memorization step is a rewind and forgets it."""
        if self.step is not None and observation.step <= self.step:
            self.step, self.hold = None, Hold()
        accuracy = observation.train_accuracy
        if accuracy is None:
            return
        self.measured = True
        if self.step is None and self.hold.update(observation.step, passes=accuracy >= MEMORIZED):
            self.step = self.hold.since

    @property
    def reason(self) -> str:
        """Why nothing can be told before memorization."""
        return NOT_MEMORIZED if self.measured else NO_ACCURACY


def chance(step: int, train_step: int, probability: float) -> tuple[Chance, ...]:
    """Give a probability its horizon: ten times the steps since memorization, at least one step.

    Example:
        >>> chance(3000, 1000, 0.5)
        (Chance(horizon_steps=20000, probability=0.5),)
    """
    horizon = min(max(HORIZON * (step - train_step), 1), FOREVER)
    return (Chance(horizon_steps=horizon, probability=probability),)


def chances(step: int, train_step: int, probability: float) -> tuple[Chance, ...]:
    """The same probability at all horizons.

    Example:
        >>> [given.horizon_steps for given in chances(3000, 1000, 0.5)]
        [2000, 6000, 20000, 60000, 200000]
    """
    since = step - train_step
    return tuple(
        Chance(horizon_steps=min(max(horizon * since, 1), FOREVER), probability=probability)
        for horizon in HORIZONS
    )


def signed(
    observation: Observation,
    predictor: str,
    stage: Stage,
    *,
    chances: tuple[Chance, ...] = (),
    rising: tuple[Chance, ...] = (),
    reason: str | None = None,
    eta: Interval | None = None,
    evidence: tuple[Evidence, ...] = (),
    concerns: tuple[Concern, ...] = (),
) -> Assessment:
    """The assessment of an observation, where and when that was made.

    Args:
        observation: that was judged.
        predictor: `name@version`.
        stage: where the run stands.
        chances: by horizon; none where it cannot tell.
        rising: by the same horizons, that test accuracy leaves its plateau.
        reason: why it cannot tell.
        eta: steps from now within which it may grok.
        evidence: what spoke for and against.
        concerns: about the run's health.
    """
    return Assessment(
        run_id=observation.run_id,
        attempt=observation.attempt,
        step=observation.step,
        time=observation.time,
        predictor=predictor,
        stage=stage,
        chances=chances,
        rising=rising,
        reason=reason,
        eta_steps=eta,
        evidence=evidence,
        concerns=concerns,
    )


def load(target: str, run: RunStarted) -> Predictor:
    """Make the predictor that a target names.

    Args:
        target: `<module>:<options>`.
        run: what the predictor may know before the first observation.

    Returns:
        A fresh predictor.

    Raises:
        ConfigurationError: no module of that name, or options it does not take.

    Example:
        >>> predictor = load("baseline:never", RunStarted(run_id="a", time=0.0))
        >>> predictor.update(Observation(run_id="a", step=1, time=0.0, train_loss=1.0)).predictor
        'never@1'
    """
    name, _, text = target.partition(":")
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    known = sorted(module for module in modules if not module.startswith("_"))
    if name not in known:
        msg = f"Expected a predictor among {', '.join(known)}, got {name!r}. Try 'threshold:'."
        raise ConfigurationError(msg)
    options = {}
    for part in filter(None, text.split(",")):
        key, is_pair, value = part.partition("=")
        options[key.strip() if is_pair else "name"] = (value if is_pair else key).strip()
    predictor: Predictor = import_module(f"{__name__}.{name}").make(run, **options)
    return predictor
