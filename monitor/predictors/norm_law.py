"""Norm-decay delay law: grokking comes when the decaying weight norm passes a critical value.

    s = 1 + log2(h / (factor c)) / 2,

c the steps until the squared norm is half of that at memorization, as the signal `norm_crossing`
forecasts them by fitting V_inf + (V_mem - V_inf) exp(-k t), and h the standard horizon. With the
default factor of 2, s is 1 where c is half of the horizon and 1/2 where it is all of it; a norm
that will not cross has the lowest score there is.

Kept of the papers: first passage of an exponential decay, here with an asymptote, and their mean
error of 34.6 % without calibration as the width of the interval of steps to go, which claims no
coverage. Left: the critical value and the rate calibrated on a run of the same architecture that
grokked, and the condition on the angle. The norm falls on random labels just so.

Source:
    Truong et al. 2026 (arXiv:2603.13331, arXiv:2605.18845).
"""

import math
from functools import partial

from grokwatch.monitor.predictors import FOREVER, HORIZON
from grokwatch.monitor.predictors._course import Course, Rule, Score
from grokwatch.monitor.predictors._published import MOST_SCORE, Option, Published, numbers
from grokwatch.monitor.records import Interval, RunStarted

ERROR = 0.346

_FACTOR = Option(default=2.0, low=0.0, high=1e6)


def passage(course: Course, train_step: int, step: int, *, factor: float) -> Score:
    """Octaves by which the crossing comes before the end of the horizon."""
    newest = course.newest
    if newest is None or newest.values[0] > 0 == newest.values[1]:
        return "no decay to fit: a constant weight norm, or too soon after memorization"
    left = _left(course, step)
    if left <= 0 or math.isinf(left):
        return MOST_SCORE if left <= 0 else -MOST_SCORE
    horizon = max(HORIZON * (step - train_step), 1)
    return 1 + (math.log2(horizon) - math.log2(left) - math.log2(factor)) / 2


def steps_to_go(course: Course, step: int) -> Interval | None:
    """The crossing, give or take the published error; None where there is none."""
    left = _left(course, step)
    if left * (1 + ERROR) >= FOREVER:
        return None
    return Interval(low=math.floor(left * (1 - ERROR)), high=math.ceil(left * (1 + ERROR)))


def _left(course: Course, step: int) -> float:
    """Steps from now to the crossing, by the newest forecast."""
    newest = course.newest
    return math.inf if newest is None else max(newest.values[0] - (step - newest.step), 0.0)


def make(run: RunStarted, **options: str) -> Published:
    """Make the rule.

    Args:
        run: what the rule may know before the first observation.
        options: `factor`, how many times over the crossing must fit into the horizon.

    Returns:
        The rule.

    Example:
        >>> rule = make(RunStarted(run_id="a", time=0.0), factor="4")
    """
    (factor,) = numbers("norm_law", options, factor=_FACTOR)
    rule = Rule(
        name="norm_law",
        groups=(("norm_crossing", "norm_crossing.rate"),),
        bounds=(0.0, math.inf),
        score=partial(passage, factor=factor),
        eta=steps_to_go,
    )
    return Published(run, rule)
