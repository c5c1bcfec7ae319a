"""When to look: a schedule is a function of the step alone, so a resume changes nothing.

Schedules decide nothing about cost; `monitor.budget` thins what they ask for.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from grokwatch.monitor.errors import ConfigurationError

Schedule: TypeAlias = Callable[[int], bool]

PER_DECADE = 50
SHARES = 500

_DECADES = 15


def every(steps: int) -> Schedule:
    """Look at every multiple of `steps`.

    Args:
        steps: optimizer updates between looks, at least 1.

    Returns:
        The schedule.

    Raises:
        ConfigurationError: `steps` is less than 1.

    Example:
        >>> [step for step in range(7) if every(3)(step)]
        [3, 6]
    """
    _check(steps, "steps between observations")
    return partial(_is_multiple, steps)


def log_spaced(per_decade: int = PER_DECADE) -> Schedule:
    """Look at the rounded powers 10^(k / per_decade) up to 10^15: dense early, rare late.

    Args:
        per_decade: grid points between a step and ten times that step, at least 1.

    Returns:
        The schedule.

    Raises:
        ConfigurationError: `per_decade` is less than 1.

    Example:
        >>> [step for step in range(101) if log_spaced(2)(step)]
        [1, 3, 10, 32, 100]
    """
    _check(per_decade, "grid points per decade")

    points = (10.0 ** (index / per_decade) for index in range(_DECADES * per_decade + 1))
    # asked at every step of every run: a look into a set is the cheapest answer
    return frozenset(math.floor(point + 0.5) for point in points).__contains__


def either(*schedules: Schedule) -> Schedule:
    """Look whenever one of `schedules` does.

    Args:
        schedules: any number of schedules; none of them means never.

    Returns:
        Their union.

    Example:
        >>> [step for step in range(9) if either(every(4), every(3))(step)]
        [3, 4, 6, 8]
    """
    return partial(_is_asked_by, schedules)


def default(budget_steps: int | None) -> Schedule:
    """The log grid, united with 500 even shares of the run where its length is known.

    Args:
        budget_steps: optimizer updates that the trainer will make at most, or None.

    Returns:
        The schedule.

    Example:
        >>> schedule = default(30_000)
        >>> sum(map(schedule, range(1, 200))) >= 20, schedule(29_940)
        (True, True)
    """
    grid = log_spaced()
    if budget_steps is None or budget_steps < 1:
        return grid
    return either(grid, every(math.ceil(budget_steps / SHARES)))


def _is_multiple(steps: int, step: int) -> bool:
    """Whether a step is a multiple of `steps`."""
    return step > 0 and step % steps == 0


def _is_asked_by(schedules: Sequence[Schedule], step: int) -> bool:
    """Whether one of the schedules asks for a step."""
    return any(schedule(step) for schedule in schedules)


def _check(number: int, noun: str) -> None:
    """Refuse counts below one."""
    if number < 1:
        msg = f"Expected at least 1 {noun}, got {number}. Try {noun} = 50."
        raise ConfigurationError(msg)
