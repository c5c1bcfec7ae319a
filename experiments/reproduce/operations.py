"""Which operations a network finds, and which it only learns by heart.

The published runs are transformers modulo 97 with 100,000 steps and more. Here a network with one
hidden layer and an embedding for each place learns modulo 29, on 60 % of all ordered pairs, for
2,500 steps. Composition of permutations stands beside it as an operation where order matters, for
6,000 steps, and shuffled answers as one that cannot be found. Three minutes on one core.

The result holds where the majority of seeds pass 95 % of held-out pairs with add, sub, mul, div and
x^2+y^2, and no seed does with x^2+xy+y^2 nor with shuffled answers, though all seeds memorise both.
A first look at one seed of four operations came before this criterion.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce.accuracies import is_memorized_first
from grokwatch.experiments.reproduce.drawing_accuracies import draw_accuracies
from grokwatch.experiments.reproduce.drawing_steps import (
    LEFT,
    RIGHT,
    frame,
    set_shares,
    set_steps,
    write,
)
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.workshop import Changes, Workshop
from grokwatch.monitor.story import Story
from grokwatch.monitor.text import number

Groups = Mapping[str, Sequence[Story]]

NAMES: Mapping[str, str] = {
    "add": "x + y",
    "sub": "x - y",
    "mul": "x y",
    "div": "x / y",
    "x^2+y^2": "x² + y²",
    "x^2+xy+y^2": "x² + x y + y²",
}
COMPOSITION = "composition in S4"
SHUFFLED = "shuffled answers"
HARD = (NAMES["x^2+xy+y^2"], SHUFFLED)

_QUICK: Changes = {
    "task": {"modulus": 7, "operation": ["add", "x^2+xy+y^2"]},
    "run": {"steps": 20, "seeds": 1, "per_decade": 10},
}
_QUICK_COMPOSITION: Changes = {"task": {"degree": 3}, "run": {"steps": 20, "seeds": 1}}
_QUICK_SHUFFLED: Changes = {"task": {"modulus": 7}, "run": {"steps": 20, "seeds": 1}}


def run(workshop: Workshop) -> Finding:
    """Train every operation, and count the seeds that find it."""
    groups: dict[str, list[Story]] = {}
    for story in workshop.stories("operations", _QUICK):
        assert story.started is not None
        operation = str(story.started.hyper_parameters["task.operation"])
        groups.setdefault(NAMES[operation], []).append(story)
    groups = {name: groups[name] for name in NAMES.values() if name in groups}
    groups[COMPOSITION] = workshop.stories("operations-composition", _QUICK_COMPOSITION)
    groups[SHUFFLED] = workshop.stories("operations-shuffled", _QUICK_SHUFFLED)
    pictures = workshop.draw("operations", partial(compose, groups=groups), size=(10, 11))
    return Finding(
        sentence=sentence(groups),
        columns=("operation", "memorised at", "found at", "seeds that find it", "last test"),
        rows=tuple(_row(name, stories) for name, stories in groups.items()),
        figures={
            **{f"found, {name}": float(len(_found(group))) for name, group in groups.items()},
            **{f"last test accuracy, {name}": _last(group) for name, group in groups.items()},
        },
        pictures=pictures,
        holds=workshop.quick or is_reproduced(groups),
    )


def is_reproduced(groups: Groups) -> bool:
    """Whether the easy operations are found and the hard ones are not, by the criterion above."""
    easy = [name for name in groups if name not in (*HARD, COMPOSITION)]
    memorized = all(s.outcome.train_step is not None for name in HARD for s in groups[name])
    return (
        memorized
        and all(2 * len(_found(groups[name])) > len(groups[name]) for name in easy)
        and not any(_found(groups[name]) for name in HARD)
    )


def sentence(groups: Groups) -> str:
    """Who is found when, and who is not."""
    found = "; ".join(
        f"{name} in {len(_found(stories))} of {len(stories)} seeds"
        + (f", at step {number(round(median(_found(stories))))}" if _found(stories) else "")
        for name, stories in groups.items()
    )
    hard = HARD[0]
    return (
        f"95 % of held-out examples are passed by {found}. {hard} is memorised at step "
        f"{_memorized(groups[hard])} and stands at {_last(groups[hard]):.1%} at step "
        f"{number(groups[hard][0].last_step)}."
    )


def headline(groups: Groups) -> str:
    """How many tables most seeds find, and how many all seeds first learn by heart."""
    found = sum(2 * len(_found(stories)) > len(stories) for stories in groups.values())
    first = sum(all(map(is_memorized_first, stories)) for stories in groups.values())
    return f"{found} of {len(groups)} tables are found, {first} are learned by heart first"


def compose(figure: Figure, palette: Palette, groups: Groups) -> None:
    """A panel for each operation."""
    grid = figure.add_gridspec(
        4, 2, left=LEFT, right=RIGHT, top=0.895, bottom=0.09, hspace=0.42, wspace=0.16
    )
    frame(
        figure,
        palette,
        headline=headline(groups),
        subtitle="Accuracy by training step, modulo 29 and on 24 permutations; three fifths of all "
        "pairs are trained",
        caption="Look for the panels without a blue rise. Published is one, x² + x y + y²; with "
        "shuffled answers\nthere is nothing to find.",
    )
    for at, (name, stories) in enumerate(groups.items()):
        axes = figure.add_subplot(grid[at // 2, at % 2])
        _draw(axes, stories, palette)
        axes.set_title(name)
        if at == 0:
            write(axes, "trained", (0.36, 0.6), palette.train, ha="right", of_axes=True)
            write(axes, "held-out", (0.78, 0.6), palette.test, ha="right", of_axes=True)


def _draw(axes: Axes, stories: Sequence[Story], palette: Palette) -> None:
    """Train and test accuracy of all seeds."""
    draw_accuracies(axes, stories, palette)
    set_steps(axes, 1, stories[0].last_step)
    set_shares(axes)


def _found(stories: Sequence[Story]) -> list[int]:
    """Grokking steps of the seeds that passed 95 % of the held-out examples."""
    steps = (story.outcome.grokking_step for story in stories)
    return [step for step in steps if step is not None]


def _memorized(stories: Sequence[Story]) -> str:
    """Median step of memorising."""
    steps = [s.outcome.train_step for s in stories if s.outcome.train_step is not None]
    return number(round(median(steps))) if steps else "-"


def _last(stories: Sequence[Story]) -> float:
    """Median test accuracy at the end."""
    return median(story.evaluations[-1].test_accuracy or 0.0 for story in stories)


def _row(name: str, stories: Sequence[Story]) -> tuple[str, ...]:
    """A row of the table."""
    found = _found(stories)
    return (
        name,
        _memorized(stories),
        number(round(median(found))) if found else "-",
        f"{len(found)} of {len(stories)}",
        f"{_last(stories):.1%}",
    )
