"""What happened in a run: read off its journal alone, told without claiming more than was seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from grokwatch.monitor.labels import label
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Evaluation,
    Observation,
    Outcome,
    RunEnded,
    RunStarted,
    WeightFrame,
)
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Phase

_Stepped = TypeVar("_Stepped", Observation, Evaluation, Assessment, WeightFrame)

_WARNED = (AlertCode.LIKELY_GROKKING, AlertState.FIRING)


@dataclass(frozen=True, kw_only=True)
class Story:
    """The records of one run, sorted by kind, and their label.

    Attributes:
        started: what its newest training said at its start, with the time of the first; None where
            the journal does not say.
        observations: train side, by step.
        evaluations: test side, by step.
        assessments: what the predictor said, by step.
        alerts: in the order they were raised.
        frames: weight matrices, by step.
        outcome: the label.
    """

    started: RunStarted | None
    observations: tuple[Observation, ...]
    evaluations: tuple[Evaluation, ...]
    assessments: tuple[Assessment, ...]
    alerts: tuple[Alert, ...]
    frames: tuple[WeightFrame, ...]
    outcome: Outcome

    @property
    def warning(self) -> Alert | None:
        """The first time the run was called likely to grok; later ones do not count."""
        raised = [a for a in self.alerts if (a.code, a.state) == _WARNED]
        return raised[0] if raised else None

    @property
    def cleared(self) -> Alert | None:
        """Where the first warning was taken back or ran out, if it was."""
        first = self.warning
        over = (AlertState.CLEARED, AlertState.EXPIRED)
        ends = [a for a in self.alerts if first and a.id == first.id and a.state in over]
        return ends[0] if ends else None

    @property
    def last_step(self) -> int:
        """Last step that anything was measured at."""
        steps = [o.step for o in self.observations] + [e.step for e in self.evaluations]
        return max(steps, default=0)

    @property
    def has_random_labels(self) -> bool:
        """Whether the run says that its answers were shuffled."""
        return bool(self.started and self.started.hyper_parameters.get("task.random_labels"))

    def series(self, key: str) -> tuple[list[int], list[float]]:
        """Steps and values of one signal, where it has a value."""
        points = [(o.step, o.values[key]) for o in self.observations if key in o.values]
        return [step for step, _ in points], [value for _, value in points]


def read_story(records: Iterable[AnyRecord], *, num_test_examples: int | None = None) -> Story:
    """Sort and label the records of one run.

    Args:
        records: of one run, as its journal gives them.
        num_test_examples: for the standard error of the plateau, see `labels.label`.

    Returns:
        The story.
    """
    kept = tuple(records)
    observations = _ordered(r for r in kept if isinstance(r, Observation))
    evaluations = _ordered(r for r in kept if isinstance(r, Evaluation))
    return Story(
        started=start_of(kept),
        observations=observations,
        evaluations=evaluations,
        assessments=_ordered(r for r in kept if isinstance(r, Assessment)),
        alerts=tuple(r for r in kept if isinstance(r, Alert)),
        frames=_ordered(r for r in kept if isinstance(r, WeightFrame)),
        outcome=label(observations, evaluations, num_test_examples=num_test_examples),
    )


def start_of(records: Iterable[AnyRecord]) -> RunStarted | None:
    """What a run says of itself: a training that went on may have another budget or other signals.

    Args:
        records: of one run, in order.

    Returns:
        The newest start that told what is measured, else the newest one, at the time of the first;
        None where there is none.
    """
    starts = [record for record in records if isinstance(record, RunStarted)]
    if not starts:
        return None
    # a training that ended before its first batch says nothing
    telling = [start for start in starts if start.signals] or starts
    return msgspec.structs.replace(telling[-1], time=starts[0].time)


def newest(records: Iterable[AnyRecord]) -> list[AnyRecord]:
    """The run as it stands: where an attempt went back, what it trained again replaces the first.

    Args:
        records: all records of one run, in order.

    Returns:
        The records without those of an earlier attempt at or after the first step of a later one.
    """
    every = list(records)
    begins: dict[int, int] = {}
    for record in every:
        step = getattr(record, "step", None)
        if step is not None and not isinstance(record, RunEnded):  # an end trained nothing again
            begins[record.attempt] = min(step, begins.get(record.attempt, step))
    return [record for record in every if not _replaced(record, begins)]


def _replaced(record: AnyRecord, begins: dict[int, int]) -> bool:
    step = getattr(record, "step", None)
    later = [first for attempt, first in begins.items() if attempt > record.attempt]
    return step is not None and any(step >= first for first in later)


def tell(story: Story) -> list[str]:
    """One sentence for each thing that happened, or was looked for and not seen.

    Args:
        story: of one run.

    Returns:
        Lines, in the order in which one asks: memorization, warning, onset, 95 %, leads.
    """
    outcome = story.outcome
    lines = [_memorized(story), _warned(story), _began(story), _passed(story)]
    warning = story.warning
    if warning is not None:
        lines += [
            _lead(warning.step, step, name)
            for step, name in (
                (outcome.onset_step, "test accuracy began to rise"),
                (outcome.grokking_step, "it passed 95 %"),
            )
            if step is not None
        ]
    lines += [] if (verdict := _verdict(story)) is None else [verdict]
    return lines


def _memorized(story: Story) -> str:
    """When the training data were learned."""
    step = story.outcome.train_step
    if step is None:
        return f"not memorised by step {story.last_step:,}"
    return f"memorised at step {step:,}"


def _warned(story: Story) -> str:
    """When the predictor spoke, and how sure it was."""
    warning = story.warning
    if warning is None:
        return f"no warning by step {story.last_step:,}"
    sure = warning.assessment and warning.assessment.rise_probability
    line = f"warned at step {warning.step:,}" + (f" (p = {sure:.2f})" if sure is not None else "")
    taken_back = story.cleared
    if taken_back is None:
        return line
    verb = "taken back" if taken_back.state is AlertState.CLEARED else "expired"
    return f"{line}, {verb} at step {taken_back.step:,}"


def _began(story: Story) -> str:
    """When test accuracy left its plateau."""
    step = story.outcome.onset_step
    if step is None:
        return f"test accuracy did not begin to rise by step {story.last_step:,}"
    return f"test accuracy began to rise at step {step:,}"


def _passed(story: Story) -> str:
    """When test accuracy passed 95 %, or how far it came."""
    step = story.outcome.grokking_step
    if step is not None:
        return f"passed 95 % at step {step:,}"
    measured = [e.test_accuracy for e in story.evaluations if e.test_accuracy is not None]
    reached = f"; it stood at {measured[-1]:.1%}" if measured else ""
    return f"test accuracy did not pass 95 % by step {story.last_step:,}{reached}"


def _lead(warned: int, step: int, event: str) -> str:
    """How long before, or after, an event the warning came."""
    if step > warned:
        return f"lead: {step - warned:,} steps before {event}"
    return f"no lead: {warned - step:,} steps after {event}"


def _verdict(story: Story) -> str | None:
    """What the warning, or the silence, was worth; None where the lines above say it."""
    generalized = story.outcome.grokking_step is not None
    if story.has_random_labels and story.warning is None:
        return "silence was right: the answers are shuffled, there was nothing to generalise"
    if story.warning is not None and not generalized:
        return f"the warning did not come true by step {story.last_step:,}"
    if story.warning is None and generalized:
        return "missed: it generalised without a warning"
    if story.outcome.phase is Phase.MEMORIZATION:
        return f"silence, so far right: flat until step {story.last_step:,}; nobody knows beyond"
    return None


def _ordered(records: Iterable[_Stepped]) -> tuple[_Stepped, ...]:
    """By step; of one step, as they came."""
    return tuple(sorted(records, key=lambda record: record.step))
