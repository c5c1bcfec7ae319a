"""Train a chunk: all its models in one stack, looked at on one grid of steps.

Each run gets the records that the callback would give it. A model whose numbers are no longer
finite is left as it is: its last observation says so, and the others go on as if it had never been.
So is one whose test loss is where its run may stop, but that run is finished.
"""

import time
from collections.abc import Callable, Sequence

import msgspec
import torch

from grokwatch.callbacks.opening import versions
from grokwatch.experiments.evaluation_steps import evaluation_steps
from grokwatch.experiments.sweep.chunks import Chunk
from grokwatch.experiments.sweep.runs import Run
from grokwatch.experiments.sweep.stack import Point, Scores, Stack
from grokwatch.experiments.sweep.watching import Values, Watching
from grokwatch.experiments.threads import one_thread
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, RunEnded, RunStarted
from grokwatch.monitor.vocabulary import RunStatus

SHARES = 20
"""How many times a chunk reports progress."""

DIVERGED = "training"
"""Where the errors of an observation say that its model was left."""

Records = list[list[AnyRecord]]


def train(
    chunk: Chunk,
    signals: str,
    tick: Callable[[], None] = lambda: None,
    *,
    compiled: bool | None = None,
    device: str = "cpu",
) -> tuple[tuple[AnyRecord, ...], ...]:
    """Train all runs of a chunk.

    Args:
        chunk: the runs.
        signals: preset of what is measured.
        tick: called `SHARES` times, after equal shares of the steps.
        compiled: as for `Stack`.
        device: as for `Stack`.

    Returns:
        The records of each run, in order, numbered from 1.
    """
    with one_thread():
        training = _Training(chunk, signals, Stack(chunk.runs, compiled=compiled, device=device))
        return training.run(tick)


class _Training:
    """One chunk on its way."""

    def __init__(self, chunk: Chunk, signals: str, stack: Stack) -> None:
        self._stack = stack
        self._watching = Watching(self._stack, signals, chunk.runs[0].cell.dear_every)
        cell = chunk.runs[0].cell
        self._steps = cell.steps
        stops = [run.cell.stop_below for run in chunk.runs]
        self._stops = torch.tensor(stops, dtype=torch.float64)
        self._due = frozenset(evaluation_steps(cell.steps, per_decade=cell.per_decade))
        self._point: Point | None = None
        self._records: Records = [[self._started(run, chunk)] for run in chunk.runs]

    def run(self, tick: Callable[[], None]) -> tuple[tuple[AnyRecord, ...], ...]:
        """Train to the end, or until no model is left."""
        for step in range(1, self._steps + 1):
            if self._stack.active.any() or step == 1:
                self._step(step)
            for _ in range(step * SHARES // self._steps - (step - 1) * SHARES // self._steps):
                tick()
        self._finish(self._active(), self._steps)
        return tuple(map(_numbered, self._records))

    def _step(self, step: int) -> None:
        """One update, and a look at it where one is due."""
        before, self._point = self._point, None
        if step not in self._due and step + 1 not in self._due:
            self._stack.step()
            return
        weights = self._stack.copied_weights()
        self._point = Point(self._stack.step(), weights)
        if step in self._due:
            self._observe(step, self._point, before)

    def _observe(self, step: int, now: Point, before: Point | None) -> None:
        """Read the signals and evaluate."""
        begin = time.perf_counter()
        train_scores = self._stack.train_scores()
        left = self._stack.leave_diverged(train_scores.logits)
        values = self._watching.read(step, train_scores.logits, now, before)
        seconds = (time.perf_counter() - begin) / len(self._stack.runs)
        test_scores = self._stack.test_scores()
        for index in left.nonzero().flatten().tolist():
            self._end(index, step)
        self._tell(step, train_scores, values, seconds)
        for index in self._active():
            self._records[index].append(self._evaluation(index, step, test_scores))
        stopped = self._stack.active & (test_scores.losses < self._stops)
        if stopped.any():
            self._stack.leave(stopped)
            self._finish(stopped.nonzero().flatten().tolist(), step)

    def _tell(self, step: int, train_scores: Scores, values: Values, seconds: float) -> None:
        """An observation of each model that is still trained."""
        losses = self._stack.losses[-1].double().tolist()
        accuracies = train_scores.accuracies.tolist()
        for index in self._active():
            observation = Observation(
                run_id=self._stack.runs[index].id,
                step=step,
                time=time.time(),
                train_loss=losses[index],
                train_accuracy=accuracies[index],
                values=_of_model(values, index),
                errors=dict(values.errors),
                cost_seconds=seconds,
            )
            self._records[index].append(observation)

    def _finish(self, models: Sequence[int], step: int) -> None:
        """Say that runs are over as they should be."""
        for index in models:
            run_id, now = self._stack.runs[index].id, time.time()
            ended = RunEnded(run_id=run_id, step=step, time=now, status=RunStatus.FINISHED)
            self._records[index].append(ended)

    def _evaluation(self, index: int, step: int, scores: Scores) -> Evaluation:
        """What one model makes of held-out examples."""
        return Evaluation(
            run_id=self._stack.runs[index].id,
            step=step,
            time=time.time(),
            test_loss=float(scores.losses[index]),
            test_accuracy=float(scores.accuracies[index]),
        )

    def _end(self, index: int, step: int) -> None:
        """Say that a model was left, in its last observation and at its end."""
        message = f"diverged: loss or weights were not finite at step {step}"
        run_id, now = self._stack.runs[index].id, time.time()
        self._records[index] += [
            Observation(
                run_id=run_id,
                step=step,
                time=now,
                train_loss=float(self._stack.losses[-1][index]),
                errors={DIVERGED: message},
            ),
            RunEnded(run_id=run_id, step=step, time=now, status=RunStatus.FAILED, message=message),
        ]

    def _active(self) -> list[int]:
        """Which models are still trained."""
        active: list[int] = torch.nonzero(self._stack.active).flatten().tolist()
        return active

    def _started(self, run: Run, chunk: Chunk) -> RunStarted:
        """The first record of a run."""
        group = self._stack.roles.group
        sizes = {"num_train": chunk.num_train, "num_test": chunk.num_test}
        return RunStarted(
            run_id=run.id,
            time=time.time(),
            name=f"{run.cell.task.name} {run.cell.id} seed {run.seed}",
            signals=self._watching.infos,
            skipped=self._watching.skipped,
            guesses=self._stack.roles.guesses,
            hyper_parameters={**run.settings(), **sizes},
            budget_steps=run.cell.steps,
            group=None if group is None else str(group),
            versions=versions(),
        )


def _of_model(values: Values, index: int) -> dict[str, float]:
    """The values of one model."""
    return {key: floats[index] for key, floats in values.floats.items()}


def _numbered(records: Sequence[AnyRecord]) -> tuple[AnyRecord, ...]:
    """Records of a run, numbered from 1."""
    return tuple(
        msgspec.structs.replace(record, seq=number) for number, record in enumerate(records, 1)
    )
