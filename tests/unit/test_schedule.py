"""Schedules: the steps they name, and that they are functions of the step alone."""

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.schedule import default, either, every, log_spaced


def grid(per_decade: int, stop: int) -> set[int]:
    points = (math.floor(10 ** (k / per_decade) + 0.5) for k in range(20 * per_decade))
    return {point for point in points if point < stop}


@pytest.mark.parametrize("per_decade", [1, 2, 5, 50, 73])
def test_log_grid_is_the_rounded_powers(per_decade: int) -> None:
    schedule = log_spaced(per_decade)
    assert {step for step in range(30_000) if schedule(step)} == grid(per_decade, 30_000)


def test_default_looks_often_before_memorization() -> None:
    assert sum(map(log_spaced(), range(1, 200))) >= 60


def test_default_unites_grid_and_shares() -> None:
    schedule = default(10_000)
    steps = {step for step in range(1, 10_001) if schedule(step)}
    assert steps == {s for s in grid(50, 10_001) if s > 0} | set(range(20, 10_001, 20))


@pytest.mark.parametrize("budget", [None, 0, -1])
def test_unknown_budget_leaves_the_grid(budget: int | None) -> None:
    schedule = default(budget)
    assert {step for step in range(2_000) if schedule(step)} == grid(50, 2_000)


def test_short_run_is_watched_at_every_step() -> None:
    assert all(map(default(300), range(1, 301)))


@given(st.integers(min_value=-10, max_value=10**12))
def test_pure_function_of_the_step(step: int) -> None:
    schedule = either(log_spaced(), every(7))
    assert schedule(step) == schedule(step) == (log_spaced()(step) or every(7)(step))


def test_nothing_is_due_before_the_first_update() -> None:
    assert not every(1)(0)
    assert not log_spaced()(0)
    assert not either()(1)


@pytest.mark.parametrize("make", [every, log_spaced])
def test_counts_below_one_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ConfigurationError, match=r"Expected at least 1 .*, got 0\. Try"):
        make(0)


def test_schedules_go_to_processes_that_a_trainer_spawns() -> None:
    schedule = pickle.loads(pickle.dumps(either(every(7), log_spaced())))
    assert [step for step in range(15) if schedule(step)] == [*range(1, 11), 11, 12, 13, 14]
