"""Who makes and takes records: predictors, sinks and alert hooks, as everybody else sees them."""

from collections.abc import Sequence
from typing import Protocol

from grokwatch.monitor.records import Alert, AnyRecord, Assessment, Evaluation, Observation


class Predictor(Protocol):
    """Judges a run from train-side observations alone, one at a time.

    Pure in its input: the same observations give the same assessments, bit for bit, also across
    `state` and `restore`. A missing signal must not crash it.
    """

    def update(self, observation: Observation, /) -> Assessment:
        """Take the next observation and judge."""
        ...

    def state(self) -> bytes:
        """Everything it remembers, as bytes without pickled classes."""
        ...

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`."""
        ...


class HeldOutPredictor(Protocol):
    """Judges with test metrics in view: the upper-bound baselines, and products labelled so."""

    def update(self, record: Observation | Evaluation, /) -> Assessment:
        """Take the next observation or evaluation and judge."""
        ...

    def state(self) -> bytes:
        """Everything it remembers, as bytes without pickled classes."""
        ...

    def restore(self, state: bytes, /) -> None:
        """Continue from `state()`."""
        ...


class Sink(Protocol):
    """Takes records to where people look. Fed from the journal, in order, at least once.

    `write` either takes all records or raises `SinkError`; the same records may then come again.
    `live` sinks show the present only: they are not caught up later from the journal.
    """

    live: bool

    def write(self, records: Sequence[AnyRecord], /) -> None:
        """Take records, or raise `SinkError`."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class AlertHook(Protocol):
    """Carries one alert to people or programs; raises `HookError` where it could not."""

    def fire(self, alert: Alert, /) -> None:
        """Deliver the alert, or raise `HookError`."""
        ...
