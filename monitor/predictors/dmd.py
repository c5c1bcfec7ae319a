"""Hankel-DMD residual: the course of train-side observables stops being that of a linear system.

A window of 12 looks at log train loss and margins, each scaled by its root mean square there, is
stacked with 4 delays into Hankel matrices X and, one look later, Y. With the best r = 3 directions
V of X in time, dynamic mode decomposition reconstructs Y as Y V V^T, and

    R = |Y - Y V V^T| / |Y|,    s = (log10 R - m) / (deviations d),

m and d median and deviation of log10 R over its first 8 windows after memorization.

Kept of the paper: delays, reconstruction residual, and an alarm where it stays above a threshold.
Left: the Wasserstein coordinates of per-example log-probabilities (three margin quantiles and the
mean loss stand for them), spectrum and effective rank, and its constants, which its abstract does
not give. Looks are log-spaced, so delays are even in log time, not in time.

Source:
    Wang, Ying and Kanamori 2026 (arXiv:2605.08237); Schmid 2010 (dynamic mode decomposition).
"""

import math
from collections.abc import Sequence
from functools import partial
from statistics import median

import numpy as np

from grokwatch.monitor.predictors._course import Course, Look, Rule, Score
from grokwatch.monitor.predictors._published import Option, Published, numbers
from grokwatch.monitor.records import RunStarted

WINDOW, DELAYS, RANK = 12, 4, 3
REFERENCES = 8

_DEVIATIONS = Option(default=3.0, low=1e-6, high=1e6)
_LEAST_DEVIATION = 0.1
_NORMAL = 1.4826
_ROUNDING = 1e-9


def log_residual(looks: Sequence[Look]) -> float | None:
    """Decimal logarithm of the residual of a full window, at least -9; None before it is full."""
    if len(looks) < WINDOW:
        return None
    series = np.array([look.values for look in looks]).T
    scale = np.sqrt(np.square(series).mean(axis=1, keepdims=True))
    series = np.divide(series, scale, out=np.zeros_like(series), where=scale > 0)
    width = WINDOW - DELAYS + 1
    hankel = np.concatenate([series[:, at : at + width] for at in range(DELAYS)])
    before, after = hankel[:, :-1], hankel[:, 1:]
    directions = np.linalg.svd(before)[2][:RANK]
    left = float(np.linalg.norm(after - after @ directions.T @ directions))
    whole = max(float(np.linalg.norm(after)), 1.0)
    return math.log10(max(left / whole, _ROUNDING))


def surprise(course: Course, train_step: int, step: int, *, deviations: float) -> Score:
    """How far the newest residual is above the first ones, in thresholds."""
    if len(course.first) < REFERENCES or not course.last:
        return f"fewer than {WINDOW + REFERENCES - 1} looks since memorization at step {train_step}"
    usual = median(point.value for point in course.first)
    spread = _NORMAL * median(abs(point.value - usual) for point in course.first)
    return (course.last[-1].value - usual) / (deviations * max(spread, _LEAST_DEVIATION))


def make(run: RunStarted, **options: str) -> Published:
    """Make the rule.

    Args:
        run: what the rule may know before the first observation.
        options: `deviations` of the first residuals that make an alarm.

    Returns:
        The rule.

    Example:
        >>> rule = make(RunStarted(run_id="a", time=0.0), deviations="5")
    """
    (deviations,) = numbers("dmd", options, deviations=_DEVIATIONS)
    rule = Rule(
        name="dmd",
        groups=(
            ("train_loss.log", "margin.low", "margin.least", "margin"),
            ("train_loss.log",),
        ),
        bounds=(-1e12, 1e12),
        score=partial(surprise, deviations=deviations),
        measure=log_residual,
        num_looks=WINDOW,
        num_first=REFERENCES,
    )
    return Published(run, rule)
