"""Falls and returns of curves that are written down here, and what is counted of them."""

from collections.abc import Sequence

import pytest

from grokwatch.experiments.reproduce import relapse
from grokwatch.experiments.reproduce.relapse import fallen, memorized_after, returned
from grokwatch.experiments.reproduce.swings import Turn, falls, turns
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation
from grokwatch.monitor.story import Story, read_story

HELD = (0.0, 0.3, 0.9, 0.9, 0.95)
ONCE = (0.0, 0.4, 0.8, 0.75, 0.5, 0.3)
TWICE = (0.0, 0.4, 0.8, 0.75, 0.5, 0.3, 0.7, 1.0)
LOW = (0.0, 0.4, 0.1, 0.45)
EARLY, LATE = 1, 3


def curve(values: Sequence[float]) -> list[tuple[int, float]]:
    return list(enumerate(values))


def story(values: Sequence[float], memorized: int = LATE, *, breaks: bool = False) -> Story:
    """A run with these test accuracies, which knows its train pairs from one step on."""
    records: list[AnyRecord] = []
    for step, value in curve(values):
        known = value if breaks else 1.0 if step >= memorized else 0.8
        records += [
            Observation(run_id="r", step=step, time=0.0, train_loss=0.1, train_accuracy=known),
            Evaluation(run_id="r", step=step, time=0.0, test_accuracy=value),
        ]
    return read_story(records)


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
    [fall] = falls(curve(ONCE), height=0.5, least=0.2)
    assert fall == (Turn(2, 0.8), Turn(5, 0.3), None)
    assert falls(curve(LOW), height=0.5, least=0.2) == ()
    assert falls(curve(ONCE), height=0.5, least=0.6) == ()


def test_a_return_is_as_high_as_what_counts_as_understood() -> None:
    [fall] = falls(curve(TWICE), height=0.5, least=0.2)
    assert fall.back == Turn(7, 1.0)
    [fall] = falls(curve((*ONCE, 0.5)), height=0.6, least=0.2)
    assert fall.back is None


@pytest.mark.parametrize(
    ("run", "falls_once", "memorizes_after", "comes_back"),
    [
        (story(HELD), False, False, False),
        (story((*ONCE, 0.3)), True, True, False),
        (story(TWICE), True, True, True),
        (story(LOW), False, False, False),
        (story(TWICE, EARLY), True, False, False),
        (story(TWICE, 10**9), True, False, False),
        (story(TWICE, breaks=True), False, False, False),
    ],
    ids=["holds", "once", "twice", "low", "memorised before", "never memorised", "breaks"],
)
def test_a_seed_counts_by_what_came_first(
    run: Story, *, falls_once: bool, memorizes_after: bool, comes_back: bool
) -> None:
    found = [find(run) is not None for find in (fallen, memorized_after, returned)]
    assert found == [falls_once, memorizes_after, comes_back]


def test_the_sentence_counts_who_memorises_after() -> None:
    text = relapse._sentence([story(TWICE), story(TWICE, EARLY)], [story(HELD)])
    assert "2 of 2 tiny networks lose a fifth" in text
    assert "1 of them memorise only after that peak, and 1 of these come back" in text
    assert "with decay .05 0 of 1" in text
