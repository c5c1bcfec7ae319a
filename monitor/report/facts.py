"""The figures of a run: how it stands, what watching it cost, and with what it was trained."""

import math
from itertools import pairwise

import msgspec

from grokwatch.monitor.records import RunStarted
from grokwatch.monitor.report.standing import RunStanding
from grokwatch.monitor.report.words import (
    UNKNOWN,
    interval,
    number,
    percent,
    stage_sentence,
    stage_word,
    thousands,
)
from grokwatch.monitor.story import Story
from grokwatch.monitor.text import in_one_line


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One figure: what it is, the figure, what to add; `term` is its word in `terms`."""

    label: str
    value: str
    note: str
    term: str = ""


def facts(story: Story, stands: RunStanding) -> tuple[Fact, ...]:
    """The figures at the top of a report.

    Args:
        story: of the run.
        stands: how it stands.

    Returns:
        The figures.
    """
    return (_chance(story), *_awaited(story, stands), _step(story), _accuracy(story),
            _stage(stands), _cost(story))  # fmt: skip


def cost_points(story: Story) -> list[tuple[int, float | None]]:
    """Share of the time since the first observation that measuring took, by step.

    The time between two attempts counts for neither.

    Args:
        story: of the run.

    Returns:
        Steps and shares; none where no cost was recorded.
    """
    seen = story.observations
    if not sum(each.cost_seconds for each in seen) > 0:
        return []
    points: list[tuple[int, float | None]] = []
    spent = elapsed = 0.0
    for before, each in pairwise(seen):
        if each.attempt == before.attempt:
            spent += each.cost_seconds
            elapsed += max(0.0, each.time - before.time)
        if elapsed > 0:
            points.append((each.step, spent / elapsed))
    return points


def hyper_parameters(started: RunStarted | None) -> tuple[tuple[str, str], ...]:
    """Names and values by name, in words.

    Args:
        started: how the run began.

    Returns:
        Pairs.
    """
    told = started.hyper_parameters if started else {}
    return tuple((in_one_line(name), in_one_line(number(told[name]))) for name in sorted(told))


def _chance(story: Story) -> Fact:
    told = [each for each in story.assessments if each.rise is not None]
    rise = told[-1].rise if told else None
    note = (
        f"within {rise.horizon_steps:,} steps, at step {told[-1].step:,}" if rise else "not known"
    )
    return Fact(
        label="Chance of a rise",
        value=percent(rise.probability if rise else None),
        note=note,
        term="chance of a rise",
    )


def _awaited(story: Story, stands: RunStanding) -> tuple[Fact, ...]:
    """When 95 % is expected; nothing where it has come."""
    if story.outcome.grokking_step is not None or stands.stage is None:
        return ()
    eta = story.assessments[-1].eta_steps
    return (
        Fact(
            label="95 % expected in",
            value=interval(eta.low, eta.high) if eta else UNKNOWN,
            note="steps from its last one" if eta else "not known",
            term="95 % expected",
        ),
    )


def _step(story: Story) -> Fact:
    budget = story.started.budget_steps if story.started else None
    note = f"of {budget:,}" if budget else "no budget known"
    return Fact(label="Last step", value=thousands(story.last_step), note=note)


def _accuracy(story: Story) -> Fact:
    test = [each.test_accuracy for each in story.evaluations if each.test_accuracy is not None]
    train = [each.train_accuracy for each in story.observations if each.train_accuracy is not None]
    last_train = percent(train[-1] if train else None)
    return Fact(
        label="Test accuracy",
        value=percent(test[-1] if test else None),
        note=f"at the end; {last_train} on training data",
    )


def _stage(stands: RunStanding) -> Fact:
    return Fact(
        label="Stage",
        value=stage_word(stands.stage),
        note=stage_sentence(stands.stage),
        term="stage",
    )


def _cost(story: Story) -> Fact:
    shares = [share for _, share in cost_points(story) if share is not None]
    seconds = sum(each.cost_seconds for each in story.observations)
    is_known = bool(shares) and math.isfinite(shares[-1])
    num = len(story.observations)
    return Fact(
        label="Cost of watching",
        value=f"{shares[-1]:.2%}".replace("%", "\N{NO-BREAK SPACE}%") if is_known else UNKNOWN,
        note=f"of the time: {seconds:.3g} s in {num:,} observations" if is_known else "not known",
        term="cost",
    )
