"""Tiny networks that generalise before they memorise, and some that come back.

Four seeds without decay and two with a little, about four minutes on one core. A seed falls
where its held-out accuracy was at least one half and then lost a fifth of all pairs, while train
accuracy lost less: pairs are kept, and the rule is lost. It generalised before it memorised where
this peak comes before the step with train accuracy .99, held, which must come. It comes back where
held-out accuracy rises by a fifth again, to one half or more. The published curves are one
seed each, picked from many: the result holds where at least one seed of the first kind falls and
memorises after its peak, and at least one of the second does so and comes back.
"""

from collections.abc import Callable, Sequence
from functools import partial

from grokwatch.experiments.reproduce.accuracies import held_out, trained
from grokwatch.experiments.reproduce.drawing_relapse import compose
from grokwatch.experiments.reproduce.milestones import last_accuracy
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.swings import Fall, Turn, falls
from grokwatch.experiments.reproduce.workshop import Workshop
from grokwatch.monitor.story import Story

HEIGHT, LEAST = 0.5, 0.2

ONCE = "embedding 5, no decay"
TWICE = "embedding 8, decay .05"

_QUICK = {"run": {"steps": 60, "seeds": 2, "per_decade": 10}}


def run(workshop: Workshop) -> Finding:
    """Train both networks over seeds, and count falls and returns."""
    once, twice = (workshop.stories(name, _QUICK) for name in ("relapse-once", "relapse-twice"))
    num_fallen, num_back = len(_kept(memorized_after, once)), len(_kept(returned, twice))
    draw = partial(compose, once=once, twice=twice, num_fallen=num_fallen, num_back=num_back)
    pictures = workshop.draw("relapse", draw, size=(10, 7.6))
    return Finding(
        sentence=_sentence(once, twice),
        columns=(
            "network",
            "seed",
            "best before a fall",
            "after it",
            "memorised",
            "back to",
            "end",
        ),
        rows=tuple(_row(ONCE, s) for s in once) + tuple(_row(TWICE, s) for s in twice),
        figures={
            "seeds, no decay": float(len(once)),
            "fell, no decay": float(len(_kept(fallen, once))),
            "memorised after, no decay": float(num_fallen),
            "came back, no decay": float(len(_kept(returned, once))),
            "seeds, decay .05": float(len(twice)),
            "fell, decay .05": float(len(_kept(fallen, twice))),
            "memorised after, decay .05": float(len(_kept(memorized_after, twice))),
            "came back, decay .05": float(num_back),
        },
        pictures=pictures,
        holds=workshop.quick or (num_fallen > 0 and num_back > 0),
    )


def fallen(story: Story) -> Fall | None:
    """The fall from the highest peak."""
    return _highest(_losses(story))


def memorized_after(story: Story) -> Fall | None:
    """The same, of those whose peak comes before memorization."""
    return _highest(_early(story))


def returned(story: Story) -> Fall | None:
    """The same, of those after which held-out accuracy came back."""
    return _highest([fall for fall in _early(story) if fall.back is not None])


def _losses(story: Story) -> list[Fall]:
    """Falls of held-out accuracy in which train accuracy did not fall likewise."""
    train = dict(trained(story))
    return [
        fall
        for fall in falls(held_out(story), height=HEIGHT, least=LEAST)
        if train.get(fall.low.step, 0.0) > train.get(fall.peak.step, 1.0) - LEAST
    ]


def _early(story: Story) -> list[Fall]:
    """Those whose peak comes before memorization, which must come."""
    step = story.outcome.train_step
    return [fall for fall in _losses(story) if step is not None and fall.peak.step < step]


def _highest(found: Sequence[Fall]) -> Fall | None:
    """The fall from the highest peak."""
    return max(found, key=lambda fall: fall.peak.value, default=None)


def _kept(find: Callable[[Story], Fall | None], stories: Sequence[Story]) -> list[Fall]:
    """What was found in the runs where it was."""
    return [fall for story in stories if (fall := find(story)) is not None]


def _sentence(once: Sequence[Story], twice: Sequence[Story]) -> str:
    """How many seeds show what the article shows of one."""
    return (
        f"without decay {_counts(once)}; with decay .05 {_counts(twice)} "
        "(published: one seed each)."
    )


def _counts(stories: Sequence[Story]) -> str:
    """How many seeds fall, memorise after and come back."""
    fell, memorized, back = (
        len(_kept(find, stories)) for find in (fallen, memorized_after, returned)
    )
    return (
        f"{fell} of {len(stories)} tiny networks lose a fifth of the held-out pairs or more, from "
        f"at least 50 %, while train accuracy falls by less; {memorized} of them memorise only "
        f"after that peak, and {back} of these come back within {stories[0].last_step:,} steps"
    )


def _row(name: str, story: Story) -> tuple[str, ...]:
    """One seed."""
    assert story.started is not None  # a sweep writes it
    fall = fallen(story)
    step = story.outcome.train_step
    return (
        name,
        str(story.started.hyper_parameters["seed"]),
        _turn(fall and fall.peak),
        _turn(fall and fall.low),
        "-" if step is None else f"{step:,}",
        _turn(fall and fall.back),
        f"{last_accuracy(story):.0%}",
    )


def _turn(turn: Turn | None) -> str:
    """A turning point for a person."""
    return "-" if turn is None else f"{turn.value:.0%} at {turn.step:,}"
