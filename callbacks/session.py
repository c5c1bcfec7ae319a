"""One attempt of one run, from its first batch to its end; knows nothing of any trainer.

An adapter tells it what happened (a batch is about to run, gradients are ready, a batch was trained
on, an evaluation was made, training ended); it measures, judges and hands the records over.
"""

import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from grokwatch.callbacks.first_batch import FirstBatch, report
from grokwatch.callbacks.guard import contain
from grokwatch.callbacks.judge import Judge
from grokwatch.callbacks.kept_weights import KeptWeights
from grokwatch.callbacks.opening import versions
from grokwatch.callbacks.reporting import publish_report
from grokwatch.callbacks.settings import Settings, scalars
from grokwatch.callbacks.training import Training, whole
from grokwatch.monitor import schedule as schedules
from grokwatch.monitor.budget import OBSERVATION, Budget
from grokwatch.monitor.dispatch import Dispatcher
from grokwatch.monitor.loss_ring import CAPACITY, LossRing
from grokwatch.monitor.records import (
    AnyRecord,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
)
from grokwatch.monitor.roles import Roles
from grokwatch.monitor.tracker import OVERHEAD, Tracker
from grokwatch.monitor.update_window import UpdateWindow
from grokwatch.monitor.vocabulary import RunStatus

CLOSE_SECONDS = 5.0


class SessionMemory(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a checkpoint keeps of a session: plain numbers, strings and bytes."""

    run_id: str
    step: int
    tracker: bytes = b""
    judge: bytes = b""


class Session:
    """Watches one training.

    Args:
        settings: what the user asked for.
        training: what the trainer is about to do.
        dispatcher: takes the records.
        directory: the run's directory.
        memory: from a checkpoint, or None.
        failures: counts of what was contained, by place.

    Attributes:
        step: optimizer updates made.
        directory: the run's directory.
        dispatcher: where the records go.
        judge: what is made of them; None before the first batch.
        last_observation: the newest, or None.
    """

    def __init__(
        self,
        settings: Settings,
        training: Training,
        dispatcher: Dispatcher,
        directory: Path,
        memory: SessionMemory | None,
        failures: Counter[str],
    ) -> None:
        self.step = training.step
        self.dispatcher = dispatcher
        self.directory = directory
        self.judge: Judge | None = None
        self.last_observation: Observation | None = None
        self._settings = settings
        self._training = training
        self._memory = memory
        self._failures = failures
        self._budget = Budget(
            settings.budget, num_steps=training.budget_steps, clock=settings.clock
        )
        self._schedule = settings.schedule or schedules.default(training.budget_steps)
        self._roles = Roles() if training.is_sharded else settings.roles(training.module)
        about = training, self._roles, self._budget, failures
        self._weights = KeptWeights(settings.weight_frames, *about)
        self._window = UpdateWindow(training.readable, is_clipped=training.is_clipped)
        self._losses = LossRing()
        self._partial_losses: deque[Tensor] = deque(maxlen=CAPACITY)
        self._first: FirstBatch | None = None
        self._tracker: Tracker | None = None
        self._observed_step = -1
        self._stride = 1
        self._is_due, self._is_due_next = (self._schedule(self.step + n) for n in (1, 2))
        self._budget.resume()

    def before_batch(self, batch: Any) -> None:
        """Look at the first batch before it is trained on.

        Args:
            batch: as the trainer made it.
        """
        if self._first is None:
            begin = self._budget.clock()
            self._first = FirstBatch(self._settings, self._training, batch)
            self._budget.spend_on_start(self._budget.clock() - begin)

    def before_update(self) -> None:
        """Look at the gradients of the update to come, where it will be observed."""
        if not self._is_due and not self._is_due_next:
            return
        begin = self._budget.clock()
        coming = self.step + 1
        is_observed = self._is_due and self._budget.affords(OBSERVATION, coming)
        if is_observed:
            self._observed_step = coming
        is_next_observed = self._is_due_next and self._budget.affords(OBSERVATION, coming + 1)
        self._window.before_update(
            coming, is_observed=is_observed, is_next_observed=is_next_observed
        )
        self._budget.spend_on_hooks(self._budget.clock() - begin)

    def after_batch(self, loss: Tensor | None, num_updates: int) -> None:
        """Take note of a batch that was trained on.

        Args:
            loss: its loss, detached, or None where the trainer does not tell.
            num_updates: optimizer updates since the last batch, 0 while gradients accumulate.
        """
        begin = self._budget.clock()
        loss = None if loss is None else whole(loss)
        if loss is not None:
            self._partial_losses.append(loss)
        if self._tracker is None:
            self._start(loss)
            self._budget.spend_on_start(self._budget.clock() - begin)
            begin = self._budget.clock()
        if num_updates > 0:
            before = self.step
            self._note_update(num_updates)
            if before < self._observed_step <= self.step:
                self.observe()
                return
        self._budget.spend_on_hooks(self._budget.clock() - begin)

    def observe(self, *, is_last: bool = False) -> None:
        """Measure, judge and hand over, if the budget allows.

        Args:
            is_last: whether the run ends here.
        """
        if self._tracker is None or self.judge is None:
            return
        run_id = self.dispatcher.run_id
        observation = self._tracker.observe(run_id, self.step, time.time(), is_last=is_last)
        if observation is None:
            return
        begin = self._budget.clock()
        if observation.train_accuracy is None:
            accuracy = self._training.train_accuracy()
            observation = msgspec.structs.replace(observation, train_accuracy=accuracy)
        self.last_observation = observation
        judged = self.judge.consume(observation)
        self._submit(observation, *judged)
        self._submit(*self._weights.observe(run_id, observation, judged))
        self._budget.spend_on_hooks(self._budget.clock() - begin)

    def evaluate(self, test_loss: float | None, test_accuracy: float | None) -> None:
        """Take note of an evaluation.

        Args:
            test_loss: or None.
            test_accuracy: a fraction in [0, 1], or None.
        """
        if self.judge is None or (test_loss is None and test_accuracy is None):
            return
        self._weights.evaluate(test_accuracy)
        evaluation = Evaluation(
            run_id=self.dispatcher.run_id,
            step=self.step,
            time=time.time(),
            test_loss=test_loss,
            test_accuracy=test_accuracy,
        )
        self._submit(evaluation, *self.judge.confirm(evaluation))

    def pause(self) -> None:
        """Training waits."""
        self._budget.pause()

    def resume(self) -> None:
        """Training goes on."""
        self._budget.resume()

    def end(self, status: RunStatus, message: str = "") -> None:
        """Say how training ended, and let go of everything within five seconds.

        Where a report was asked for, it is waited for as well.

        Args:
            status: how.
            message: why, where it did not finish.
        """
        self._budget.pause()
        if status is RunStatus.FINISHED:
            self._look_a_last_time()
        run_id, now = self.dispatcher.run_id, time.time()
        if self._tracker is None:
            self._submit(RunStarted(run_id=run_id, time=now, name=self._settings.name))
        self._submit(
            RunEnded(run_id=run_id, step=self.step, time=now, status=status, message=message)
        )
        self.dispatcher.close(CLOSE_SECONDS)
        if self._settings.report:
            publish_report(self.directory, run_id, self.dispatcher.file_sinks, self._failures)

    def memory(self) -> SessionMemory:
        """What a checkpoint keeps."""
        return SessionMemory(
            run_id=self.dispatcher.run_id,
            step=self.step,
            tracker=b"" if self._tracker is None else self._tracker.state(),
            judge=b"" if self.judge is None else self.judge.state(),
        )

    def _start(self, loss: Tensor | None) -> None:
        """Settle what can be measured, and say so."""
        first = self._first or FirstBatch(self._settings, self._training, None)
        sources = first.sources(self._roles, self._window, loss)
        self._weights.start(self.directory, self.dispatcher.attempt, self.step)
        tracker = Tracker(sources, self._settings.signals, self._budget, self._losses)
        infos = (
            SignalInfo(name=s.name, unit=s.unit, summary=s.summary, access=s.access.value)
            for s in tracker.signals
        )
        started = RunStarted(
            run_id=self.dispatcher.run_id,
            attempt=self.dispatcher.attempt,
            time=time.time(),
            name=self._settings.name,
            signals=(*infos, OVERHEAD),
            skipped=(*tracker.skipped, *first.skipped, *self._weights.skipped),
            guesses=(*self._roles.guesses, *first.guesses, *self._training.guesses()),
            hyper_parameters=scalars(self._training.hyper_parameters),
            budget_steps=self._training.budget_steps,
            group=None if self._roles.group is None else str(self._roles.group),
            versions=versions(),
        )
        settings = self._settings
        self.judge = Judge(started, settings.predictor, self._failures, spare=settings.spare)
        self.judge.catch_up(self.directory, b"" if self._memory is None else self._memory.judge)
        self._tracker = tracker
        self._restore(tracker)
        self._submit(started)
        report(started, told=self._training.guesses())

    def _restore(self, tracker: Tracker) -> None:
        """Continue measuring from a checkpoint."""
        try:
            if self._memory is not None and self._memory.tracker:
                tracker.restore(self._memory.tracker)
        except Exception as error:  # a state of another version
            contain(self._failures, "tracker.restore", error)

    def _note_update(self, num_updates: int) -> None:
        """Count updates, keep their mean loss, and look ahead on the schedule."""
        self.step += num_updates
        losses = self._partial_losses
        if losses:
            self._losses.push(losses[0] if len(losses) == 1 else torch.stack([*losses]).mean())
            losses.clear()
        is_usual, self._stride = num_updates == self._stride, num_updates
        self._is_due = self._is_due_next if is_usual else self._is_due_after(self.step)
        self._is_due_next = self._is_due_after(self.step + num_updates)

    def _is_due_after(self, step: int) -> bool:
        """Whether the schedule asks for one of the updates that a batch makes after `step`."""
        return any(map(self._schedule, range(step + 1, step + 1 + self._stride)))

    def _look_a_last_time(self) -> None:
        """Observe where training ended, unless that was seen, and keep the last weights."""
        observed = self.last_observation
        try:
            if observed is None or observed.step < self.step:
                self.observe(is_last=True)
        except Exception as error:  # the run must be closed all the same
            contain(self._failures, "last observation", error)
        self._submit(*self._weights.look_a_last_time(self.dispatcher.run_id, self.step))

    def _submit(self, *records: AnyRecord) -> None:
        """Hand records over."""
        self.dispatcher.submit(records)
