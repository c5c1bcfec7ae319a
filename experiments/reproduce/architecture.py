"""Which ways to write the same network down generalise, and how circular their weights become.

Eight architectures and two seeds each, about four minutes on one core. The result holds where
most tied, factored networks generalise (test accuracy .95 at the end); no network of two direct
matrices does; and a hidden layer for each token instead of a shared one leaves the weights less
circular, in the median over seeds, for tied and for untied embeddings.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from statistics import median

from grokwatch.experiments.reproduce.drawing_architecture import GENERALIZED, SPARSITY, compose
from grokwatch.experiments.reproduce.milestones import last_accuracy, last_value
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.workshop import Workshop
from grokwatch.monitor.story import Story
from grokwatch.monitor.text import number

TIED = "tied"
DIRECT = "direct in and out"

_GRIDS = ("architecture-factored", "architecture-collapsed")
_QUICK: Mapping[str, Mapping[str, object]] = {
    "model": {"embedding": 8},
    "run": {"steps": 20, "seeds": 1, "per_decade": 6},
}
_SHARE = "dominant_share.excess@input"


def run(workshop: Workshop) -> Finding:
    """Train all architectures over seeds, and count who generalises and who is circular."""
    groups: dict[str, list[Story]] = {}
    for name in _GRIDS:
        for story in workshop.stories(name, _QUICK):
            groups.setdefault(named(story), []).append(story)
    groups = {name: groups[name] for name in ORDER}
    pictures = workshop.draw("architecture", partial(compose, groups=groups), size=(10, 6.6))
    return Finding(
        sentence=_sentence(groups),
        columns=("architecture", "generalised", "memorised", "test .95 at", "sparsity", "one wave"),
        rows=tuple(_row(name, stories) for name, stories in groups.items()),
        figures=dict(_figures(groups)),
        pictures=pictures,
        holds=workshop.quick or holds(groups),
    )


_NAMES: Mapping[tuple[object, ...], str] = {
    ("tied", False, False, False): TIED,
    ("tied", True, False, False): "tied, separate",
    ("input_tied", False, False, False): "input-tied",
    ("untied", False, False, False): "untied",
    ("untied", True, False, False): "untied, separate",
    ("input_tied", False, True, False): "direct in",
    ("input_tied", False, False, True): "direct out",
    ("input_tied", False, True, True): DIRECT,
}

ORDER = tuple(_NAMES.values())
"""Architectures from most to least that is shared."""


def named(story: Story) -> str:
    """The architecture of a run."""
    assert story.started is not None  # a sweep writes it
    options = story.started.hyper_parameters
    keys = ("embeddings", "separate", "collapsed_input", "collapsed_output")
    return _NAMES[tuple(options[f"model.{key}"] for key in keys)]


def generalized(stories: Sequence[Story]) -> int:
    """How many runs generalise, at the end."""
    return sum(last_accuracy(story) >= GENERALIZED for story in stories)


def circularity(stories: Sequence[Story], key: str = SPARSITY) -> float:
    """Fourier sparsity of the input weights at the end, median over runs."""
    return median(last_value(story, key) for story in stories)


def holds(groups: Mapping[str, Sequence[Story]]) -> bool:
    """The criterion above."""
    tied = groups[TIED]
    shared = all(
        circularity(groups[f"{name}, separate"]) < circularity(groups[name])
        for name in (TIED, "untied")
    )
    return 2 * generalized(tied) > len(tied) and generalized(groups[DIRECT]) == 0 and shared


def _sentence(groups: Mapping[str, Sequence[Story]]) -> str:
    """Who generalises, and who is circular."""
    counts = [f"{name} {generalized(runs)} of {len(runs)}" for name, runs in groups.items()]
    steps = groups[TIED][0].last_step
    pairs = [
        f"{name} {circularity(groups[name]):.2f} shared and "
        f"{circularity(groups[f'{name}, separate']):.2f} separate"
        for name in (TIED, "untied")
    ]
    return (
        f"within {steps:,} steps these generalise: {'; '.join(counts)} (published: two direct "
        f"matrices never). Fourier sparsity of the input weights at the end: {'; '.join(pairs)} "
        "(published: separate ones are less circular)."
    )


def _row(name: str, stories: Sequence[Story]) -> tuple[str, ...]:
    """What became of one architecture."""
    steps = [s.outcome.grokking_step for s in stories if s.outcome.grokking_step is not None]
    memorized = sum(story.outcome.train_step is not None for story in stories)
    return (
        name,
        f"{generalized(stories)} of {len(stories)}",
        f"{memorized} of {len(stories)}",
        number(round(median(steps))) if steps else "-",
        f"{circularity(stories):.2f}",
        f"{circularity(stories, _SHARE):.2f}",
    )


def _figures(groups: Mapping[str, Sequence[Story]]) -> Iterator[tuple[str, float]]:
    """Counts and medians by name."""
    for name, stories in groups.items():
        yield f"generalised, {name}", generalized(stories) / len(stories)
        yield f"sparsity, {name}", circularity(stories)
