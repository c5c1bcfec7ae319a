"""The stages of a run, forward and back, as a table of stories through the watcher.

Transitions that can happen: each observation after memorization decides anew between PLATEAU,
CIRCUIT_FORMATION and CLEANUP, so that each can follow each; FITTING comes back by a rewind alone;
GENERALIZED comes from any of them by evaluations, and ends by a collapse or a rewind.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import pytest

from grokwatch.monitor.alerts import AlertPolicy
from grokwatch.monitor.predictors import load
from grokwatch.monitor.records import Evaluation, Observation, RunStarted, SignalInfo
from grokwatch.monitor.vocabulary import Stage
from grokwatch.monitor.watcher import Watcher

KEY = "inverse_participation_ratio.excess@input"
GRID = sorted({round(10 ** (k / 50)) for k in range(50, 226)})
"""Log-spaced steps from 10 to 31,623, fifty per decade."""

FITTING, PLATEAU, CIRCUIT, CLEANUP, GENERALIZED = Stage
Curve = Callable[[int], float]
Move = tuple[Stage, Stage]


class Story(NamedTuple):
    """A run drawn by hand: what is measured at each step of a path through the grid."""

    sparsity: Curve
    norm: Curve
    accuracy: Curve = lambda step: 0.1
    path: tuple[tuple[int, int], ...] = ((10, 40_000),)


def levels(*pairs: tuple[int, float]) -> Curve:
    """Steps from which on a curve has a value."""
    return lambda step: [value for start, value in pairs if step >= start][-1]


FLAT, LOW, FALLS = levels((0, 0.05)), levels((0, 60)), levels((0, 60), (6000, 40))
RISES = levels((0, 0.05), (2000, 0.3), (6000, 0.8))

STORIES = {
    "nothing happens": (Story(FLAT, LOW), [FITTING, PLATEAU]),
    "forward": (
        Story(RISES, FALLS, levels((0, 0.1), (10_000, 1.0))),
        [FITTING, PLATEAU, CIRCUIT, CLEANUP, GENERALIZED],
    ),
    "all at once": (
        Story(levels((0, 0.05), (2000, 0.8)), levels((0, 60), (2000, 40))),
        [FITTING, PLATEAU, CLEANUP],
    ),
    "the norm rises again": (
        Story(RISES, levels((0, 60), (6000, 40), (15_000, 59))),
        [FITTING, PLATEAU, CIRCUIT, CLEANUP, CIRCUIT],
    ),
    "the norm rises and falls again": (
        Story(RISES, levels((0, 60), (6000, 40), (12_000, 59), (20_000, 40))),
        [FITTING, PLATEAU, CIRCUIT, CLEANUP, CIRCUIT, CLEANUP],
    ),
    "structure is lost and found again": (
        Story(
            levels((0, 0.05), (2000, 0.3), (4000, 0.05), (8000, 0.3), (12_000, 0.8), (20_000, 0)),
            FALLS,
        ),
        [FITTING, PLATEAU, CIRCUIT, PLATEAU, CIRCUIT, CLEANUP, PLATEAU],
    ),
    "rewind into the plateau": (
        Story(RISES, FALLS, path=((10, 9000), (1000, 1500))),
        [FITTING, PLATEAU, CIRCUIT, CLEANUP, PLATEAU],
    ),
    "rewind to before memorization, and through it again": (
        Story(RISES, FALLS, path=((10, 9000), (100, 40_000))),
        [FITTING, PLATEAU, CIRCUIT, CLEANUP] * 2,
    ),
    "it generalizes without any sign": (
        Story(FLAT, LOW, levels((0, 0.1), (5000, 1.0))),
        [FITTING, PLATEAU, GENERALIZED],
    ),
    "it generalizes before it memorizes": (
        Story(FLAT, LOW, levels((0, 0.1), (50, 1.0)), path=((10, 150),)),
        [FITTING, GENERALIZED],
    ),
    "collapse takes it back to what the weights show": (
        Story(RISES, FALLS, levels((0, 0.1), (8000, 1.0), (15_000, 0.5))),
        [FITTING, PLATEAU, CIRCUIT, CLEANUP, GENERALIZED, CLEANUP],
    ),
    "collapse of structure and accuracy, and a relapse": (
        Story(
            levels((0, 0.05), (2000, 0.3), (12_000, 0.0)),
            LOW,
            levels((0, 0.1), (4000, 1.0), (15_000, 0.5), (25_000, 1.0)),
        ),
        [FITTING, PLATEAU, CIRCUIT, GENERALIZED, PLATEAU, GENERALIZED],
    ),
    "rewind to before generalization": (
        Story(RISES, FALLS, levels((0, 0.1), (8000, 1.0)), path=((10, 9500), (6500, 7900))),
        [FITTING, PLATEAU, CIRCUIT, CLEANUP, GENERALIZED, PLATEAU, CLEANUP],
    ),
    "rewind to before a collapse": (
        Story(
            RISES,
            FALLS,
            levels((0, 0.1), (8000, 1.0), (15_000, 0.5)),
            path=((10, 18_000), (12_000, 14_000)),
        ),
        [FITTING, PLATEAU, CIRCUIT, CLEANUP, GENERALIZED, CLEANUP, GENERALIZED],
    ),
}


def stages(story: Story) -> list[Stage]:
    """The stages that the watcher gives, each once per visit."""
    signals = tuple(
        SignalInfo(name=name, unit="", summary="")
        for name in ("inverse_participation_ratio", "weight_norm")
    )
    run = RunStarted(run_id="a", time=0.0, group="cyclic:67", signals=signals)
    watcher = Watcher(run, load("threshold:", run), AlertPolicy())
    seen = [watcher.stage]
    for first, last in story.path:
        for step in (step for step in GRID if first <= step <= last):
            watcher.consume(
                Observation(
                    run_id="a",
                    step=step,
                    time=0.0,
                    train_loss=0.1,
                    train_accuracy=float(step >= 200),
                    values={KEY: story.sparsity(step), "weight_norm": story.norm(step)},
                )
            )
            accuracy = story.accuracy(step)
            watcher.confirm(Evaluation(run_id="a", step=step, time=0.0, test_accuracy=accuracy))
            seen.append(watcher.stage)
    return [stage for n, stage in enumerate(seen) if n == 0 or stage is not seen[n - 1]]


@pytest.mark.parametrize("name", STORIES)
def test_a_run_goes_through_its_stages_and_back(name: str) -> None:
    story, expected = STORIES[name]
    assert stages(story) == expected


def test_the_table_shows_every_back_edge() -> None:
    moves = {move for _, expected in STORIES.values() for move in pairwise(expected)}
    back: set[Move] = {
        (CLEANUP, CIRCUIT),
        (CLEANUP, PLATEAU),
        (CIRCUIT, PLATEAU),
        (CLEANUP, FITTING),
        (GENERALIZED, CLEANUP),
        (GENERALIZED, PLATEAU),
    }
    forward: set[Move] = {
        (FITTING, PLATEAU),
        (PLATEAU, CIRCUIT),
        (PLATEAU, CLEANUP),
        (CIRCUIT, CLEANUP),
        (FITTING, GENERALIZED),
        (PLATEAU, GENERALIZED),
        (CIRCUIT, GENERALIZED),
        (CLEANUP, GENERALIZED),
    }
    assert moves == back | forward
