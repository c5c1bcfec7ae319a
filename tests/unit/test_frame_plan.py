"""At which steps weights are kept."""

import itertools

import pytest

from grokwatch.callbacks.frame_plan import MOST_LOOKS, FramePlan


def looks(plan: FramePlan, steps: range, turning: frozenset[int] = frozenset()) -> list[int]:
    found = []
    for step in steps:
        if plan.wants(step, is_turning=step in turning):
            plan.note(step)
            found.append(step)
    return found


def test_looks_lie_on_a_logarithmic_scale_over_the_last_three_decades_of_the_run() -> None:
    found = looks(FramePlan(MOST_LOOKS, 30_000), range(1, 30_001, 10))
    assert len(found) >= 44
    assert found[0] == 1
    assert 25_000 < found[-1] < 30_000
    ratios = [later / step for step, later in itertools.pairwise(found) if step > 300]
    assert max(ratios) < 1.25
    assert min(ratios) > 1.05


@pytest.mark.parametrize("budget_steps", [None, 0, 5, 1_000, 10**7])
@pytest.mark.parametrize("most", [0, 1, 2, 5, MOST_LOOKS])
def test_there_are_never_more_than_was_asked_for(most: int, budget_steps: int | None) -> None:
    plan = FramePlan(most, budget_steps)
    found = looks(plan, range(1, 3_000), frozenset(range(1, 3_000)))
    assert len(found) == plan.num_looks <= max(0, most - 1)
    assert plan.wants(3_000, is_last=True) == (most > 0)


def test_without_a_known_length_eight_in_each_decade_are_kept() -> None:
    found = looks(FramePlan(MOST_LOOKS, None), range(1, 100_001))
    assert sum(100 < step <= 1_000 for step in found) == 8
    assert sum(10_000 < step <= 100_000 for step in found) == 8


def test_turning_points_have_a_reserve_that_the_grid_leaves_them() -> None:
    turning = frozenset(range(2_001, 3_000, 2))
    plan = FramePlan(MOST_LOOKS, 4_000)
    found = looks(plan, range(1, 4_001), turning)
    without = looks(FramePlan(MOST_LOOKS, 4_000), range(1, 4_001))
    extra = set(found) - set(without)
    assert len(extra) >= 16 - 4
    assert plan.num_looks <= MOST_LOOKS - 1
    assert max(found) > 3_400


def test_one_look_is_always_left_for_the_end_and_none_is_made_twice() -> None:
    plan = FramePlan(4, 100)
    looks(plan, range(1, 101), frozenset(range(1, 101)))
    assert plan.num_looks == 3
    assert plan.wants(101, is_last=True)
    plan.note(101)
    assert not plan.wants(101, is_last=True)
    assert not plan.wants(102, is_last=True)


def test_a_resumed_run_looks_where_an_uninterrupted_one_does() -> None:
    whole = FramePlan(MOST_LOOKS, 10_000)
    expected = looks(whole, range(1, 10_001, 7), frozenset({701, 2_101}))
    first = FramePlan(MOST_LOOKS, 10_000)
    kept = looks(first, range(1, 3_000, 7), frozenset({701, 2_101}))
    resumed = FramePlan(MOST_LOOKS, 10_000)
    for step in kept:
        resumed.note(step)
    resumed.rewind(2_997)
    assert kept + looks(resumed, range(3_004, 10_001, 7)) == expected
    assert resumed.kept == whole.kept
    assert resumed.num_looks == whole.num_looks


def test_a_rewind_undoes_looks_that_still_count() -> None:
    plan = FramePlan(8, 1_000)
    for step in (1, 7, 34, 178):
        plan.note(step)
    plan.rewind(40)
    assert plan.kept == (1, 7, 34)
    assert plan.num_looks == 4
    assert not plan.wants(60)
    assert plan.wants(178)


def test_however_often_a_run_ended_before_one_look_is_left_for_the_next_end() -> None:
    plan = FramePlan(4, 1_000)
    for step in (1, 2, 3):  # the first look, and the ends of two attempts
        assert plan.wants(step, is_last=step > 1)
        plan.note(step)
    assert not plan.wants(40)
    assert plan.wants(50, is_last=True)
