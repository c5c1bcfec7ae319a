"""GrokkingAwareEarlyStopping: ends a Lightning training that GRK002 gives up, and no other.

It decides nothing itself: the watcher of a `GrokkingMonitor` in the same Trainer does, from the
train side. Other callbacks that stop a training are left alone.
"""

import logging
from collections import Counter
from typing import Any

from grokwatch.callbacks.base import Callback
from grokwatch.callbacks.guard import contain, guarded_setup
from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.vocabulary import AlertCode, Stage
from grokwatch.monitor.watcher import Watcher

_log = logging.getLogger(__name__)


class GrokkingAwareEarlyStopping(Callback):
    """Stops a training that is unlikely to generalize within its budget.

    It stops where GRK002 has fired and is still on, after memorization. It never stops a run that
    is spared (5 % are, so that the precision of GRK002 stays measurable), nor one that GRK001 calls
    likely to grok; either is said once in the log. GRK002 needs a Trainer that knows its budget
    (`max_steps`, or `max_epochs` over a loader of known length). In one process it looks after each
    batch, in several at the end of each epoch, where all of them stop together.

    Args:
        patience: optimizer updates to go on for after GRK002 fired, 0 or more.

    Raises:
        ConfigurationError: the patience is negative; or, when training starts, no GrokkingMonitor
            is in the Trainer.

    Attributes:
        stopped_step: optimizer updates made when it stopped the training; None where it did not.
        failures: own failures that were contained, by place.

    Example:
        >>> stopping = GrokkingAwareEarlyStopping(patience=1000)
        >>> stopping.stopped_step is None
        True
    """

    def __init__(self, *, patience: int = 0) -> None:
        if patience < 0:
            msg = f"Expected a patience of 0 or more steps, got {patience}. Try patience=0."
            raise ConfigurationError(msg)
        self._patience = patience
        self.stopped_step: int | None = None
        self.failures: Counter[str] = Counter()
        self._said: set[str] = set()

    @guarded_setup
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Look for the monitor."""
        if stage == "fit" and _monitor(trainer) is None:
            msg = (
                "Expected a GrokkingMonitor among the Trainer's callbacks, got none. "
                "Try callbacks=[GrokkingMonitor(), GrokkingAwareEarlyStopping()]."
            )
            raise ConfigurationError(msg)
        self.stopped_step, self._said = None, set()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Stop where this process alone decides."""
        if trainer.world_size == 1 and self._decide(trainer):
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Stop where any process has decided; only the first one watches."""
        if trainer.world_size > 1:
            is_over = trainer.strategy.reduce_boolean_decision(self._decide(trainer), all=False)
            trainer.should_stop = trainer.should_stop or is_over

    def _decide(self, trainer: Any) -> bool:
        """Whether to stop now; where that cannot be found out, go on."""
        try:
            monitor = _monitor(trainer)
            watcher = monitor.watcher if monitor else None
            judged = monitor.last_assessment if monitor else None
            if watcher is None or judged is None:
                return False
            return self._is_over(watcher, judged.step)
        except Exception as error:  # whatever it is, it is not training's
            contain(self.failures, "early stopping", error)
            return False

    def _is_over(self, watcher: Watcher, step: int) -> bool:
        """Whether the run is given up for good."""
        if watcher.firing_since(AlertCode.LIKELY_GROKKING) is not None:
            self._say("the run is likely to generalise: not stopped while GRK001 fires")
            return False
        fired_step = watcher.firing_since(AlertCode.WILL_NOT_GROK)
        if fired_step is None or watcher.stage in {Stage.FITTING, Stage.GENERALIZED}:
            return False
        if watcher.is_spared:
            self._say("GRK002 fires, but this run is spared: it is not stopped")
            return False
        if step - fired_step < self._patience:
            return False
        if self.stopped_step is None:
            self.stopped_step = step
            self._say(f"stopped at step {step:,}: GRK002 fires since step {fired_step:,}")
        return True

    def _say(self, text: str) -> None:
        """Write a line once."""
        if text not in self._said:
            self._said.add(text)
            _log.warning("%s", text)


def _monitor(trainer: Any) -> GrokkingMonitor | None:
    """The first monitor of a Trainer."""
    found = (callback for callback in trainer.callbacks if isinstance(callback, GrokkingMonitor))
    return next(found, None)
