"""Falls and returns of curves that are written down here, and what is counted of them."""

from collections.abc import Sequence

import pytest

from grokwatch.experiments.reproduce.relapse import fallen, returned
from grokwatch.experiments.reproduce.swings import Turn, falls, recoveries, turns
from grokwatch.experiments.story import Story, read_story
from grokwatch.monitor.records import Evaluation

HELD = (0.0, 0.3, 0.9, 0.9, 0.95)
ONCE = (0.0, 0.4, 0.8, 0.75, 0.5, 0.3)
TWICE = (0.0, 0.4, 0.8, 0.75, 0.5, 0.3, 0.7, 1.0)
LOW = (0.0, 0.4, 0.1, 0.45)


def curve(values: Sequence[float]) -> list[tuple[int, float]]:
    return list(enumerate(values))


def story(values: Sequence[float]) -> Story:
    """A run with these test accuracies."""
    return read_story(
        Evaluation(run_id="r", step=step, time=0.0, test_accuracy=value)
        for step, value in curve(values)
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (HELD, [0.0, 0.95]),
        (ONCE, [0.0, 0.8, 0.3]),
        (TWICE, [0.0, 0.8, 0.3, 1.0]),
        ((0.5, 0.6, 0.55), [0.5]),
        ((0.9, 0.2, 0.3), [0.9, 0.2]),
    ],
)
def test_turns_leave_small_moves_out(values: Sequence[float], expected: list[float]) -> None:
    assert [turn.value for turn in turns(curve(values), 0.2)] == expected


def test_a_fall_begins_at_a_peak_of_some_height() -> None:
    assert falls(curve(ONCE), height=0.5, least=0.2) == (Turn(2, 0.8),)
    assert falls(curve(LOW), height=0.5, least=0.2) == ()
    assert falls(curve(ONCE), height=0.5, least=0.6) == ()


def test_a_return_is_as_high_as_what_counts_as_understood() -> None:
    assert recoveries(curve(TWICE), height=0.5, least=0.2) == (Turn(7, 1.0),)
    assert recoveries(curve((*ONCE, 0.5)), height=0.6, least=0.2) == ()


@pytest.mark.parametrize(
    ("values", "falls_once", "comes_back"),
    [(HELD, False, False), (ONCE, True, False), (TWICE, True, True), (LOW, False, False)],
)
def test_a_seed_is_counted_by_its_held_out_accuracy(
    values: Sequence[float], *, falls_once: bool, comes_back: bool
) -> None:
    assert bool(fallen(story(values))) is falls_once
    assert bool(returned(story(values))) is comes_back
