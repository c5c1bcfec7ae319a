"""The looks at a run's weights: when, which, and never at the training's expense."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import final

from grokwatch.callbacks.frames import Frames
from grokwatch.callbacks.guard import contain
from grokwatch.callbacks.opening import looked_at
from grokwatch.callbacks.training import Training
from grokwatch.callbacks.turning_points import TurningPoints
from grokwatch.monitor.budget import Budget
from grokwatch.monitor.records import AnyRecord, Observation, SkippedSignal, WeightFrame
from grokwatch.monitor.roles import Roles

_PLACE = "weight frames"


@final
class KeptWeights:
    """Gives the frames of a run; the first failure ends that, and nothing else.

    Args:
        most: looks of the run, over all of its attempts.
        training: what the trainer does.
        roles: found in its model.
        budget: what a look may cost.
        failures: counts of what was contained, by place.
    """

    def __init__(
        self, most: int, training: Training, roles: Roles, budget: Budget, failures: Counter[str]
    ) -> None:
        self._training = training
        self._about = most, roles, budget
        self._failures = failures
        self._turning_points = TurningPoints()
        self._frames: Frames | None = None

    @property
    def skipped(self) -> tuple[SkippedSignal, ...]:
        """The matrices that are not kept."""
        return () if self._frames is None else self._frames.skipped

    def start(self, directory: Path, attempt: int, step: int) -> None:
        """Settle which weights are kept, and continue where earlier attempts ended.

        Args:
            directory: the run's directory.
            attempt: which training of the run this is.
            step: optimizer updates made.
        """
        most, roles, budget = self._about
        about = self._training.readable, budget, self._training.budget_steps
        try:
            frames = Frames(most, roles, *about)
            if attempt > 1:
                frames.catch_up(looked_at(directory), step)
        except Exception as error:  # a role's function may raise anything, a journal be broken
            contain(self._failures, _PLACE, error)
        else:
            self._frames = frames

    def evaluate(self, test_accuracy: float | None) -> None:
        """Take note of an evaluation.

        Args:
            test_accuracy: a fraction in [0, 1], or None.
        """
        self._turning_points.evaluate(test_accuracy)

    def observe(
        self, run_id: str, observation: Observation, judged: Sequence[AnyRecord]
    ) -> tuple[WeightFrame, ...]:
        """Look at the weights, where this observation is one to look at.

        Args:
            run_id: the run.
            observation: just made.
            judged: what was made of it.

        Returns:
            A frame of each matrix, or nothing.
        """
        is_turning = self._turning_points.observe(observation, judged)
        return self._look(run_id, observation.step, is_turning=is_turning)

    def look_a_last_time(self, run_id: str, step: int) -> tuple[WeightFrame, ...]:
        """Look at the weights where the run ends.

        Args:
            run_id: the run.
            step: optimizer updates made.

        Returns:
            A frame of each matrix; nothing where these weights were kept already.
        """
        return self._look(run_id, step, is_last=True)

    def _look(
        self, run_id: str, step: int, *, is_turning: bool = False, is_last: bool = False
    ) -> tuple[WeightFrame, ...]:
        """Copy what is due."""
        if self._frames is None:
            return ()
        about = self._training.readable, run_id, step
        try:
            return self._frames.look(*about, is_turning=is_turning, is_last=is_last)
        except Exception as error:  # as above
            contain(self._failures, _PLACE, error)
            self._frames = None
            return ()
