"""Tiny networks that generalise before they memorise, and some that come back.

Four seeds without decay and two with a little, about four minutes on one core. A seed falls
where its held-out accuracy was at least one half and then lost a fifth of all pairs; it comes back
where it rises by a fifth again, to one half or more. The published curves are one seed each, picked
from many: the result holds where at least one seed of the first kind falls, and at least one of the
second falls and comes back.
"""

from collections.abc import Sequence
from functools import partial

from grokwatch.experiments.reproduce.drawing_relapse import compose, held_out
from grokwatch.experiments.reproduce.milestones import last_accuracy
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.swings import Turn, falls, recoveries
from grokwatch.experiments.reproduce.workshop import Workshop
from grokwatch.experiments.story import Story, read_story

HEIGHT, LEAST = 0.5, 0.2

ONCE = "embedding 5, no decay"
TWICE = "embedding 8, decay .05"

_QUICK = {"run": {"steps": 60, "seeds": 2, "per_decade": 10}}


def run(workshop: Workshop) -> Finding:
    """Train both networks over seeds, and count falls and returns."""
    once, twice = (
        [read_story(records) for records in workshop.sweep(workshop.grid(name, _QUICK))]
        for name in ("relapse-once", "relapse-twice")
    )
    num_fallen, num_back = sum(map(bool, map(fallen, once))), sum(map(bool, map(returned, twice)))
    draw = partial(compose, once=once, twice=twice, num_fallen=num_fallen, num_back=num_back)
    pictures = workshop.draw("relapse", draw, size=(10, 7.6))
    return Finding(
        sentence=_sentence(once, twice),
        columns=("network", "seed", "best before a fall", "lowest after", "back to", "at the end"),
        rows=tuple(_row(ONCE, s) for s in once) + tuple(_row(TWICE, s) for s in twice),
        figures={
            "seeds, no decay": float(len(once)),
            "fell, no decay": float(num_fallen),
            "came back, no decay": float(sum(map(bool, map(returned, once)))),
            "seeds, decay .05": float(len(twice)),
            "fell, decay .05": float(sum(map(bool, map(fallen, twice)))),
            "came back, decay .05": float(num_back),
        },
        pictures=pictures,
        holds=workshop.quick or (num_fallen > 0 and num_back > 0),
    )


def fallen(story: Story) -> Turn | None:
    """The highest peak from which held-out accuracy fell."""
    peaks = falls(held_out(story), height=HEIGHT, least=LEAST)
    return max(peaks, key=lambda turn: turn.value, default=None)


def returned(story: Story) -> Turn | None:
    """The highest point to which it came back after a fall."""
    points = recoveries(held_out(story), height=HEIGHT, least=LEAST)
    return max(points, key=lambda turn: turn.value, default=None)


def _sentence(once: Sequence[Story], twice: Sequence[Story]) -> str:
    """How many seeds show what the article shows of one."""
    counts = [sum(map(bool, map(each, group))) for group in (once, twice) for each in _BOTH]
    return (
        f"without decay {counts[0]} of {len(once)} tiny networks fall from at least 50 % held-out "
        f"accuracy by a fifth of the pairs or more ({counts[1]} of them come back within "
        f"{once[0].last_step:,} steps); with decay .05 {counts[2]} of {len(twice)} fall and "
        f"{counts[3]} come back within {twice[0].last_step:,} steps (published: one seed each)."
    )


_BOTH = (fallen, returned)


def _row(name: str, story: Story) -> tuple[str, ...]:
    """One seed."""
    assert story.started is not None  # a sweep writes it
    peak, back = fallen(story), returned(story)
    after = [x for step, x in held_out(story) if peak and step >= peak.step]
    return (
        name,
        str(story.started.hyper_parameters["seed"]),
        _turn(peak),
        f"{min(after):.0%}" if after else "-",
        _turn(back),
        f"{last_accuracy(story):.0%}",
    )


def _turn(turn: Turn | None) -> str:
    """A turning point for a person."""
    return "-" if turn is None else f"{turn.value:.0%} at {turn.step:,}"
