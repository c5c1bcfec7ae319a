"""What the reproduction of operations calls found, on runs that are written down here."""

import pytest

from grokwatch.experiments.reproduce import operations
from grokwatch.experiments.reproduce.operations import COMPOSITION, HARD, NAMES, SHUFFLED
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation
from grokwatch.monitor.story import Story, read_story

NEVER = 10**9
HARDEST = NAMES["x^2+xy+y^2"]


def story(grokked: int, *, memorized: int = 50) -> Story:
    """A run that knows train pairs from one step on, and the others from another."""
    records: list[AnyRecord] = []
    for step in (10, 50, 100, 500, 1_000, 1_500, 2_000, 2_500):
        known, found = float(step >= memorized), float(step >= grokked)
        records += [
            Observation(run_id="r", step=step, time=0.0, train_loss=0.1, train_accuracy=known),
            Evaluation(run_id="r", step=step, time=0.0, test_accuracy=max(0.05, found)),
        ]
    return read_story(records)


def groups(**changes: list[Story]) -> dict[str, list[Story]]:
    easy = {name: [story(500)] * 3 for name in NAMES.values() if name not in HARD}
    hard = {name: [story(NEVER)] * 3 for name in HARD}
    return {**easy, COMPOSITION: [story(NEVER)] * 3, **hard, **changes}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"x + y": [story(500), story(500), story(NEVER)]}, True),
        ({"x + y": [story(500), story(NEVER), story(NEVER)]}, False),
        ({HARDEST: [story(NEVER), story(NEVER), story(500)]}, False),
        ({SHUFFLED: [story(500)] * 3}, False),
        ({HARDEST: [story(NEVER, memorized=NEVER)] * 3}, False),
    ],
    ids=["as published", "most", "too few", "one finds it", "shuffled found", "not memorised"],
)
def test_the_criterion_asks_for_easy_and_hard(
    changes: dict[str, list[Story]], *, expected: bool
) -> None:
    assert operations.is_reproduced(groups(**changes)) is expected


def test_the_headline_counts_tables_that_are_learned_by_heart_first() -> None:
    assert operations.headline(groups()) == "5 of 8 tables are found, 8 are learned by heart first"
    changed = groups(**{"x + y": [story(50, memorized=500)] * 3, "x y": [story(10**9)] * 3})
    found = operations.headline(changed)
    assert found == "4 of 8 tables are found, 7 are learned by heart first"


def test_the_sentence_counts_seeds_and_steps() -> None:
    text = operations.sentence(groups(**{"x y": [story(500), story(1_000), story(NEVER)]}))
    assert "x y in 2 of 3 seeds, at step 750" in text
    assert f"{HARDEST} in 0 of 3 seeds; " in text
    assert f"{HARDEST} is memorised at step 50 and stands at 5.0% at step 2,500." in text
