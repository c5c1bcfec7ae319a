"""What a person sees while a demo trains: a progress bar, and a line when the predictor crosses."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from grokwatch.monitor.notice import Notice
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Stage


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Where a run stands; accuracies and probability in [0, 1], None where not known yet."""

    step: int
    train_accuracy: float | None = None
    test_accuracy: float | None = None
    stage: Stage | None = None
    probability: float | None = None

    def __str__(self) -> str:
        stage = self.stage.value.replace("_", " ") if self.stage else "starting"
        return (
            f"train {_percent(self.train_accuracy)}  test {_percent(self.test_accuracy)}  "
            f"{stage:<17}  p {_number(self.probability)}"
        )


Report: TypeAlias = Callable[[Reading], None]


class Announcer:
    """An alert hook that says one clear line when a run is called likely to grok.

    Args:
        show: takes the line; called from the thread that carries alerts.
        test_accuracy: gives the newest one at a step, to show how little it said there.
    """

    repeat_seconds: float | None = None

    def __init__(
        self, show: Callable[[str], None], test_accuracy: Callable[[int], float | None]
    ) -> None:
        self._show = show
        self._test_accuracy = test_accuracy

    def fire(self, notice: Notice, /) -> None:
        """Say it, if it is a warning that begins."""
        alert = notice.alert
        if alert.code is not AlertCode.LIKELY_GROKKING or alert.state is not AlertState.FIRING:
            return
        sure = alert.assessment.rise_probability if alert.assessment else None
        self._show(
            f">>> step {alert.step:,}: {alert.code.sentence} "
            f"(p {_number(sure)}, test {_percent(self._test_accuracy(alert.step)).strip()})"
        )


@contextmanager
def progress_bar(total: int) -> Iterator[Report]:
    """A bar on stderr for a run of `total` steps.

    Args:
        total: steps that the run will make.

    Yields:
        A function that moves the bar to a reading.
    """
    columns = (
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=5) as bar:
        task = bar.add_task("starting", total=total)

        def advance(reading: Reading) -> None:
            bar.update(task, completed=reading.step, description=str(reading))

        yield advance


@contextmanager
def progress_lines(total: int, show: Callable[[str], None], *, count: int = 10) -> Iterator[Report]:
    """Where there is no terminal: a line after each of `count` equal parts of a run.

    Args:
        total: steps that the run will make.
        show: takes one line at a time.
        count: of lines.

    Yields:
        A function that takes readings.
    """
    shown = 0

    def advance(reading: Reading) -> None:
        nonlocal shown
        if reading.step * count // total > shown:
            shown = reading.step * count // total
            show(f"step {reading.step:>7,}  {reading}")

    yield advance


def _percent(share: float | None) -> str:
    """A share as percent, rounded down so that 100 % means all; always six characters."""
    return "  -   " if share is None else f"{int(share * 1000) / 10:>5.1f}%"


def _number(probability: float | None) -> str:
    """A probability with two digits, or a dash."""
    return "-" if probability is None else f"{probability:.2f}"
