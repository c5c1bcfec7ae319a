"""How long a run took from knowing its train examples to knowing the others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from grokwatch.experiments.reproduce.accuracies import first_step, held_out, trained
from grokwatch.monitor.story import Story

MEMORIZED = 0.99
"""Train accuracy of a run that has memorised."""

GENERALIZED = 0.8
"""Test accuracy of a run that has generalised: the best on so few digits is below 90 %."""


@dataclass(frozen=True, kw_only=True)
class Lag:
    """When a run got where, and how large its weights were.

    Attributes:
        memorized: first step with a train accuracy of .99, None where there is none.
        generalized: first step with a test accuracy of .8, None where there is none.
        norm_before: norm of all weights at `memorized`, at the end where there is none.
        norm_after: the same at `generalized`, None where there is none.
    """

    memorized: int | None
    generalized: int | None
    norm_before: float
    norm_after: float | None

    @property
    def factor(self) -> float:
        """Step of generalising over step of memorising; infinite where either is missing.

        Example:
            >>> Lag(memorized=100, generalized=250, norm_before=9.0, norm_after=5.0).factor
            2.5
        """
        if self.memorized is None or self.generalized is None:
            return math.inf
        return self.generalized / self.memorized


def lag_of(story: Story) -> Lag:
    """Measure the lag of a run.

    Args:
        story: of a run with the signal `weight_norm`.

    Returns:
        The first steps at both levels, and the norms there.
    """
    memorized = first_step(trained(story), MEMORIZED)
    generalized = first_step(held_out(story), GENERALIZED)
    norms = dict(zip(*story.series("weight_norm"), strict=True))
    return Lag(
        memorized=memorized,
        generalized=generalized,
        norm_before=norms[max(norms) if memorized is None else memorized],
        norm_after=None if generalized is None else norms[generalized],
    )


def lags_of(stories: Sequence[Story]) -> list[Lag]:
    """The lags of runs."""
    return [lag_of(story) for story in stories]


def middle_factor(lags: Sequence[Lag]) -> float:
    """Median lag; infinite where fewer than half of the runs got there."""
    return median(lag.factor for lag in lags)


def late_norm(lags: Sequence[Lag]) -> float | None:
    """Median norm at which those generalised that did so after memorising; None without any.

    Example:
        >>> late = Lag(memorized=10, generalized=90, norm_before=9.0, norm_after=5.0)
        >>> late_norm([late, Lag(memorized=9, generalized=8, norm_before=3.0, norm_after=3.0)])
        5.0
    """
    norms = [lag.norm_after for lag in lags if lag.factor > 1 and lag.norm_after is not None]
    return median(norms) if norms else None
