"""GrokkingMonitor: watches a Lightning training and says whether it is likely to grok.

Works in both packages' Trainers and only translates hooks for `callbacks.session`. Steps are
optimizer updates, not `global_step`: several optimizers that step on one batch count once.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from grokwatch.callbacks.base import Callback
from grokwatch.callbacks.frame_plan import MOST_LOOKS
from grokwatch.callbacks.guard import contain, guarded, guarded_setup
from grokwatch.callbacks.metrics import Metrics
from grokwatch.callbacks.session import Session, SessionMemory
from grokwatch.callbacks.settings import DEFAULT_HOOKS, DEFAULT_SINKS, Settings
from grokwatch.callbacks.start import start_session
from grokwatch.callbacks.trainer_facts import ending, loss_of, updates_between
from grokwatch.callbacks.training import is_sharded
from grokwatch.monitor import presets
from grokwatch.monitor.alerts import DEFAULT_SPARE
from grokwatch.monitor.dispatch import Health
from grokwatch.monitor.predictors import DEFAULT_PREDICTOR
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.protocols import AlertHook, Sink
from grokwatch.monitor.quota import QUOTA_BYTES
from grokwatch.monitor.records import Assessment, Observation
from grokwatch.monitor.schedule import Schedule
from grokwatch.monitor.snapshot import Signal
from grokwatch.monitor.vocabulary import RunStatus
from grokwatch.monitor.watcher import Watcher


class GrokkingMonitor(Callback):
    """Watches a training; changes nothing in it, and raises on bad configuration only.

    Args:
        probe: what you know of your model; the rest is looked for, and each guess is reported.
        sinks: where records go: targets, or sinks; the default joins an attached MLFlowLogger.
        hooks: where alerts go: targets such as `log:`, or hooks.
        predictor: who judges: a target such as `hazard:`.
        spare: share of runs, in [0, 1], that nobody should stop although GRK002 fires.
        directory: where the journals of runs are kept.
        quota_bytes: the most that the run's journal may have, 256 MiB by default.
        budget: largest share of training time, in (0, 1]; None for a fixed cadence.
        schedule: which steps to look at; by default a log grid and 500 even shares of the run.
        signals: what to measure, as the model allows: `cheap`, `standard`, `full`, or signals.
        weight_frames: most looks at the weights that are kept for the report, 0 to 64.
        name: the run's name for people.
        run_id: the run's name for ever; by default a checkpoint's, MLFlowLogger's or new one.
        report: write `report.html` when training ended, and attach it in MLflow.
        clock: seconds for the budget, never running backwards.

    Raises:
        ConfigurationError: `signals` is no preset.

    Attributes:
        run_id: the run's name for ever; None before the first fit.
        directory: the run's directory, once it has one.
        failures: own failures that were contained, by place.

    Example:
        >>> monitor = GrokkingMonitor(Probe(group="cyclic:67"), sinks=())
    """

    def __init__(
        self,
        probe: Probe | None = None,
        *,
        sinks: Sequence[str | Sink] = DEFAULT_SINKS,
        hooks: Sequence[str | AlertHook] = DEFAULT_HOOKS,
        predictor: str = DEFAULT_PREDICTOR,
        spare: float = DEFAULT_SPARE,
        directory: str | Path = ".grokwatch",
        quota_bytes: int = QUOTA_BYTES,
        budget: float | None = 0.01,
        schedule: Schedule | None = None,
        signals: str | Sequence[Signal] = presets.DEFAULT,
        weight_frames: int = MOST_LOOKS,
        name: str | None = None,
        run_id: str | None = None,
        report: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._settings = Settings(
            probe=probe or Probe(),
            sinks=sinks,
            hooks=hooks,
            predictor=predictor,
            spare=spare,
            directory=Path(directory),
            quota_bytes=quota_bytes,
            budget=budget,
            schedule=schedule,
            signals=presets.choose(signals),
            weight_frames=weight_frames,
            name=name or "",
            run_id=run_id,
            report=report,
            clock=clock,
        )
        self.run_id: str | None = None
        self.directory = Path(directory)
        self.failures: Counter[str] = Counter()
        self._metrics = Metrics(self._settings.probe)
        self._live: Session | None = None
        self._last: Session | None = None
        self._memory: SessionMemory | None = None
        self._global_step = 0

    @property
    def state_key(self) -> str:
        """Key of the state in checkpoints; monitors in one Trainer are told apart by name."""
        return f"GrokkingMonitor[{self._settings.name}]"

    @property
    def last_observation(self) -> Observation | None:
        """The newest observation of the last fit."""
        return self._last.last_observation if self._last else None

    @property
    def last_assessment(self) -> Assessment | None:
        """The newest assessment of the last fit."""
        return self._last.judge.last_assessment if self._last and self._last.judge else None

    @property
    def watcher(self) -> Watcher | None:
        """Who judges the fit that goes on, and knows which alerts are on; None where none does."""
        return self._live.judge.watcher if self._live and self._live.judge else None

    def health(self) -> Health | None:
        """How the records of the last fit fare on their way; None before the first fit."""
        return self._last.dispatcher.health() if self._last else None

    @guarded_setup
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Check the configuration, as far as the model exists already."""
        self._memory = None
        if stage == "fit":
            self._settings.check()
            is_made = next(pl_module.parameters(), None) is not None
            if is_made and not is_sharded(pl_module):
                self._settings.roles(pl_module)

    @guarded_setup
    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Check the probe against what `setup` and `configure_model` made."""
        if not is_sharded(pl_module):
            self._settings.roles(pl_module)

    @guarded
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Open the run, on rank 0."""
        memory, self._memory, self._live = self._memory, None, None
        self._global_step = trainer.global_step
        about = trainer, pl_module, self._metrics, memory, self.failures
        self._live = start_session(self._settings, *about)
        if self._live:
            self._last = self._live
            self.run_id, self.directory = self._live.dispatcher.run_id, self._live.directory

    @guarded
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, _: int) -> None:
        """Look at the first batch."""
        if self._live:
            self._live.before_batch(batch)

    @guarded
    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Look at the gradients."""
        if self._live:
            self._live.before_update()

    @guarded
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        """Count the update, and measure where the schedule says so."""
        if self._live:
            before, self._global_step = self._global_step, trainer.global_step
            updates = updates_between(trainer, before, self._global_step)
            self._live.after_batch(loss_of(trainer, pl_module, outputs), updates)

    @guarded
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Stop the clock of training."""
        if self._live:
            self._live.pause()

    @guarded
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Read fresh test metrics; of a sanity check, their names only."""
        if trainer.sanity_checking and trainer.is_global_zero:
            self._metrics.test_accuracy.look(trainer.callback_metrics)
        elif self._live:
            self._live.evaluate(*self._metrics.read_test(trainer.callback_metrics))
            self._live.resume()

    @guarded
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Close the run."""
        self._end(RunStatus.FINISHED)

    @guarded
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Close the run, saying why."""
        self._end(*ending(exception))

    @guarded
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Close the run where nothing else did."""
        self._end(RunStatus.INTERRUPTED, "the trainer was torn down")

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and bytes for a checkpoint; nothing where that fails."""
        try:
            return msgspec.structs.asdict(self._last.memory()) if self._last else {}
        except Exception as error:  # a checkpoint is worth more than our state
            contain(self.failures, "state_dict", error)
            return {}

    @guarded
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept, for the fit to come."""
        self._memory = msgspec.convert(state_dict, SessionMemory) if state_dict else None

    def _end(self, status: RunStatus, message: str = "") -> None:
        """Close the session once."""
        live, self._live = self._live, None
        if live:
            live.end(status, message)
