"""Who makes and takes records: predictors, sinks and alert hooks, as everybody else sees them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from grokwatch.monitor.health import Health
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import AnyRecord, Assessment, Evaluation, Observation


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """From which chances on alerts are raised; those of a rule, which are those of its own scale.

    Attributes:
        raise_at: GRK001 is raised from this probability on, ...
        clear_at: ... and taken back below this one.
        hold: observations in a row for both; 1 where the predictor holds its own evidence.
        give_up_at: GRK002 is raised up to this probability within the budget.
    """

    raise_at: float = 0.9
    clear_at: float = 0.5
    hold: int = 1
    give_up_at: float = 0.05


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


@runtime_checkable
class Levelled(Protocol):
    """A predictor whose levels were fitted together with it."""

    @property
    def levels(self) -> Levels:
        """From which chances on alerts are raised."""
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


@runtime_checkable
class ShowsHealth(Protocol):
    """A live sink that shows, beside records, how they fare on their way."""

    def watch(self, run_id: str, health: Callable[[], Health], *, budget: float | None) -> None:
        """Show the health of a run from its first record on; it is asked anew at each look.

        `budget` is the share of training time that watching may take, None for no limit.
        """
        ...


@runtime_checkable
class FileSink(Protocol):
    """A sink that shows files of a run beside its records."""

    def attach(self, run_id: str, path: Path, /) -> None:
        """Take a file of a run whose records it has, or raise `SinkError`; from any thread."""
        ...


class AlertHook(Protocol):
    """Carries one alert to people or programs; raises `HookError` where it could not.

    `repeat_seconds` is set where the receiver forgets: the service then fires an alert that is on
    again that often, and for five minutes after it resolved.
    """

    repeat_seconds: float | None

    def fire(self, notice: Notice, /) -> None:
        """Deliver the notice, or raise `HookError`."""
        ...
