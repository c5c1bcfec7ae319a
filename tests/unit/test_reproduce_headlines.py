"""What pictures say is true of what they show, whatever that is."""

import math
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from grokwatch.experiments.palette import PALETTES, Palette
from grokwatch.experiments.reproduce import (
    drawing_bands,
    drawing_penalties,
    drawing_relapse,
    drawing_subnetworks,
    drawing_waves,
    drawing_ways,
)
from grokwatch.experiments.reproduce.other_ways_out import Attempt
from grokwatch.experiments.reproduce.parity_penalties import Penalized
from grokwatch.experiments.reproduce.subnetworks import Takeover
from grokwatch.experiments.reproduce.trajectory import Trajectory
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation
from grokwatch.monitor.story import Story, read_story
from grokwatch.monitor.vocabulary import Phase

STEPS = np.arange(5) * 100


def said(compose: Callable[[Figure, Palette], None]) -> tuple[str, str, str]:
    """Headline, subtitle and caption of a picture."""
    figure = Figure(figsize=(10, 8))
    compose(figure, PALETTES["light"])
    headline, subtitle, caption = (" ".join(text.get_text().split()) for text in figure.texts)
    return headline, subtitle, caption


def story(*accuracies: float) -> Story:
    records: list[AnyRecord] = []
    for step, value in enumerate(accuracies, 1):
        records += [
            Observation(run_id="r", step=step, time=0.0, train_loss=0.1, train_accuracy=1.0),
            Evaluation(run_id="r", step=step, time=0.0, test_accuracy=value),
        ]
    return read_story(records)


def test_ways_that_are_closed_are_not_said_to_help() -> None:
    flat = np.full(5, 0.5)
    seed = Attempt(way="x", steps=STEPS, train=flat, test=flat, memorized=None, generalized=None)
    found = {way: [seed] for way in ("small steps", "large steps", "dropout 0.2", "dropout 0.5")}
    headline, _, caption = said(partial(drawing_ways.compose, found=found, open_ways=[]))
    assert headline == "Ways out without weight decay: none of these"
    assert "help" not in caption
    assert "rise" not in caption


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ([Phase.CONFUSION, Phase.GROKKING, Phase.MEMORIZATION], "fail, grok, memorise"),
        ([Phase.MEMORIZATION, Phase.MEMORIZATION, Phase.GROKKING], "memorise, grok"),
        ([Phase.COMPREHENSION, Phase.CONFUSION, Phase.CONFUSION], "fit together, fail"),
        ([Phase.PARTIAL] * 3, "no phase has most seeds"),
    ],
)
def test_phases_are_named_in_the_order_in_which_they_came(order: list[Phase], words: str) -> None:
    phases = {decay: [phase] * 3 for decay, phase in zip((0.0, 0.1, 1.0), order, strict=True)}
    headline, _, caption = said(partial(drawing_bands.compose, phases=phases, stories=[]))
    assert headline == f"More weight decay: {words}"
    assert "shrinks" not in caption


def test_a_phase_without_most_seeds_is_left_out() -> None:
    mixed = [Phase.MEMORIZATION, Phase.GROKKING]
    phases = {0.0: mixed, 0.1: [Phase.GROKKING] * 2}
    assert drawing_bands.headline(phases) == "More weight decay: grok"


def test_penalties_are_described_by_what_they_left() -> None:
    weights = np.ones((5, 1, 2, 31), dtype=np.float32)
    course = Trajectory(STEPS, {"test_accuracy": np.full((5, 1), 0.5)}, {"hidden.weight": weights})
    best = {
        name: Penalized(penalty=name, strength=0.1, models=(0,), waits=(wait,), zeros=(zero,))
        for name, wait, zero in (("L1", math.inf, 0.02), ("L2", 450.0, 0.97))
    }
    found = list(best.values())
    compose = partial(drawing_penalties.compose, course=course, found=found, best=best)
    headline, _, caption = said(compose)
    assert headline == "L1: not in time, 2% emptied; L2: 450 steps, 97% emptied"
    assert "L1" not in caption
    assert "L2" not in caption


def test_networks_that_do_not_fall_are_not_said_to() -> None:
    runs = [story(0.1, 0.9, 0.9)]
    compose = partial(drawing_relapse.compose, once=runs, twice=runs, num_fallen=0, num_back=0)
    headline, _, _ = said(compose)
    assert headline == "Generalised, then memorised: 0 of 1 tiny networks; and back: 0 of 1"


def test_parts_that_solve_the_task_are_not_said_to_guess() -> None:
    good = np.ones(5)
    needed = np.full(5, 30)
    found = Takeover(
        penalty="L2", memorized=100, generalized=200, needed=needed, sparse=good, dense=good,
        between=30,
    )  # fmt: skip
    compose = partial(drawing_subnetworks.compose, steps=STEPS, found=[found], count=0)
    headline, _, caption = said(compose)
    assert headline == "A few neurons take over: 0 of 1 models that generalise"
    assert "only guess" not in caption
    assert "whether" in caption


@pytest.mark.parametrize(("gap", "words"), [(0.02, "1.1 degrees"), (1.5, "85.9 degrees")])
def test_phases_are_said_to_double_as_far_as_they_do(gap: float, words: str) -> None:
    losses = SimpleNamespace(**dict.fromkeys(("train", "test", "excluded", "restricted"), STEPS))
    waves = SimpleNamespace(
        frequencies=np.array([3]), phases=np.array([0.1]), amplitudes=np.array([1.0])
    )
    found = SimpleNamespace(
        gaps=np.array([gap]), random=np.array([1.5]), keys=(3,), pair=(1, 2), modulus=7,
        votes={3: np.arange(7.0)}, logits=np.arange(7.0), inputs=waves, outputs=waves,
        steps=STEPS + 1, losses=losses,
    )  # fmt: skip
    headline, _, caption = said(partial(drawing_waves.compose, found=found))  # type: ignore[arg-type]
    assert headline == f"Phases are doubled to within {words}; key frequencies: 1"
    assert "whether" in caption
    _, _, stars = said(partial(drawing_waves.compose_stars, found=found))  # type: ignore[arg-type]
    assert "twice as far" not in stars
