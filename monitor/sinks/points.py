"""What a tracker is told of a run: records become points, parameters and tags.

Pure. Every point's time is its record's own, so that the same records sent again are the same
points, which a tracker that compares them keeps once.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
)
from grokwatch.monitor.sinks.sections import mlflow_key, plain_key
from grokwatch.monitor.vocabulary import RunStatus, Stage

T = TypeVar("T")

NOT_KNOWN = "-"
"""A tag whose value nobody can tell yet; MLflow's search can look for it."""

KEY_LENGTH = 240
"""Longest name of a parameter."""

TEXT_LENGTH = 500
"""Longest parameter or tag: 100 of them, each character escaped in JSON, stay under 1 MB."""


_BEYOND = 2**63  # steps and milliseconds are 64-bit integers


@dataclass(frozen=True)
class Point:
    """One value of one metric.

    Attributes:
        key: the metric's name in the tracker.
        value: the value, finite or not.
        time: seconds since 1970.
        step: optimiser updates made.
    """

    key: str
    value: float
    time: float
    step: int


@dataclass
class Batch:
    """What a sequence of records of one run comes to.

    Attributes:
        points: finite values, in order.
        parameters: hyper-parameters of the run, as text.
        tags: the newest text of each tag.
        num_non_finite: values left out because they were NaN or infinite, or at a time or step that
            no tracker can place.
    """

    points: list[Point] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    num_non_finite: int = 0

    def add(self, record: AnyRecord) -> None:
        """Take what a tracker shows of a record; weight frames it does not show."""
        match record:
            case RunStarted():
                self.parameters |= _parameters(record)
                self.tags |= _run_tags(record)
            case Observation():
                self._plot(_observed(record), record.step, record.time)
            case Evaluation():
                self._plot(_evaluated(record), record.step, record.time)
            case Assessment():
                self._plot(_assessed(record), record.step, record.time)
                self.tags |= _assessment_tags(record)
            case Alert():
                self.tags |= _alert_tags(record)
            case RunEnded():
                self.tags |= {"grokwatch.status": record.status.value}
                if record.message or record.attempt > 1:  # an earlier attempt's is over
                    self.tags["grokwatch.message"] = record.message

    def _plot(self, values: Iterable[tuple[str, float]], step: int, time: float) -> None:
        if not is_placeable(step, time):
            self.num_non_finite += len([*values])
            return
        num_non_finite = 0
        for key, value in values:
            if math.isfinite(value):
                self.points.append(Point(key, value, time, step))
            else:
                num_non_finite += 1
        if num_non_finite:
            key = "grokwatch cost/non_finite_values"
            self.points.append(Point(key, float(num_non_finite), time, step))
        self.num_non_finite += num_non_finite


def milliseconds(seconds: float) -> int | None:
    """A time as trackers keep it; None where they cannot.

    Example:
        >>> milliseconds(1.5), milliseconds(math.nan)
        (1500, None)
    """
    return round(seconds * 1000) if 0 <= seconds * 1000 < _BEYOND else None


def is_placeable(step: int, time: float) -> bool:
    """Whether a tracker can place a point; one that it refuses would hold up all behind it."""
    return milliseconds(time) is not None and -_BEYOND <= step < _BEYOND


def stage_number(stage: Stage) -> int:
    """Place of a stage in the order of time, 0 to 4.

    Example:
        >>> stage_number(Stage.CLEANUP)
        3
    """
    return tuple(Stage).index(stage)


def last_status(records: Sequence[AnyRecord]) -> tuple[RunStatus | None, float | None] | None:
    """How records leave a run.

    Args:
        records: of one run, in order.

    Returns:
        Its status, None for running again, and when it ended; or None where they say neither.
    """
    for record in reversed(records):
        if isinstance(record, RunEnded):
            return record.status, record.time
        if isinstance(record, RunStarted) and record.attempt > 1:
            return None, None
    return None


def clip(text: str) -> str:
    """At most `TEXT_LENGTH` characters that every database stores; a cut ends in an ellipsis.

    Example:
        >>> len(clip("x" * 10_000))
        500
    """
    text = text.replace("\0", "").encode("utf-8", "replace").decode()
    return text if len(text) <= TEXT_LENGTH else f"{text[: TEXT_LENGTH - 1]}…"


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut a sequence into parts of at most `size`, in order.

    Example:
        >>> list(chunks("abcde", 2))
        ['ab', 'cd', 'e']
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _observed(record: Observation) -> Iterator[tuple[str, float]]:
    yield "grokwatch/train_loss", record.train_loss
    if record.train_accuracy is not None:
        yield "grokwatch/train_accuracy", record.train_accuracy
    yield "grokwatch cost/observation_cost_seconds", record.cost_seconds
    if record.errors:
        yield "grokwatch cost/signal_errors", float(len(record.errors))
    yield from ((mlflow_key(key), value) for key, value in record.values.items())


def _evaluated(record: Evaluation) -> Iterator[tuple[str, float]]:
    if record.test_loss is not None:
        yield "grokwatch/test_loss", record.test_loss
    if record.test_accuracy is not None:
        yield "grokwatch/test_accuracy", record.test_accuracy


def _assessed(record: Assessment) -> Iterator[tuple[str, float]]:
    yield "grokwatch/stage", float(stage_number(record.stage))
    if record.probability is not None:
        yield "grokwatch/probability", record.probability
    if record.rise_probability is not None:
        yield "grokwatch/rise_probability", record.rise_probability
    if record.eta_steps is not None:
        yield "grokwatch/eta_low_steps", float(record.eta_steps.low)
        if record.eta_steps.high is not None:
            yield "grokwatch/eta_high_steps", float(record.eta_steps.high)


def _parameters(record: RunStarted) -> dict[str, str]:
    return {
        plain_key(key)[:KEY_LENGTH]: clip(str(value))
        for key, value in record.hyper_parameters.items()
    }


def _run_tags(record: RunStarted) -> dict[str, str]:
    tags = {
        "grokwatch.run_id": record.run_id,
        "grokwatch.attempt": str(record.attempt),
        "grokwatch.status": "running",
    }
    if record.budget_steps is not None:
        tags["grokwatch.budget_steps"] = str(record.budget_steps)
    if record.group is not None:
        tags["grokwatch.group"] = record.group
    if record.skipped:
        tags["grokwatch.skipped"] = ", ".join(signal.name for signal in record.skipped)
    return tags


def _assessment_tags(record: Assessment) -> dict[str, str]:
    return {
        "grokwatch.stage": record.stage.value,
        "grokwatch.probability": _chance(record.probability),
        "grokwatch.rise_probability": _chance(record.rise_probability),
    }


def _chance(probability: float | None) -> str:
    return NOT_KNOWN if probability is None else f"{probability:.3f}"


def _alert_tags(record: Alert) -> dict[str, str]:
    name = f"grokwatch.alert.{record.code.value}"
    return {
        name: record.state.value,
        f"{name}.id": record.id,
        f"{name}.step": str(record.step),
        f"{name}.message": record.message,
    }
