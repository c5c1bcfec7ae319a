"""What happened in a run, from its accuracies: the only labelling rule.

A label reads test accuracy and looks back from the end of the run, so nothing here may feed a
predictor. The one exception is `Hold`: it says what "held" means, for labels and causal rules.
Everything is censored: an event that is None was *not seen by* `Outcome.censored_at`, not "never".

Definitions (steps are optimizer updates; "held" is `Hold`):

* memorization step: first train accuracy >= .99, held.
* plateau: median test accuracy over [1, 1.5] times the memorization step, the run's own reference
  (chance is the wrong one); where no evaluation falls there, the first one after it.
* onset level: plateau + max(.05, 3 standard errors of the plateau).
* grokking step: first test accuracy >= .95, held.
* onset step: last upcrossing of the onset level up to the grokking step; without a grokking step,
  the last upcrossing after memorization that was held.
* midpoint step: the same for halfway between plateau and 1. Neither exists where the onset level is
  above .95.
* collapse: after grokking, accuracy fell by .2 from its best, held.
* relapse: after a collapse, accuracy reached .95 again, held.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from statistics import median

import msgspec

from grokwatch.monitor.records import Evaluation, Observation, Outcome
from grokwatch.monitor.vocabulary import Phase

MEMORIZED = 0.99
GENERALIZED = 0.95
COLLAPSE = 0.2
HELD_POINTS = 3
HELD_FRACTION = 0.01

Series = Sequence[tuple[int, float]]


class Hold(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a condition has held: over three grid points and 1 % of the step it began at.

    One definition for labels, which look back, and for causal rules, which take one point at a
    time. A second point at one step does not count; a point before the last one starts over.

    Attributes:
        since: step at which the condition began to hold.
        last: step of the newest point.
        points: how many points it has held for; 0 where it does not hold now.

    Example:
        >>> hold = Hold()
        >>> [hold.update(step, passes=True) for step in (100, 110, 120)]
        [False, False, True]
    """

    since: int = 0
    last: int = 0
    points: int = 0

    def update(self, step: int, *, passes: bool) -> bool:
        """Take the next point.

        Args:
            step: where it was measured.
            passes: whether the condition is true there.

        Returns:
            Whether the condition has held, up to this point.
        """
        if not passes:
            self.points = 0
            return False
        if self.points == 0 or step < self.last:
            self.since, self.points = step, 1
        elif step > self.last:
            self.points += 1
        self.last = step
        return self.points >= HELD_POINTS and step - self.since >= HELD_FRACTION * self.since


def label(
    observations: Iterable[Observation],
    evaluations: Iterable[Evaluation],
    *,
    num_test_examples: int | None = None,
) -> Outcome:
    """Label a run.

    Where a later attempt went back, its records count and those it replaced do not.
    An accuracy of NaN is a point at which nothing holds; a missing one is no point.

    Args:
        observations: of one run, in any order; only step, attempt and train accuracy are read.
        evaluations: of the same run, in any order.
        num_test_examples: for the standard error of the plateau; None leaves the .05 alone.

    Returns:
        The outcome. `censored_at` is the last step at which test accuracy was measured, 0 where it
        never was: what happened after it, nobody saw.
    """
    train, test = _newest(tuple(observations), tuple(evaluations))
    train_step = _first_held(train, MEMORIZED)
    grokking_step = _first_held(test, GENERALIZED)
    plateau = None if train_step is None else _plateau(test, train_step)
    onset = midpoint = None
    if plateau is not None and train_step is not None:
        level = plateau + max(0.05, 3 * _standard_error(plateau, num_test_examples))
        # A run that was high only before it memorized has not risen since.
        risen = test if grokking_step is not None else [p for p in test if p[0] >= train_step]
        if level <= GENERALIZED:
            onset = _upcrossing(risen, level, grokking_step)
            midpoint = _upcrossing(risen, (plateau + 1) / 2, grokking_step)
    collapse, relapse = _afterwards(test, grokking_step)
    return Outcome(
        train_step=train_step,
        onset_step=onset,
        midpoint_step=midpoint,
        grokking_step=grokking_step,
        phase=_phase(train_step, onset, grokking_step),
        collapse=collapse,
        relapse=relapse,
        censored_at=test[-1][0] if test else 0,
    )


def _phase(train_step: int | None, onset: int | None, grokking_step: int | None) -> Phase:
    """Name the kind of run; grokking takes longer than memorization did, counted from there."""
    if train_step is None:
        return Phase.CONFUSION
    if grokking_step is not None:
        late = grokking_step - train_step > train_step
        return Phase.GROKKING if late else Phase.COMPREHENSION
    return Phase.MEMORIZATION if onset is None else Phase.PARTIAL


def _newest(
    observations: Sequence[Observation], evaluations: Sequence[Evaluation]
) -> tuple[Series, Series]:
    """Train and test accuracy by step, without what a later attempt trained again."""
    starts: dict[int, int] = {}
    for attempt, step in chain(
        ((o.attempt, o.step) for o in observations), ((e.attempt, e.step) for e in evaluations)
    ):
        starts[attempt] = min(step, starts.get(attempt, step))
    train = _series(((o.attempt, o.step, o.train_accuracy) for o in observations), starts)
    test = _series(((e.attempt, e.step, e.test_accuracy) for e in evaluations), starts)
    return train, test


def _series(points: Iterable[tuple[int, int, float | None]], starts: dict[int, int]) -> Series:
    """Order the points that count by step; at one step the last one given wins."""
    ends: dict[int, float] = {}
    end = math.inf
    for attempt in sorted(starts, reverse=True):
        ends[attempt] = end
        end = min(end, starts[attempt])
    kept = {
        step: accuracy
        for attempt, step, accuracy in points
        if accuracy is not None and step < ends[attempt]
    }
    return sorted(kept.items())


def _first_held(series: Series, level: float) -> int | None:
    """Step at which `level` was first reached and held."""
    hold = Hold()
    for step, accuracy in series:
        if hold.update(step, passes=accuracy >= level):
            return hold.since
    return None


def _plateau(test: Series, train_step: int) -> float | None:
    """Median test accuracy just after memorization, or the first one after it."""
    after = [(step, x) for step, x in test if step >= train_step and math.isfinite(x)]
    window = [x for step, x in after if step <= 1.5 * train_step] or [x for _, x in after[:1]]
    return median(window) if window else None


def _standard_error(share: float, num_examples: int | None) -> float:
    """Binomial standard error of an accuracy; 0 where the number of examples is unknown."""
    if not num_examples:
        return 0.0
    return math.sqrt(max(share * (1 - share), 0.0) / num_examples)


def _upcrossing(test: Series, level: float, grokking_step: int | None) -> int | None:
    """Last step at which accuracy came up to `level`: before grokking, or else where it held."""
    if grokking_step is None:
        return _last_held(test, level)
    earlier = [(-1, -math.inf), *(p for p in test if p[0] <= grokking_step)]
    crossings = [
        step
        for (_, before), (step, now) in pairwise(earlier)
        if now >= level and not before >= level
    ]
    return crossings[-1] if crossings else None


def _last_held(series: Series, level: float) -> int | None:
    """Step at which `level` was last reached and held."""
    hold, found = Hold(), None
    for step, accuracy in series:
        if hold.update(step, passes=accuracy >= level):
            found = hold.since
    return found


def _afterwards(test: Series, grokking_step: int | None) -> tuple[bool, bool]:
    """Whether accuracy collapsed after grokking, and whether it came back."""
    if grokking_step is None:
        return False, False
    best, fall = 0.0, Hold()
    after = [p for p in test if p[0] >= grokking_step]
    for index, (step, accuracy) in enumerate(after):
        best = max(best, accuracy) if math.isfinite(accuracy) else best
        if fall.update(step, passes=accuracy <= best - COLLAPSE):
            return True, _first_held(after[index + 1 :], GENERALIZED) is not None
    return False, False
