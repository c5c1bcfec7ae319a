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
from grokwatch.monitor.sinks.names import mlflow_key
from grokwatch.monitor.vocabulary import RunStatus, Stage

T = TypeVar("T")

TEXT_LENGTH = 500
"""Longest parameter or tag: 100 of them, each character escaped in JSON, stay under 1 MB."""


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
        num_non_finite: values left out because they were NaN or infinite.
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
                self.tags["grokwatch.stage"] = record.stage.value
            case Alert():
                self.tags |= _alert_tags(record)
            case RunEnded():
                self.tags |= {"grokwatch.status": record.status.value}
                if record.message or record.attempt > 1:  # an earlier attempt's is over
                    self.tags["grokwatch.message"] = record.message

    def _plot(self, values: Iterable[tuple[str, float]], step: int, time: float) -> None:
        num_non_finite = 0
        for key, value in values:
            if math.isfinite(value):
                self.points.append(Point(key, value, time, step))
            else:
                num_non_finite += 1
        if num_non_finite:
            key = "grokwatch/non_finite_values"
            self.points.append(Point(key, float(num_non_finite), time, step))
        self.num_non_finite += num_non_finite


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
    yield "grokwatch/observation_cost_seconds", record.cost_seconds
    if record.errors:
        yield "grokwatch/signal_errors", float(len(record.errors))
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
        mlflow_key(key).removeprefix("grokwatch/"): clip(str(value))
        for key, value in record.hyper_parameters.items()
    }


def _run_tags(record: RunStarted) -> dict[str, str]:
    tags = {"grokwatch.run_id": record.run_id, "grokwatch.attempt": str(record.attempt)}
    if record.budget_steps is not None:
        tags["grokwatch.budget_steps"] = str(record.budget_steps)
    if record.group is not None:
        tags["grokwatch.group"] = record.group
    if record.skipped:
        tags["grokwatch.skipped"] = ", ".join(signal.name for signal in record.skipped)
    return tags


def _alert_tags(record: Alert) -> dict[str, str]:
    name = f"grokwatch.alert.{record.code.value}"
    return {
        name: record.state.value,
        f"{name}.step": str(record.step),
        f"{name}.message": record.message,
    }
