import itertools
import threading
from collections.abc import Callable

import pytest
import torch

from grokwatch.experiments.overhead import Arm, Comparison, compare, holds, measure

BATCH = (torch.zeros(2),)
BLOCK = 4


def arm(name: str, steps: list[str], *, stop_after: int | None = None) -> Arm:
    """A trainer that writes down its name at every step."""

    def start(loader: Arm) -> None:
        for number, batch in enumerate(loader):
            assert all(map(torch.equal, batch, BATCH))
            steps.append(name)
            if number + 1 == stop_after:
                return

    return Arm(name, start, BATCH, BLOCK)


def finished(name: str, seconds: list[float]) -> Arm:
    ended = Arm(name, lambda _: None, BATCH, BLOCK)
    ended.seconds = seconds
    return ended


def nothing(_: str) -> None:
    """Take no note."""


def test_arms_take_turns_in_the_order_abba_and_forget_the_warm_up() -> None:
    steps: list[str] = []
    arms = [arm("a", steps), arm("b", steps)]
    told: list[str] = []
    measure(arms, blocks=3, warm_up=1, done=told.append)
    turns = [(name, len(list(group))) for name, group in itertools.groupby(steps)]
    assert turns == [("a", 4), ("b", 8), ("a", 8), ("b", 8), ("a", 4)]
    assert told == ["warming up", "measuring", "measuring", "measuring"]
    for each in arms:
        assert len(each.seconds) == 3
        assert all(seconds > 0 for seconds in each.seconds)


def test_every_trainer_ends_with_the_measurement() -> None:
    before = set(threading.enumerate())
    arms = [arm("a", []), arm("b", [])]
    assert len(set(threading.enumerate()) - before) == 2
    measure(arms, blocks=1, warm_up=0, done=nothing)
    assert set(threading.enumerate()) <= before


def test_what_goes_wrong_in_an_arm_is_raised_to_the_caller_and_ends_the_others() -> None:
    before = set(threading.enumerate())

    def fails(loader: Arm) -> None:
        for number, _ in enumerate(loader):
            assert number < BLOCK + 1, "diverged in the second block"

    steps: list[str] = []
    with pytest.raises(AssertionError, match="diverged in the second block"):
        measure([arm("a", steps), Arm("b", fails, BATCH, BLOCK)], blocks=9, warm_up=0, done=nothing)
    assert len(steps) == BLOCK
    assert set(threading.enumerate()) <= before


@pytest.mark.timeout(20)
@pytest.mark.parametrize("stop_after", [BLOCK, BLOCK + 1])
def test_a_training_that_ends_early_is_said_so_and_not_waited_for(stop_after: int) -> None:
    arms = [arm("short", [], stop_after=stop_after)]
    with pytest.raises(RuntimeError, match=r"Expected short to train on, got the end .* Try fewer"):
        measure(arms, blocks=9, warm_up=0, done=nothing)


def test_the_clock_of_an_arm_runs_only_while_it_has_the_baton() -> None:
    readings: list[float] = []

    def start(loader: Arm) -> None:
        readings.extend(loader.clock() for _ in loader)

    mine, other = Arm("mine", start, BATCH, BLOCK), arm("other", [])
    assert mine.clock() == 0.0
    mine.run_block()
    between = mine.clock()
    other.run_block()
    assert mine.clock() == between == pytest.approx(mine.seconds[0] * BLOCK)
    mine.run_block()
    assert mine.clock() == pytest.approx(sum(mine.seconds) * BLOCK)
    assert readings == sorted(readings)
    assert readings[BLOCK - 1] <= between <= readings[BLOCK]
    mine.close()
    other.close()


def test_arms_are_compared_block_by_block() -> None:
    bare = finished("bare", [1.0, 2.0, 4.0])
    watched = finished("watched", [1.1, 2.1, 4.8])
    found = compare(watched, bare)
    assert (found.arm, found.reference, found.step_seconds) == ("watched", "bare", 2.1)
    assert found.share == pytest.approx(0.1)
    assert found.extra_seconds == pytest.approx(0.1)
    assert compare(bare, bare).share == 0.0


@pytest.mark.parametrize(
    "make", [lambda n: 0.02, lambda n: 0.02 + (n % 5 - 2) / 100], ids=["even", "uneven"]
)
def test_the_interval_holds_the_median_and_is_the_same_every_time(
    make: Callable[[int], float],
) -> None:
    bare = finished("bare", [1.0] * 40)
    watched = finished("watched", [1.0 + make(n) for n in range(40)])
    found = compare(watched, bare)
    assert found.low <= found.share <= found.high
    assert found.share == pytest.approx(0.02)
    assert found.high - found.low < 0.04
    assert compare(watched, bare) == found


@pytest.mark.parametrize(
    ("reference", "extra", "expected"),
    [
        (1e-3, 19e-6, True),
        (1e-3, 21e-6, False),
        (10e-3, 99e-6, True),
        (10e-3, 101e-6, False),
        (1e-3, -1e-3, True),
    ],
)
def test_the_bar_is_one_percent_of_a_step_or_twenty_microseconds(
    reference: float, extra: float, expected: bool
) -> None:
    found = Comparison(
        arm="watched",
        reference="empty callback",
        step_seconds=reference + extra,
        share=extra / reference,
        low=0.0,
        high=0.0,
        extra_seconds=extra,
    )
    assert holds(found) is expected
