"""What the user asked for, checked before anything is trained."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from grokwatch.callbacks.frame_plan import MOST_LOOKS
from grokwatch.monitor import alerts, predictors, presets, sinks
from grokwatch.monitor.budget import Budget
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.hidden import HiddenStates
from grokwatch.monitor.journal import run_directory
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.protocols import AlertHook, Sink
from grokwatch.monitor.quota import QUOTA_BYTES, Quota
from grokwatch.monitor.records import RunStarted
from grokwatch.monitor.roles import Roles, find_roles
from grokwatch.monitor.schedule import Schedule
from grokwatch.monitor.snapshot import Signal

DEFAULT_SINKS = ("mlflow:sqlite:///mlflow.db", "prometheus:127.0.0.1:9109")
DEFAULT_HOOKS = ("log:",)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything an adapter's user may choose.

    Attributes:
        probe: what is known about the model.
        sinks: where records go: targets, or sinks.
        hooks: where alerts go: targets, or hooks.
        predictor: target of the predictor.
        spare: share of runs, in [0, 1], that go on although GRK002 fires.
        directory: where journals are kept.
        quota_bytes: the most that the run's journal may have.
        budget: largest share of training time, or None for a fixed cadence.
        schedule: when to look, or None for the default.
        signals: what to measure.
        weight_frames: most looks at the weights that are kept, 0 to 64.
        name: the run's name for people.
        run_id: the run's name for ever, or None for one that the trainer or chance gives.
        report: whether a report is written, and attached in MLflow, when training ended.
        clock: seconds for the budget, never running backwards.
    """

    probe: Probe = field(default_factory=Probe)
    sinks: Sequence[str | Sink] = DEFAULT_SINKS
    hooks: Sequence[str | AlertHook] = DEFAULT_HOOKS
    predictor: str = predictors.DEFAULT_PREDICTOR
    spare: float = alerts.DEFAULT_SPARE
    directory: Path = Path(".grokwatch")
    quota_bytes: int = QUOTA_BYTES
    budget: float | None = 0.01
    schedule: Schedule | None = None
    signals: Sequence[Signal] = presets.choose(presets.DEFAULT)
    weight_frames: int = MOST_LOOKS
    name: str = ""
    run_id: str | None = None
    report: bool = False
    clock: Callable[[], float] = time.perf_counter

    def check(self) -> None:
        """Try everything that can be wrong without a model.

        Raises:
            ConfigurationError: something in it cannot work.
        """
        Budget(self.budget)
        Quota(self.quota_bytes)
        if not 0 <= self.weight_frames <= MOST_LOOKS:
            msg = (
                f"Expected weight_frames from 0 to {MOST_LOOKS}, got {self.weight_frames}. "
                f"Try {MOST_LOOKS}, or 0 to keep none."
            )
            raise ConfigurationError(msg)
        if self.run_id is not None:
            run_directory(self.directory, self.run_id)
        predictors.load(self.predictor, RunStarted(run_id="check", time=0.0))
        alerts.AlertPolicy(spare=self.spare)
        for hook in self.hooks:
            _ = alerts.connect(hook) if isinstance(hook, str) else hook
        for sink in self.sinks:
            _ = sinks.connect(sink) if isinstance(sink, str) else sink

    def roles(self, module: nn.Module) -> Roles:
        """Find the roles in a model.

        Raises:
            ProbeError: the probe does not fit it.
        """
        HiddenStates(module, self.probe.hidden)
        return find_roles(module, self.probe)

    def connect(self, tracking: str | None) -> dict[str, Sink]:
        """Connect sinks and hooks, each by a name.

        Where records are pushed to a service, it alone fires hooks that targets name; hook objects
        are the program's own, and stay.

        Args:
            tracking: sink target of a tracking server that the trainer has already, or None; it
                takes the place of the default one.

        Returns:
            Sinks by target.
        """
        targets = list(self.sinks)
        if tracking is not None and tuple(self.sinks) == DEFAULT_SINKS:
            targets[0] = tracking
        connected = dict(map(_sink, enumerate(targets)))
        is_pushed = any(isinstance(target, str) and _is_service(target) for target in targets)
        hooks = [hook for hook in self.hooks if not (is_pushed and isinstance(hook, str))]
        return connected | dict(map(_hook, enumerate(hooks)))


def _is_service(target: str) -> bool:
    """Whether a sink's target is a service that judges and fires hooks itself."""
    return target.partition(":")[0] == "remote"


def _sink(numbered: tuple[int, str | Sink]) -> tuple[str, Sink]:
    """One sink by its name."""
    number, sink = numbered
    if isinstance(sink, str):
        return sink, sinks.connect(sink)
    return f"{type(sink).__name__}:{number}", sink


def _hook(numbered: tuple[int, str | AlertHook]) -> tuple[str, Sink]:
    """One hook as a sink by its name."""
    number, hook = numbered
    if isinstance(hook, str):
        return f"hook:{hook}", alerts.HookSink(alerts.connect(hook))
    return f"hook:{type(hook).__name__}:{number}", alerts.HookSink(hook)


def scalars(hyper_parameters: Mapping[str, object]) -> dict[str, bool | int | float | str | None]:
    """The hyper-parameters that a record can carry; others as their first 250 characters.

    Args:
        hyper_parameters: by name.

    Returns:
        The same, as plain values.
    """
    return {
        str(name): value
        if value is None or isinstance(value, bool | int | float | str)
        else str(value)[:250]
        for name, value in hyper_parameters.items()
    }
