"""What the hazard learns from: looks at runs that had memorized, and when they rose and grokked."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import msgspec
import numpy as np

from grokwatch.experiments.corpus import StoredRun
from grokwatch.experiments.validation.trace import Floats, Mask, Whole
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors import Memorization
from grokwatch.monitor.predictors._features import Course
from grokwatch.monitor.predictors.hazard import JUDGED_FROM
from grokwatch.monitor.records import TRAIN_SIDE, Observation, Outcome, signal_of

EDGES = (0.0, 0.25, 0.6, 1.0, 1.6, 3.0, 5.6, 10.0, 17.0, 30.0, 55.0, 100.0)
"""Of the bins that a fit divides the time from a look into: K = 11 of them."""


@dataclass(frozen=True)
class Ends:
    """When something came, or had not come by.

    Attributes:
        at: `(R,)` where it came, or where the run was last seen, in memorization steps.
        came: `(R,)` whether it did.
    """

    at: Floats
    came: Mask


@dataclass(frozen=True)
class Examples:
    """Looks at runs at risk.

    Attributes:
        features: `(N, F)`, NaN where missing; the first one is the clock.
        run: `(N,)` place of the run.
        grokked: when each run grokked, if it did.
        risen: when its test accuracy left the plateau, if it did.
        edges: `(K + 1,)` of the bins of time from a look, in steps since memorization.
    """

    features: Floats
    run: Whole
    grokked: Ends
    risen: Ends
    edges: tuple[float, ...] = EDGES

    @cached_property
    def weights(self) -> Floats:
        """`(N,)`: every run counts the same, however often it was looked at."""
        found: Floats = 1.0 / np.bincount(self.run)[self.run]
        return found

    def left(self, ends: Ends) -> Floats:
        """`(N,)` until an end, in steps since memorization; negative where it is over."""
        now = np.exp(self.features[:, 0])
        found: Floats = (ends.at[self.run] - now) / (now - 1)
        return found

    def seen(self, ends: Ends) -> tuple[Floats, Floats]:
        """`timed` of all looks."""
        return timed(self.left(ends), ends.came[self.run], self.edges)

    def of(self, runs: Mask) -> "Examples":
        """Those of some runs, `(R,)`."""
        kept = runs[self.run]
        return replace(self, features=self.features[kept], run=self.run[kept])


class Thinning(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what was measured is kept.

    Attributes:
        looks: share of the observations.
        values: share of the signals in each of those.
    """

    looks: float = 1.0
    values: float = 1.0


WHOLE = Thinning()
THINNINGS = (WHOLE, Thinning(looks=0.5, values=0.7), Thinning(looks=0.2, values=0.9))
"""A run is learned from as it was measured, and thinned: by a budget, or by who logs little."""


def examples(
    runs: Iterable[StoredRun], *, thinnings: Sequence[Thinning] = THINNINGS, seed: int = 0
) -> Examples:
    """Look at runs as the predictor does.

    Args:
        runs: whose outcome is known.
        thinnings: each run is looked at once for each.
        seed: of what is thinned out.

    Returns:
        All looks from `JUDGED_FROM` memorization steps on, before the run grokked.

    Raises:
        ConfigurationError: there is none.
    """
    random = np.random.default_rng(seed)
    features: list[Floats] = []
    place_of: list[int] = []
    outcomes: list[Outcome] = []
    rises: list[int | None] = []
    for place, run in enumerate(runs):
        outcome = run.row.outcome
        last = outcome.grokking_step or outcome.censored_at
        for thinning in thinnings:
            found = list(_looks(run, last, thinning, random))
            features += found
            place_of += [place] * len(found)
        outcomes.append(outcome)
        rises.append(None if run.row.random_labels else outcome.onset_step)
    if not features:
        msg = "Expected runs that memorized and went on, got none. Try other runs."
        raise ConfigurationError(msg)
    return Examples(
        np.array(features),
        np.array(place_of),
        grokked=_ends(outcomes, [outcome.grokking_step for outcome in outcomes]),
        risen=_ends(outcomes, rises),
    )


def _ends(outcomes: Sequence[Outcome], steps: Sequence[int | None]) -> Ends:
    """Steps, or where the run was last seen, in memorization steps."""
    last = [
        (outcome.censored_at if step is None else step) / (outcome.train_step or math.inf)
        for outcome, step in zip(outcomes, steps, strict=True)
    ]
    return Ends(np.array(last), np.array([step is not None for step in steps]))


def timed(left: Floats, groks: Mask, edges: Sequence[float] = EDGES) -> tuple[Floats, Floats]:
    """What was seen of each bin.

    Args:
        left: `(N,)` from the look to grokking or to the end, in steps since memorization.
        groks: `(N,)` whether it ended by grokking.
        edges: `(K + 1,)` of the bins.

    Returns:
        Exposure `(N, K)`, the share of each bin that was seen before the run grokked or ended, and
        event `(N, K)`, 1 in the bin in which it grokked.

    Example:
        >>> exposure, event = timed(np.array([0.425]), np.array([True]))
        >>> exposure[0, :3].round(2).tolist(), event[0, :3].tolist()
        ([1.0, 0.5, 0.0], [0.0, 1.0, 0.0])
    """
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    exposure = np.clip((left[:, None] - low) / (high - low), 0.0, 1.0)
    event = groks[:, None] & (left[:, None] >= low) & (left[:, None] < high)
    return exposure, event.astype(np.float64)


def _looks(
    run: StoredRun, last: int, thinning: Thinning, random: np.random.Generator
) -> Iterator[Floats]:
    """Features at each look before the last one."""
    memorization, course = Memorization(), Course()
    for observation in train_side(run):
        if observation.step >= last or random.random() >= thinning.looks:
            continue
        seen = _thinned(observation, thinning.values, random)
        memorization.update(seen)
        train_step = memorization.step
        course.read(seen, train_step)
        if train_step is not None and seen.step >= JUDGED_FROM * train_step:
            yield course.features(seen.step, train_step)


def train_side(run: StoredRun) -> Iterator[Observation]:
    """A run's observations, as a predictor is shown them.

    Args:
        run: any.
    """
    shown = {info.name for info in run.start.signals if info.access == TRAIN_SIDE}
    return (only(observation, shown) for observation in run.observations)


def only(observation: Observation, names: set[str]) -> Observation:
    """An observation with the values of some signals alone.

    Args:
        observation: any.
        names: of the signals.
    """
    values = {key: x for key, x in observation.values.items() if signal_of(key) in names}
    return msgspec.structs.replace(observation, values=values)


def _thinned(observation: Observation, share: float, random: np.random.Generator) -> Observation:
    """What is left of an observation."""
    if share >= 1:
        return observation
    names = sorted({signal_of(key) for key in observation.values})
    draws = random.random(len(names))
    return only(
        observation, {name for name, draw in zip(names, draws, strict=True) if draw < share}
    )
