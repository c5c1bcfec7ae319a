"""One training in rounds, watched without a budget, with every reading and every step timed.

Time is that of the processor in the one thread that trains: who else runs meanwhile does not count.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low

from torch import Tensor

from grokwatch.callbacks.base import Callback
from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.experiments.counting import Done
from grokwatch.experiments.modules import hushed
from grokwatch.experiments.threads import one_thread
from grokwatch.experiments.workloads import Workload, fit
from grokwatch.monitor.records import Observation, RunStarted
from grokwatch.monitor.schedule import every
from grokwatch.monitor.sinks import RecordingSink
from grokwatch.monitor.snapshot import Readings, Signal, Snapshot

WARM_UP = 2

clock = time.thread_time


class Stopwatch:
    """Times calls by the step in which they happen.

    Attributes:
        seconds: name -> step -> seconds.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, dict[int, float]] = defaultdict(dict)

    def timed(self, signal: Signal) -> Signal:
        """The same signal, timed under its name."""

        def read(snapshot: Snapshot) -> Readings:
            begin = clock()
            readings = signal.read(snapshot)
            self.seconds[signal.name][snapshot.step] = clock() - begin
            return readings

        return replace(signal, read=read)


class Every(Callback):
    """Calls and times `action(module)` after the update before every multiple of `steps`.

    Args:
        name: under which it is timed.
        action: takes the LightningModule, whose gradients are still there.
        steps: of a round, at least 4; the step before the multiple is the monitor's.
        stopwatch: keeps the times, each under the multiple.
    """

    def __init__(
        self, name: str, action: Callable[..., object], steps: int, stopwatch: Stopwatch
    ) -> None:
        self._name = name
        self._action = action
        self._steps = steps
        self._stopwatch = stopwatch

    def on_train_batch_end(self, trainer: object, module: object, *_: object) -> None:
        """Do it, where it is due."""
        step: int = trainer.global_step  # type: ignore[attr-defined]
        if (step + 1) % self._steps == 0:
            begin = clock()
            self._action(module)
            self._stopwatch.seconds[self._name][step + 1] = clock() - begin


class RoundLoader:
    """Hands out one batch for a number of rounds, and times the steps.

    Args:
        batch: of every step.
        steps: of a round, at least 4.
        rounds: how many.
        done: told of each.

    Attributes:
        step_seconds: lower median of a round's steps, by the last step of the round: an observation
            falls into one of them, and a trainer that fetches batches ahead decides into which.
    """

    def __init__(self, batch: tuple[Tensor, ...], steps: int, rounds: int, done: Done) -> None:
        self.step_seconds: dict[int, float] = {}
        self._batch = batch
        self._steps = steps
        self._rounds = rounds
        self._done = done

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        for number in range(1, self._rounds + 1):
            seconds = []
            for _ in range(self._steps):
                begin = clock()
                yield self._batch
                seconds.append(clock() - begin)
            self.step_seconds[number * self._steps] = median_low(seconds)
            self._done("warming up" if number <= WARM_UP else "measuring")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What one training showed, by the last step of each round, without the warm-up.

    Attributes:
        step_seconds: of a plain step.
        seconds: name -> of a reading.
        observations: by step.
        reasons: signal -> why it was not read, or how it failed.
    """

    step_seconds: Mapping[int, float]
    seconds: Mapping[str, Mapping[int, float]]
    observations: Mapping[int, Observation]
    reasons: Mapping[str, str]

    def shares(self, name: str) -> list[float]:
        """Time of one reading over that of a step of the same round, round by round."""
        found = self.seconds.get(name, {})
        return [found[step] / self.step_seconds[step] for step in found]


def watch(
    workload: Workload,
    signals: Sequence[Signal],
    *,
    steps: int,
    rounds: int,
    done: Done,
    others: Callable[[Stopwatch], list[Callback]] = lambda _: [],
) -> Watched:
    """Train a workload on one thread, and read all signals at the end of each round.

    Args:
        workload: what to train.
        signals: what to read, without a budget.
        steps: of a round.
        rounds: that count, after two that do not.
        done: told of each round.
        others: what else looks at the model, given the stopwatch.

    Returns:
        All times.
    """
    stopwatch, sink = Stopwatch(), RecordingSink()
    loader = RoundLoader(workload.batch, steps, WARM_UP + rounds, done)
    with one_thread(), hushed("grokwatch"), tempfile.TemporaryDirectory() as directory:
        monitor = GrokkingMonitor(
            workload.probe,
            sinks=[sink],
            hooks=(),
            directory=directory,
            budget=None,
            clock=clock,
            schedule=every(steps),
            signals=[stopwatch.timed(signal) for signal in signals],
        )
        fit(workload, loader, [monitor, *others(stopwatch)])
    first = WARM_UP * steps
    return Watched(
        step_seconds={s: t for s, t in loader.step_seconds.items() if s > first},
        seconds={
            name: {step: t for step, t in found.items() if step > first}
            for name, found in stopwatch.seconds.items()
        },
        observations={
            record.step: record
            for record in sink.records
            if isinstance(record, Observation) and record.step > first
        },
        reasons=_reasons(sink),
    )


def _reasons(sink: RecordingSink) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for record in sink.records:
        if isinstance(record, RunStarted):
            reasons |= {skip.name: skip.reason for skip in record.skipped}
        if isinstance(record, Observation):
            reasons |= {name: f"failed: {why}" for name, why in record.errors.items()}
    return reasons
