"""Change point: sparsity grows faster in log time than it did just after memorization.

    z = (slope - mean) / deviation,    S = max(0, S + z - 1/2),    s = S / h,

slope the change of the sparsity excess (the keys of `threshold`) per unit of log step between
looks, mean and deviation those of the slopes from memorization to twice it. S is the cumulative sum
for a shift by one deviation; h comes from the average run length asked for, the mean number of
looks until a false alarm on independent normal slopes, by Siegmund's formula

    run_length = 2 (exp(b) - b - 1),    b = h + 1.166.

The default of 3,000 looks is one false alarm in twenty runs watched for three decades at fifty
looks each. Nothing was taken from our runs. Real slopes are neither independent nor normal, and
mean and deviation come from few looks, so what is achieved is for a benchmark to say. S is taken
over the last 32 slopes at most, so that a rewind can take looks back.

Source:
    Page 1954; Siegmund 1985 (run length); Lai 1995 (limited windows).
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from statistics import fmean, stdev

from grokwatch.monitor.predictors._course import REFERENCE, Course, Point, Rule, Score
from grokwatch.monitor.predictors._published import Option, Published, numbers
from grokwatch.monitor.predictors.threshold import RULE
from grokwatch.monitor.records import RunStarted

ALLOWANCE = 0.5

_RUN_LENGTH = Option(default=3000.0, low=10.0, high=1e12)
_OVERSHOOT = 1.166
_FEWEST = 7
_LEAST_DEVIATION = 1e-3
_MOST_EXCESS = 1.001


def decision_level(run_length: float) -> float:
    """The level h whose average run length is the one asked for, by bisection.

    Example:
        >>> round(decision_level(938.2), 2)
        5.0
    """
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        is_short = 2 * (math.expm1(middle) - middle) < run_length
        low, high = (middle, high) if is_short else (low, middle)
    return max(low - _OVERSHOOT, ALLOWANCE)


def slopes(points: Sequence[Point]) -> list[float]:
    """Changes of the excess per unit of log step, for points in order of their steps."""
    logs = [(math.log(max(point.step, 1)), point.value) for point in points]
    return [(y - x) / (t - s) for (s, x), (t, y) in pairwise(logs) if t > s]


def cumulative_sum(course: Course, train_step: int, step: int, *, level: float) -> Score:
    """The cumulative sum of what slopes exceed, in decision levels."""
    end = REFERENCE * train_step
    early = max(sum(point.step <= end for point in course.first), _FEWEST)
    usual = slopes(course.first[:early])
    if len(usual) < _FEWEST - 1:
        return f"fewer than {_FEWEST} looks since memorization at step {train_step}"
    mean, deviation = fmean(usual), max(stdev(usual), _LEAST_DEVIATION)
    begun = course.first[:early][-1].step
    total = 0.0
    for slope in slopes([point for point in course.last if point.step >= begun]):
        total = max(0.0, total + (slope - mean) / deviation - ALLOWANCE)
    return total / level


def make(run: RunStarted, **options: str) -> Published:
    """Make the rule.

    Args:
        run: its group selects the kind of sparsity.
        options: `run_length`, in looks.

    Returns:
        The rule.

    Example:
        >>> rule = make(RunStarted(run_id="a", time=0.0), run_length="938")
    """
    (run_length,) = numbers("change_point", options, run_length=_RUN_LENGTH)
    kinds = {"cyclic": RULE.cyclic.keys, "bits": RULE.bits.keys}
    keys = kinds.get((run.group or "").partition(":")[0], RULE.cyclic.keys + RULE.bits.keys)
    rule = Rule(
        name="change_point",
        groups=tuple((key,) for key in keys),
        bounds=(-_MOST_EXCESS, _MOST_EXCESS),
        score=partial(cumulative_sum, level=decision_level(run_length)),
        num_first=24,
        num_last=33,
    )
    return Published(run, rule)
