"""Oscillation activity: a train loss that oscillates early says that the run will grok.

    s = 1 + log10(A / activity),    A the mean of `loss_activity` from memorization to twice it,

where `loss_activity` is the variance of the detrended log10 train loss over 64 updates in a row.

Kept of the paper: Hjorth's activity of an early piece of the learning curve, and its sign. Left:
the low-frequency amplitudes beside it; the epochs before memorization, in which any loss moves; and
a threshold, of which the paper has none. The default, a standard deviation of a tenth of a decade,
is a convention.

Source:
    Notsawo et al. 2023 (arXiv:2306.13253).
"""

import math
from functools import partial
from statistics import fmean

from grokwatch.monitor.predictors._course import REFERENCE, Course, Rule, Score
from grokwatch.monitor.predictors._published import Option, Published, numbers
from grokwatch.monitor.records import RunStarted

_ACTIVITY = Option(default=0.01, low=0.0, high=1e6)
_FEWEST = 3
_LEAST = 1e-30


def early_activity(course: Course, train_step: int, step: int, *, activity: float) -> Score:
    """Decades of the early activity above its threshold, plus 1; final once twice as far."""
    early = [point.value for point in course.first if point.step <= REFERENCE * train_step]
    if len(early) < _FEWEST:
        return f"fewer than {_FEWEST} values of loss_activity just after memorization"
    return 1 + math.log10(max(fmean(early), _LEAST) / activity)


def make(run: RunStarted, **options: str) -> Published:
    """Make the rule.

    Args:
        run: what the rule may know before the first observation.
        options: `activity`, the variance asked for, in decades squared.

    Returns:
        The rule.

    Example:
        >>> rule = make(RunStarted(run_id="a", time=0.0), activity="0.05")
    """
    (activity,) = numbers("oscillation", options, activity=_ACTIVITY)
    rule = Rule(
        name="oscillation",
        groups=(("loss_activity",),),
        bounds=(0.0, 1e100),
        score=partial(early_activity, activity=activity),
        num_first=24,
    )
    return Published(run, rule)
