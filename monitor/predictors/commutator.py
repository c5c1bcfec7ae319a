"""Commutator onset: two gradient steps have stopped commuting.

    s = 1 + log10(min(D / (multiple m), D / level)),    m the median of the first three readings,

D the commutator defect; the published onset is multiple = 10 and level = 20.

Kept of the paper: both conditions and their constants. Left: its own sampling, every 100 updates
(ours takes the first three readings that there are, which may lie at initialization), the finite
steps of its defect (the signal is their leading term), and that an onset lasts for ever. The paper
itself finds onsets in runs that never grok.

Source:
    Xu 2026 (arXiv:2602.16746).
"""

import math
from functools import partial
from statistics import median

from grokwatch.monitor.predictors._course import Course, Rule, Score
from grokwatch.monitor.predictors._published import Option, Published, numbers
from grokwatch.monitor.records import RunStarted

_MULTIPLE = Option(default=10.0, low=0.0, high=1e6)
_LEVEL = Option(default=20.0, low=0.0, high=1e12)
_FIRST = 3
_LEAST = 1e-100


def onset(course: Course, train_step: int, step: int, *, multiple: float, level: float) -> Score:
    """Decades by which the worse of the two conditions is met, plus 1."""
    newest = course.newest
    if newest is None or len(course.first) < _FIRST:
        return f"fewer than {_FIRST} values of commutator_defect so far"
    usual = median(point.value for point in course.first)
    return 1 + math.log10(max(newest.values[0], _LEAST) / max(multiple * usual, level))


def make(run: RunStarted, **options: str) -> Published:
    """Make the rule.

    Args:
        run: what the rule may know before the first observation.
        options: `multiple` of the first readings, and `level`.

    Returns:
        The rule.

    Example:
        >>> rule = make(RunStarted(run_id="a", time=0.0), multiple="30")
    """
    multiple, level = numbers("commutator", options, multiple=_MULTIPLE, level=_LEVEL)
    rule = Rule(
        name="commutator",
        groups=(("commutator_defect",),),
        bounds=(0.0, 1e100),
        score=partial(onset, multiple=multiple, level=level),
        num_first=_FIRST,
        from_start=True,
    )
    return Published(run, rule)
