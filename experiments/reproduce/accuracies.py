"""Accuracies of a run by step, and when they first reached a level."""

from collections.abc import Sequence

from grokwatch.monitor.story import Story

Points = list[tuple[int, float]]


def trained(story: Story) -> Points:
    """Train accuracy by step; 0 where nobody measured it."""
    return [(o.step, o.train_accuracy or 0.0) for o in story.observations]


def held_out(story: Story) -> Points:
    """Test accuracy by step; 0 where nobody measured it."""
    return [(e.step, e.test_accuracy or 0.0) for e in story.evaluations]


def first_step(points: Sequence[tuple[int, float]], level: float) -> int | None:
    """First step at or above a level, None where there is none.

    Example:
        >>> first_step([(10, 0.2), (20, 0.9), (30, 0.7)], 0.5)
        20
    """
    return next((step for step, value in points if value >= level), None)


def is_memorized_first(story: Story) -> bool:
    """Whether a run memorised, and had not generalised by then."""
    first, last = story.outcome.train_step, story.outcome.grokking_step
    return first is not None and (last is None or first < last)
