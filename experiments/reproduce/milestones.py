"""Steps at which a run reaches what the article's own run reached, for tables side by side."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from grokwatch.experiments.reproduce import accuracies
from grokwatch.experiments.reproduce.accuracies import first_step
from grokwatch.monitor.story import Story
from grokwatch.monitor.text import number


@dataclass(frozen=True)
class Milestone:
    """Something that the article's run reached.

    Attributes:
        name: for a table.
        published: the article's step or value.
        measure: the same of a run of ours, None where it was not reached.
        digits: behind the point.
    """

    name: str
    published: float
    measure: Callable[[Story], float | None]
    digits: int = 0


def trained(level: float) -> Callable[[Story], float | None]:
    """Measures the first step with that train accuracy."""
    return lambda story: first_step(accuracies.trained(story), level)


def tested(level: float) -> Callable[[Story], float | None]:
    """Measures the first step with that test accuracy, at or after memorization."""

    def measure(story: Story) -> float | None:
        start = story.outcome.train_step or 0
        return first_step([p for p in accuracies.held_out(story) if p[0] >= start], level)

    return measure


def norms(story: Story) -> tuple[Sequence[int], Sequence[float]]:
    """Steps, and the norm of all weights at them."""
    return story.series("weight_norm")


def peak_norm(story: Story) -> float | None:
    """The largest norm of all weights."""
    return max(norms(story)[1], default=None)


def peak_step(story: Story) -> float | None:
    """The step with the largest norm of all weights."""
    steps, values = norms(story)
    return max(zip(values, steps, strict=True))[1] if values else None


def last_norm(story: Story) -> float | None:
    """The norm of all weights at the end."""
    return norms(story)[1][-1] if norms(story)[1] else None


def lowest_accuracy(story: Story) -> float | None:
    """The lowest test accuracy after memorization."""
    start = story.outcome.train_step or 0
    found = [e.test_accuracy for e in story.evaluations if e.step >= start]
    return min((x for x in found if x is not None), default=None)


def largest_loss(story: Story) -> float | None:
    """The largest test loss, in the unit of the run's loss."""
    found = [e.test_loss for e in story.evaluations]
    return max((x for x in found if x is not None), default=None)


def smallest_loss(story: Story) -> float | None:
    """The smallest train loss, in the unit of the run's loss."""
    return min((o.train_loss for o in story.observations), default=None)


def last_accuracy(story: Story) -> float:
    """Test accuracy at the end; NaN where nobody measured it."""
    accuracy = story.evaluations[-1].test_accuracy if story.evaluations else None
    return math.nan if accuracy is None else accuracy


def last_value(story: Story, key: str) -> float:
    """The last value of a signal; NaN where it has none."""
    values = story.series(key)[1]
    return values[-1] if values else math.nan


def rows(
    milestones: Sequence[Milestone], groups: Mapping[str, Sequence[Story]]
) -> tuple[tuple[str, ...], ...]:
    """A row for each milestone: its name, published, and for each group of runs median and range.

    Args:
        milestones: in order.
        groups: heading -> runs that differ in their seeds.

    Returns:
        Cells.
    """
    return tuple(
        (
            each.name,
            _written(each.published, each.digits),
            *(summary(each, stories) for stories in groups.values()),
        )
        for each in milestones
    )


def summary(milestone: Milestone, stories: Sequence[Story]) -> str:
    """Median, least and most over the runs that reached it, and how many those are."""
    found = reached(milestone, stories)
    if not found:
        return f"- (0 of {len(stories)})"
    low, middle, high = (_written(f(found), milestone.digits) for f in (min, median, max))
    several = f"{middle} ({low} to {high})" if len(found) > 1 else middle
    return several if len(found) == len(stories) else f"{several}, {len(found)} of {len(stories)}"


def reached(milestone: Milestone, stories: Sequence[Story]) -> list[float]:
    """What was measured where it was reached."""
    found = (milestone.measure(story) for story in stories)
    return [x for x in found if x is not None and math.isfinite(x)]


def middle(milestone: Milestone, stories: Sequence[Story]) -> float:
    """Median over all runs; infinite where fewer than half of them reached it."""
    found = reached(milestone, stories)
    return median([*found, *[math.inf] * (len(stories) - len(found))])


def _written(value: float, digits: int) -> str:
    """A step or a value for a person."""
    return f"{value:.{digits}f}" if digits else number(round(value))
