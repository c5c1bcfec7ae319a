"""What the reproduction of grokking by large weights makes of runs that are written down here."""

import math
from collections.abc import Sequence

import pytest

from grokwatch.experiments.reproduce import omnigrok
from grokwatch.experiments.reproduce.lag import lag_of
from grokwatch.experiments.reproduce.omnigrok import Runs, is_reproduced
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation
from grokwatch.monitor.story import Story, read_story

STEPS = (10, 20, 50, 100, 400, 1_000, 4_000, 8_000, 10_000)


def story(memorized: int, generalized: int, *, shrinks: bool = True) -> Story:
    """A run that knows its examples from one step on, and most others from another."""
    records: list[AnyRecord] = []
    for step in STEPS:
        norm = 60 / (1 + step / 1_000) if shrinks else 60.0
        records += [
            Observation(
                run_id="r", step=step, time=0.0, train_loss=0.1,
                train_accuracy=1.0 if step >= memorized else 0.9, values={"weight_norm": norm},
            ),
            Evaluation(
                run_id="r", step=step, time=0.0, test_loss=0.1,
                test_accuracy=0.85 if step >= generalized else 0.2,
            ),
        ]  # fmt: skip
    return read_story(records)


NEVER = 10**9


def runs(
    *,
    usual: Sequence[Story] = (story(50, 20),) * 3,
    large: Sequence[Story] = (story(400, 4_000),) * 3,
    half: Sequence[Story] = (story(400, 8_000),) * 3,
    none: Sequence[Story] = (story(400, NEVER, shrinks=False),) * 3,
) -> Runs:
    return Runs(
        scales={1.0: usual, 8.0: large},
        decays={0.0: none, 0.05: half, 0.1: large},
        others={1.0: usual, 16.0: large},
    )


def test_a_lag_is_the_ratio_of_the_first_steps_at_both_levels() -> None:
    lag = lag_of(story(400, 4_000))
    assert (lag.memorized, lag.generalized, lag.factor) == (400, 4_000, 10.0)
    assert lag.norm_before == pytest.approx(60 / 1.4)
    assert lag.norm_after == pytest.approx(60 / 5)


def test_a_run_that_does_not_get_there_has_lagged_for_ever() -> None:
    assert math.isinf(lag_of(story(400, NEVER)).factor)
    confused = lag_of(story(NEVER, NEVER))
    assert (confused.memorized, confused.norm_after) == (None, None)
    assert confused.norm_before == pytest.approx(60 / 11)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (runs(), True),
        (runs(usual=[story(20, 50)] * 3), False),
        (runs(large=[story(400, NEVER)] * 3), False),
        (runs(large=[story(400, 8_000)] * 3), False),
        (runs(half=[story(1_000, 8_000)] * 3), False),
        (runs(large=[story(400, 4_000, shrinks=False)] * 3), False),
        (runs(none=[*[story(400, NEVER)] * 2, story(400, 10_000)]), False),
    ],
    ids=[
        "as published",
        "usual weights lag",
        "never",
        "decay does not matter",
        "lags by less than ten",
        "keeps its norm",
        "one without decay gets there",
    ],
)
def test_the_criterion_asks_for_all_that_was_published(found: Runs, *, expected: bool) -> None:
    assert is_reproduced(found) is expected


def test_the_sentence_gives_steps_and_lags() -> None:
    text = omnigrok.sentence(runs())
    assert "right at step 20, 0.4 times the step of memorising" in text
    assert "at step 4,000, 10.0 times the step of memorising (400)" in text
    assert "with half the decay it is 20.0 times" in text
    assert "without decay 0 of 3 seeds get there in 10,000 steps" in text
    assert "16 times the usual scale leaves 20% right on memorising, and 85% in the end" in text


@pytest.mark.parametrize(
    ("generalized", "words"), [(1_000, "missed with 2.5"), (8_000, "met with")]
)
def test_the_first_criterion_is_told(generalized: int, words: str) -> None:
    text = omnigrok.sentence(runs(large=[story(400, generalized)] * 3))
    assert f"The first criterion, a lag of 10 at the full decay, is {words}" in text


def test_the_headline_says_what_came_first() -> None:
    lags = {step: [lag_of(story(400, step))] for step in (100, 4_000, NEVER)}
    assert omnigrok.headline(lags[4_000]).endswith("memorised first, generalised 10.0 times later")
    assert omnigrok.headline(lags[100]).endswith("generalised no later than memorised")
    assert omnigrok.headline(lags[NEVER]).endswith("not seen to generalise")


def test_the_table_says_how_many_seeds_got_there() -> None:
    found = runs(large=[story(400, 4_000), story(400, 4_000), story(400, NEVER)])
    cells = [row for row in omnigrok._rows(found) if row[1:3] == ("0.1", "8")]
    assert cells[0][:6] == ("squared error", "0.1", "8", "400", "4,000 (2 of 3)", "10.0 times")
