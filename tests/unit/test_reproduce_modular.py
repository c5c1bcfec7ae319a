"""What the reproduction of the article's main run makes of runs that are written down here."""

import math
from collections.abc import Callable

import pytest

from grokwatch.experiments.reproduce import milestones, modular_addition
from grokwatch.experiments.reproduce.milestones import Milestone
from grokwatch.experiments.reproduce.modular_addition import is_reproduced
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation
from grokwatch.monitor.story import Story, read_story


def story(
    *,
    memorized: int = 300,
    rise: int = 30_000,
    norm: Callable[[int], float] = lambda step: 50 - step / 2_000,
) -> Story:
    """A run that knows its examples from one step on and all others from another."""
    records: list[AnyRecord] = []
    for step in (10, 100, 300, 1_000, 2_000, 3_000, 10_000, 30_000, 40_000, 50_000):
        known, solved = float(step >= memorized), float(step >= rise)
        records += [
            Observation(
                run_id="r", step=step, time=0.0, train_loss=0.1, train_accuracy=known,
                values={"weight_norm": norm(step)},
            ),
            Evaluation(run_id="r", step=step, time=0.0, test_accuracy=max(0.01, solved)),
        ]  # fmt: skip
    return read_story(records)


def test_milestones_are_the_first_steps_at_their_level() -> None:
    assert milestones.trained(0.99)(story()) == 300
    assert milestones.tested(0.95)(story()) == 30_000
    assert milestones.tested(0.95)(story(rise=10**9)) is None


def test_norms_are_those_of_all_weights() -> None:
    risen = story(norm=lambda step: 60.0 if step == 1_000 else 20.0)
    measured = [
        f(risen) for f in (milestones.peak_norm, milestones.peak_step, milestones.last_norm)
    ]
    assert measured == [60.0, 1_000, 20.0]


def test_the_lowest_accuracy_is_looked_for_after_memorization() -> None:
    assert milestones.lowest_accuracy(story(memorized=30_000)) == 1.0
    assert milestones.lowest_accuracy(story()) == 0.01


def test_losses_are_brought_to_nats_for_each_pair() -> None:
    assert milestones.smallest_loss(story()) == 0.1
    assert modular_addition.least_loss([story(), story()]) == pytest.approx(6.7)
    assert milestones.largest_loss(story()) is None
    assert modular_addition.LOSS.measure(story()) is None


def test_runs_that_never_arrive_count_as_late() -> None:
    passed = Milestone("test accuracy .95", 40_100, milestones.tested(0.95))
    stories = [story(rise=10_000), story(), story(rise=10**9)]
    assert milestones.middle(passed, stories) == 30_000
    assert math.isinf(milestones.middle(passed, [story(rise=10**9)] * 2 + stories[:1]))
    assert milestones.summary(passed, stories) == "20,000 (10,000 to 30,000), 2 of 3"
    assert milestones.summary(passed, stories[2:]) == "- (0 of 1)"


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (story(), True),
        (story(memorized=2_000), False),
        (story(rise=2_000), False),
        (story(rise=10**9), False),
        (story(norm=lambda _: 40.0), False),
    ],
    ids=["as published", "memorises late", "generalises at once", "never", "keeps its norm"],
)
def test_the_criterion_asks_for_all_that_was_published(run: Story, *, expected: bool) -> None:
    assert is_reproduced(run) is expected


def test_the_headline_gives_the_steps_that_were_seen() -> None:
    assert modular_addition.headline([story(), story(rise=10**9)]) == (
        "Memorised at step 300, solved at step 30,000 (1 of 2 seeds)"
    )
    at_once = modular_addition.headline([story(rise=300)])
    assert at_once == "Memorised at step 300, solved at step 300 (1 of 1 seeds)"
    never = modular_addition.headline([story(rise=10**9)])
    assert never == "Memorised at step 300, not solved (0 of 1 seeds)"


def test_the_sentence_counts_seeds() -> None:
    runs = [story(), story(rise=10**9)]
    text = modular_addition.sentence({"1e-3": runs, "5e-3": runs})
    assert text.startswith("1 of 2 seeds pass 95 %")
    assert "published: one seed, at 40,100" in text
