"""The article's main run: modular addition memorised in hundreds of steps, solved in ten thousands.

Five seeds take about seven minutes on one core, and two with five times the learning rate half of
one. The result holds where most seeds memorise before step 1,000, are below 10 % on held-out pairs
at ten times their memorization step, pass 95 % within the article's 50,000 steps, and lose a
quarter of the largest norm of their weights on the way.

The article multiplied in float64, and these stacks train in float32. Rounding stops learning where
the train loss comes near 6e-8, the distance of 1 from its neighbour: decay keeps it far above.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grokwatch.experiments.palette import Palette
from grokwatch.experiments.reproduce import milestones
from grokwatch.experiments.reproduce.accuracies import held_out
from grokwatch.experiments.reproduce.drawing_accuracies import draw_accuracies, draw_line
from grokwatch.experiments.reproduce.drawing_steps import (
    LEFT,
    RIGHT,
    frame,
    mark,
    set_shares,
    set_steps,
    write,
)
from grokwatch.experiments.reproduce.milestones import Milestone
from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.workshop import Workshop
from grokwatch.monitor.story import Story
from grokwatch.monitor.text import number

SPARSITY = "inverse_participation_ratio.excess@input"

MODULUS = 67
FLOAT32_STEP = 2.0**-24
"""The distance from 1 to the number below it: softmax cannot tell a smaller loss from none."""

ARTICLE = "1e-3"
FASTER = "5e-3"

MEMORIZED = Milestone("train accuracy .99", 300, milestones.trained(0.99))
GENERALIZED = Milestone("test accuracy .95", 40_100, milestones.tested(0.95))
TESTED = (
    Milestone("test accuracy .05", 26_400, milestones.tested(0.05)),
    Milestone("test accuracy .5", 38_800, milestones.tested(0.5)),
    GENERALIZED,
    Milestone("test accuracy .99", 40_800, milestones.tested(0.99)),
)
LEVELS = (0.05, 0.5, 0.95, 0.99)
PEAK_STEP = Milestone("norm is largest at", 1_100, milestones.peak_step)
PEAK = Milestone("largest norm", 53.7, milestones.peak_norm, digits=1)
LAST = Milestone("norm at the end", 28.9, milestones.last_norm, digits=1)
LOSS = Milestone(
    "largest test loss, nats", 102.6, lambda story: _nats(milestones.largest_loss(story)), digits=1
)
LOWEST = Milestone("lowest test accuracy", 0.004, milestones.lowest_accuracy, digits=3)
SOLVED = Milestone(
    "norm at the end, where solved", 28.9, lambda story: _norm_of_solved(story), digits=1
)
ALL = (MEMORIZED, LOWEST, *TESTED, LOSS, PEAK_STEP, PEAK, LAST, SOLVED)

_QUICK: Mapping[str, Mapping[str, object]] = {
    "model": {"embedding": 16},
    "run": {"steps": 60, "seeds": 2, "per_decade": 10},
}
_SOON, _LOW, _WAIT, _FALLEN = 1_000, 0.1, 10, 0.75


def run(workshop: Workshop) -> Finding:
    """Train the article's run and a faster one, over seeds, and lay the milestones side by side."""
    stories = {
        rate: workshop.stories(name, _QUICK)
        for rate, name in ((ARTICLE, "modular-addition"), (FASTER, "modular-addition-faster"))
    }
    pictures = workshop.draw("modular-addition", partial(compose, stories=stories), size=(10, 8.2))
    found = [is_reproduced(story) for story in stories[ARTICLE]]
    return Finding(
        sentence=sentence(stories),
        columns=("milestone", "published", *(f"lr {rate}" for rate in stories)),
        rows=milestones.rows(ALL, stories),
        figures=_figures(stories, found),
        pictures=pictures,
        holds=workshop.quick or 2 * sum(found) > len(found),
    )


def is_reproduced(story: Story) -> bool:
    """Whether one run is what the article shows, by the criterion above."""
    memorized, generalized = MEMORIZED.measure(story), GENERALIZED.measure(story)
    peak, last = PEAK.measure(story), LAST.measure(story)
    if memorized is None or generalized is None or peak is None or last is None:
        return False
    waiting = [e.test_accuracy for e in story.evaluations if e.step <= _WAIT * memorized]
    is_low = bool(waiting) and waiting[-1] is not None and waiting[-1] < _LOW
    return memorized < _SOON and is_low and last < _FALLEN * peak


def sentence(stories: Mapping[str, Sequence[Story]]) -> str:
    """Ours against the article's, in figures."""
    ours, faster = stories[ARTICLE], stories[FASTER]
    return (
        f"{len(milestones.reached(GENERALIZED, ours))} of {len(ours)} seeds pass 95 % on held-out "
        f"pairs within {ours[0].last_step:,} steps (published: one seed, at "
        f"{GENERALIZED.published:,.0f}), at {milestones.summary(GENERALIZED, ours)}. They memorise "
        f"at {milestones.summary(MEMORIZED, ours)} (published {MEMORIZED.published:,.0f}); the "
        f"norm rises to {milestones.summary(PEAK, ours)} (published {PEAK.published}), and ends "
        f"at {milestones.summary(SOLVED, ours)}, where they generalise (published "
        f"{SOLVED.published}). Train loss stays above {least_loss(ours):.2g} nats, "
        f"{least_loss(ours) / FLOAT32_STEP:,.0f} times what float32 rounds away. "
        f"Learning rate {FASTER}: {milestones.summary(GENERALIZED, faster)}."
    )


def least_loss(stories: Sequence[Story]) -> float:
    """The smallest train loss of all runs, nats for each pair."""
    found = [_nats(milestones.smallest_loss(story)) for story in stories]
    return min((x for x in found if x is not None), default=math.nan)


def _norm_of_solved(story: Story) -> float | None:
    """The norm at the end of a run that generalised."""
    return None if GENERALIZED.measure(story) is None else milestones.last_norm(story)


def _nats(loss: float | None) -> float | None:
    """The article's loss, which is a mean over classes too, as cross-entropy of a pair."""
    return None if loss is None else loss * MODULUS


def _figures(stories: Mapping[str, Sequence[Story]], found: Sequence[bool]) -> dict[str, float]:
    """The medians, where half of the runs have one, and how many there are."""
    figures = {"seeds": float(len(found)), "reproduced": float(sum(found))}
    figures["least train loss, nats"] = least_loss(stories[ARTICLE])
    for rate, group in stories.items():
        for each in ALL:
            value = milestones.middle(each, group)
            if math.isfinite(value):
                figures[f"{each.name}, lr {rate}"] = value
        figures[f"passed .95, lr {rate}"] = float(len(milestones.reached(GENERALIZED, group)))
    return figures


def headline(stories: Sequence[Story]) -> str:
    """When the median seed memorised and passed 95 %, and how many seeds that is about."""
    first, last = (milestones.reached(each, stories) for each in (MEMORIZED, GENERALIZED))
    parts = [
        f"{words} at step {number(round(median(steps)))}" if steps else f"not {words}"
        for words, steps in (("memorised", first), ("solved", last))
    ]
    text = f"{', '.join(parts)} ({len(last)} of {len(stories)} seeds)"
    return text[0].upper() + text[1:]


def compose(figure: Figure, palette: Palette, stories: Mapping[str, Sequence[Story]]) -> None:
    """Accuracies above, norm and sparsity below."""
    grid = figure.add_gridspec(
        2, 2, height_ratios=(1.2, 1), left=LEFT, right=RIGHT, top=0.86, bottom=0.125, hspace=0.36
    )
    ours = stories[ARTICLE]
    frame(
        figure,
        palette,
        headline=headline(ours),
        subtitle="One-hidden-layer network adds modulo 67 on 40 % of the pairs, lr 1e-3, decay 1; "
        "a line for each seed",
        caption="Look at the rings, which are the article's own run, and at what norm and sparsity "
        "do before the blue\nlines rise. A sparsity of 1 says that noise in the weights has become "
        "waves.",
    )
    _draw_accuracy(figure.add_subplot(grid[0, :]), stories, palette)
    _draw_norm(figure.add_subplot(grid[1, 0]), ours, palette)
    _draw_sparsity(figure.add_subplot(grid[1, 1]), ours, palette)


def _draw_accuracy(axes: Axes, stories: Mapping[str, Sequence[Story]], palette: Palette) -> None:
    """Train and test accuracy of all seeds, with the article's milestones."""
    for story in stories[FASTER]:
        draw_line(axes, held_out(story), palette.warning, 1.0)
    draw_accuracies(axes, stories[ARTICLE], palette)
    published = zip(TESTED, LEVELS, strict=True)
    points = [(MEMORIZED.published, 0.99), *((each.published, level) for each, level in published)]
    mark(axes, points, palette)
    _set(axes, stories[ARTICLE])
    set_shares(axes)
    axes.set_title("Accuracy, by training step")
    write(axes, "trained pairs", (0.36, 0.93), palette.train, of_axes=True)
    write(axes, "held-out pairs", (0.55, 0.1), palette.test, ha="center", of_axes=True)
    write(axes, f"held-out, lr {FASTER}", (0.52, 0.5), palette.warning, ha="right", of_axes=True)


def _draw_norm(axes: Axes, stories: Sequence[Story], palette: Palette) -> None:
    """Norm of all weights, with the article's largest and last."""
    for story in stories:
        draw_line(axes, list(zip(*milestones.norms(story), strict=True)), palette.ink, 1.2)
    mark(axes, [(PEAK_STEP.published, PEAK.published), (50_000, LAST.published)], palette)
    _set(axes, stories)
    axes.set_ylim(0, 66)
    axes.set_title("Norm of all weights")


def _draw_sparsity(axes: Axes, stories: Sequence[Story], palette: Palette) -> None:
    """Fourier sparsity of what a token adds to each neuron."""
    for story in stories:
        draw_line(axes, list(zip(*story.series(SPARSITY), strict=True)), palette.signal, 1.2)
    _set(axes, stories)
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks([0, 0.5, 1])
    axes.set_title("Fourier sparsity: 0 noise, 1 one wave per neuron")


def _set(axes: Axes, stories: Sequence[Story]) -> None:
    """The same steps in all panels."""
    set_steps(axes, min(50, stories[0].last_step), stories[0].last_step)
