"""What happened in a run, as marks on its charts: events, stages, and the life of each alert."""

from collections.abc import Iterator

import msgspec

from grokwatch.monitor.report.words import stage_sentence, stage_word
from grokwatch.monitor.story import Story
from grokwatch.monitor.text import in_one_line
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Stage

_FIRING = AlertState.FIRING


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """One event.

    `kind` is `memorization`, `warning`, `onset`, `grokking`, `alarm` or `cleared`.
    """

    step: int
    kind: str
    label: str


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Steps from `first` to `last` in one stage."""

    stage: str
    word: str
    sentence: str
    first: int
    last: int


class AlertLife(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, through the states it was in."""

    code: str
    sentence: str
    message: str
    spared: bool
    states: tuple[tuple[str, int], ...]


def markers(story: Story) -> tuple[Marker, ...]:
    """Events by step.

    Args:
        story: of the run.

    Returns:
        The events; of several that are the same, the first.
    """
    found = sorted([*_labelled(story), *_alarmed(story)], key=lambda each: each.step)
    return tuple(dict.fromkeys(found))


def spans(story: Story) -> tuple[Span, ...]:
    """The stages a run went through, as judged; generalised from where its evaluations say so.

    Args:
        story: of the run.

    Returns:
        Spans by step, each up to where the next begins.
    """
    grokked = story.outcome.grokking_step
    points = [(each.step, each.stage) for each in story.assessments]
    if grokked is not None:
        points = [p for p in points if p[0] < grokked] + [(grokked, Stage.GENERALIZED)]
    begins = [p for place, p in enumerate(points) if not place or points[place - 1][1] is not p[1]]
    ends = [step for step, _ in begins[1:]] + [story.last_step]
    return tuple(
        Span(
            stage=stage.value,
            word=stage_word(stage.value),
            sentence=stage_sentence(stage.value),
            first=first,
            last=last,
        )
        for (first, stage), last in zip(begins, ends, strict=False)
    )


def lives(story: Story) -> tuple[AlertLife, ...]:
    """Every alert once, with the states it was in.

    Args:
        story: of the run.

    Returns:
        Alerts in the order in which they were raised.
    """
    found = []
    for first in {alert.id: alert for alert in reversed(story.alerts)}.values():
        states = [each for each in story.alerts if each.id == first.id]
        found.append(
            AlertLife(
                code=first.code.value,
                sentence=first.code.sentence,
                message=in_one_line(states[-1].message.removeprefix(f"{first.run_id}: ")),
                spared=states[-1].spared,
                states=tuple((each.state.value, each.step) for each in states),
            )
        )
    return tuple(sorted(found, key=lambda life: life.states[0][1]))


def _labelled(story: Story) -> Iterator[Marker]:
    outcome = story.outcome
    for step, kind, label in (
        (outcome.train_step, "memorization", "memorised"),
        (outcome.onset_step, "onset", "onset"),
        (outcome.grokking_step, "grokking", "generalised"),
    ):
        if step is not None:
            yield Marker(step=step, kind=kind, label=label)


def _alarmed(story: Story) -> Iterator[Marker]:
    warning = story.warning
    for alert in story.alerts:
        if warning is not None and alert is warning:
            yield Marker(step=alert.step, kind="warning", label="warning")
        elif alert.state is _FIRING:
            label = "warned again" if alert.code is AlertCode.LIKELY_GROKKING else alert.code.value
            yield Marker(step=alert.step, kind="alarm", label=label)
        elif alert.state is not AlertState.CONFIRMED:
            yield Marker(step=alert.step, kind="cleared", label=f"{alert.code.value} ends")
