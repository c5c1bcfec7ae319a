"""LoopMonitor: the monitor for a training loop of one's own, without a framework.

Four calls say what a framework's hooks would: a batch comes, gradients are ready, an update was
made, an evaluation was made.
"""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn
from torch.optim import Optimizer

from grokwatch.callbacks.frame_plan import MOST_LOOKS
from grokwatch.callbacks.guard import guarded
from grokwatch.callbacks.opening import open_dispatcher
from grokwatch.callbacks.session import Session
from grokwatch.callbacks.settings import DEFAULT_HOOKS, DEFAULT_SINKS, Settings
from grokwatch.callbacks.training import Training, is_sharded
from grokwatch.monitor import presets
from grokwatch.monitor.alerts import DEFAULT_SPARE
from grokwatch.monitor.predictors import DEFAULT_PREDICTOR
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.protocols import AlertHook, Sink
from grokwatch.monitor.quota import QUOTA_BYTES
from grokwatch.monitor.records import Assessment
from grokwatch.monitor.snapshot import Signal
from grokwatch.monitor.vocabulary import RunStatus


class LoopMonitor:
    """Watches a plain loop; changes nothing in it, and raises on bad configuration only.

    Args:
        module: the model in training.
        probe: what you know of your model; the rest is looked for.
        optimizer: what updates it, for signals that look at its state, or None.
        steps: optimizer updates that will be made at most, or None.
        sinks: where records go.
        hooks: where alerts go.
        predictor: who judges.
        spare: share of runs, in [0, 1], that nobody should stop although GRK002 fires.
        directory: where the journals of runs are kept.
        quota_bytes: the most that the run's journal may have, 256 MiB by default.
        budget: largest share of training time, in (0, 1]; None for a fixed cadence.
        signals: what to measure, as the model allows: `cheap`, `standard`, `full`, or signals.
        weight_frames: most looks at the weights that are kept for the report, 0 to 64.
        name: the run's name for people.
        run_id: the run's name for ever; a new one by default.
        report: write `report.html` when training ended, and attach it in MLflow.
        hyper_parameters: shown beside the run.

    Attributes:
        run_id: the run's name for ever.
        directory: the run's directory.
        failures: our own failures that were contained, by place.

    Raises:
        ConfigurationError: something in it cannot work with this model.

    Example:
        >>> import tempfile, torch
        >>> model = nn.Linear(3, 2)
        >>> optimizer = torch.optim.AdamW(model.parameters())
        >>> batch = (torch.eye(3), torch.tensor([0, 1, 1]))
        >>> with (
        ...     tempfile.TemporaryDirectory() as directory,
        ...     LoopMonitor(model, sinks=(), directory=directory) as monitor,
        ... ):
        ...     for _ in range(20):
        ...         optimizer.zero_grad()
        ...         monitor.before_batch(batch)
        ...         loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        ...         loss.backward()
        ...         monitor.before_update()
        ...         optimizer.step()
        ...         monitor.after_update(loss)
        ...     monitor.step
        20
    """

    def __init__(
        self,
        module: nn.Module,
        probe: Probe | None = None,
        *,
        optimizer: Optimizer | None = None,
        steps: int | None = None,
        sinks: Sequence[str | Sink] = DEFAULT_SINKS,
        hooks: Sequence[str | AlertHook] = DEFAULT_HOOKS,
        predictor: str = DEFAULT_PREDICTOR,
        spare: float = DEFAULT_SPARE,
        directory: str | Path = ".grokwatch",
        quota_bytes: int = QUOTA_BYTES,
        budget: float | None = 0.01,
        signals: str | Sequence[Signal] = presets.DEFAULT,
        weight_frames: int = MOST_LOOKS,
        name: str = "",
        run_id: str | None = None,
        report: bool = False,
        hyper_parameters: Mapping[str, object] | None = None,
    ) -> None:
        settings = Settings(
            probe=probe or Probe(),
            sinks=sinks,
            hooks=hooks,
            predictor=predictor,
            spare=spare,
            directory=Path(directory),
            quota_bytes=quota_bytes,
            budget=budget,
            signals=presets.choose(signals),
            weight_frames=weight_frames,
            name=name,
            run_id=run_id,
            report=report,
        )
        settings.check()
        training = Training(
            module=module,
            is_sharded=is_sharded(module),
            optimizers=lambda: () if optimizer is None else (optimizer,),
            budget_steps=steps,
            hyper_parameters=hyper_parameters or {},
        )
        if not training.is_sharded:
            settings.roles(module)
        dispatcher, self.directory = open_dispatcher(settings, run_id or uuid.uuid4().hex, None)
        self.run_id = dispatcher.run_id
        self.failures: Counter[str] = Counter()
        self._is_closed = False
        self._session = Session(settings, training, dispatcher, self.directory, None, self.failures)

    @property
    def step(self) -> int:
        """Optimizer updates made so far."""
        return self._session.step

    @property
    def last_assessment(self) -> Assessment | None:
        """The newest assessment."""
        return self._session.judge.last_assessment if self._session.judge else None

    @guarded
    def before_batch(self, batch: Any) -> None:
        """Say which batch comes, before the forward pass."""
        self._session.before_batch(batch)

    @guarded
    def before_update(self) -> None:
        """Say that the gradients are ready, before the optimizer's step."""
        self._session.before_update()

    @guarded
    def after_update(self, loss: Tensor | None = None) -> None:
        """Say that the optimizer has made its step, and at which train loss, a single number."""
        number = loss.detach() if loss is not None and loss.numel() == 1 else None
        self._session.after_batch(number, 1)

    @guarded
    def evaluated(
        self, *, test_loss: float | None = None, test_accuracy: float | None = None
    ) -> None:
        """Say what an evaluation gave; accuracy is a fraction in [0, 1]."""
        self._session.evaluate(test_loss, test_accuracy)

    @guarded
    def close(self, status: RunStatus = RunStatus.FINISHED, message: str = "") -> None:
        """Say how training ended, and let go within five seconds; a second call does nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._session.end(status, message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        elif isinstance(error, KeyboardInterrupt | SystemExit):
            self.close(RunStatus.INTERRUPTED, type(error).__name__)
        else:
            self.close(RunStatus.FAILED, f"{type(error).__name__}: {error}")
