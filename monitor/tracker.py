"""Measuring: from a model in training to an observation, within the budget and without a trace.

Tensors become floats here and nowhere else, in one copy from the device. A signal that raises costs
its own value only; after three failures in a row it is left out for the rest of the run, and every
observation says so.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from grokwatch.monitor.budget import OBSERVATION, Budget
from grokwatch.monitor.bystander import device_of, same_random_numbers
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.loss_ring import LossRing
from grokwatch.monitor.records import Observation, SignalInfo
from grokwatch.monitor.snapshot import Cost, Signal, Snapshot
from grokwatch.monitor.sources import Sources
from grokwatch.monitor.tensor_memory import dump, load
from grokwatch.monitor.train_probe import ProbeReading

MAX_FAILURES = 3
OVERHEAD = SignalInfo(
    name="overhead_ratio", unit="", summary="Monitoring time over training time since the start."
)

_ACCURACY = "train_accuracy"
_LOSS = "train_loss"

_log = logging.getLogger(__name__)


class Tracker:
    """Turns what one run lets it read into observations.

    Args:
        sources: what can be read.
        signals: what to read from it.
        budget: what it may cost.
        losses: the ring that the trainer's losses are pushed into.

    Attributes:
        signals: those that this run can give.
        skipped: those that it cannot, and what would enable them.
        disabled: signal -> why it was left out later.
        failures: signal -> how often it raised.
    """

    def __init__(
        self, sources: Sources, signals: Sequence[Signal], budget: Budget, losses: LossRing
    ) -> None:
        self._sources = sources
        self._budget = budget
        self._losses = losses
        self._device = device_of(sources.module)
        self._vectors: dict[str, Tensor] = {}
        self._last_steps: dict[str, int] = {}
        self._in_a_row: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.disabled: dict[str, str] = {}
        self.skipped = tuple(s for signal in signals if (s := sources.skip(signal)) is not None)
        names = {skip.name for skip in self.skipped}
        self.signals = tuple(signal for signal in signals if signal.name not in names)
        budget.enroll(signal.name for signal in self.signals if signal.cost is not Cost.CHEAP)

    def observe(
        self, run_id: str, step: int, time: float, *, is_last: bool = False
    ) -> Observation | None:
        """Read what the budget allows after update number `step`.

        Args:
            run_id: the run's name.
            step: optimizer updates made.
            time: seconds since the epoch.
            is_last: whether the run ends here, so that cheap signals are read at any cost.

        Returns:
            The observation, or None where not even the cheap signals fit the budget.
        """
        window, curvature = self._sources.window, self._sources.curvature
        try:
            if not is_last and not self._budget.affords(OBSERVATION, step):
                return None
            self._settle()
            begin = self._budget.clock()
            with same_random_numbers(self._device), torch.no_grad():
                return self._observe(run_id, step, time, begin)
        finally:
            window.release()
            if curvature is not None:
                curvature.close()

    def state(self) -> bytes:
        """The loss ring, warm starts and last steps, as bytes."""
        return dump(self._losses.state(), self._vectors, self._last_steps)

    def restore(self, state: bytes) -> None:
        """Continue from `state()`."""
        losses, vectors, last_steps = load(state, self._device)
        self._losses.restore(losses)
        self._vectors = vectors
        self._last_steps = last_steps

    def _observe(self, run_id: str, step: int, time: float, begin: float) -> Observation:
        """Read all that is due, and copy it from the device at once."""
        errors = dict(self.disabled)
        readings: dict[str, Tensor] = {}
        snapshot = self._snapshot(step, readings, errors)
        cadence: dict[str, int] = {}
        dear_seconds = 0.0
        for signal in sorted(self.signals, key=lambda signal: signal.cost is not Cost.CHEAP):
            is_cheap = signal.cost is Cost.CHEAP
            if not self._is_due(signal, snapshot, is_cheap=is_cheap):
                continue
            start = self._budget.clock()
            if self._read(signal, snapshot, readings, errors):
                self._note_cadence(signal.name, step, cadence)
            if not is_cheap:
                self._settle()
                seconds = self._budget.clock() - start
                self._budget.spend(signal.name, seconds)
                dear_seconds += seconds
        values = self._floats(readings)
        cost_seconds = self._budget.clock() - begin
        self._budget.spend(OBSERVATION, cost_seconds - dear_seconds)
        loss, accuracy = values.pop(_LOSS, float("nan")), values.pop(_ACCURACY, None)
        return Observation(
            run_id=run_id,
            step=step,
            time=time,
            train_loss=loss,
            train_accuracy=accuracy,
            values={**values, OVERHEAD.name: self._budget.overhead_ratio},
            errors=errors,
            cadence=cadence,
            cost_seconds=cost_seconds,
        )

    def _snapshot(self, step: int, readings: dict[str, Tensor], errors: dict[str, str]) -> Snapshot:
        """Gather what signals may read, and the two readings that every observation has."""
        losses = self._losses.read() if len(self._losses) else None
        if losses is not None:
            readings[_LOSS] = losses[-1]
        reading = self._probe(errors)
        if reading is not None:
            readings[_ACCURACY] = reading.accuracy
        return self._sources.snapshot(step, losses, reading, self._vectors)

    def _probe(self, errors: dict[str, str]) -> ProbeReading | None:
        """Run the train probe."""
        if self._sources.probe is None or _ACCURACY in self.disabled:
            return None
        try:
            reading = self._sources.probe.read()
        except Exception as error:
            self._fail(_ACCURACY, error, errors)
            return None
        self._in_a_row[_ACCURACY] = 0
        return reading

    def _is_due(self, signal: Signal, snapshot: Snapshot, *, is_cheap: bool) -> bool:
        """Whether a signal can be read now and may be."""
        if signal.name in self.disabled or not all(map(snapshot.has, signal.needs)):
            return False
        return is_cheap or self._budget.affords(signal.name, snapshot.step)

    def _read(
        self,
        signal: Signal,
        snapshot: Snapshot,
        readings: dict[str, Tensor],
        errors: dict[str, str],
    ) -> bool:
        """Read one signal, containing what it raises."""
        try:
            found = {key: _scalar(key, value) for key, value in signal.read(snapshot).items()}
        except Exception as error:
            self._fail(signal.name, error, errors)
            return False
        self._in_a_row[signal.name] = 0
        readings.update(found)
        return True

    def _fail(self, name: str, error: Exception, errors: dict[str, str]) -> None:
        """Count a failure, and leave the signal out after three in a row."""
        errors[name] = f"{type(error).__name__}: {error}"[:200]
        self.failures[name] += 1
        self._in_a_row[name] += 1
        if isinstance(error, torch.OutOfMemoryError) and torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self.failures[name] == 1:
            _log.warning("Signal %s failed", name, exc_info=error)
        if self._in_a_row[name] >= MAX_FAILURES:
            self.disabled[name] = f"left out after {MAX_FAILURES} failures: {errors[name]}"
            self._budget.withdraw(name)
            _log.warning("Signal %s is %s", name, self.disabled[name])

    def _note_cadence(self, name: str, step: int, cadence: dict[str, int]) -> None:
        """Note how many steps lie between this value and the last."""
        last = self._last_steps.get(name)
        if last is not None and step > last:
            cadence[name] = step - last
        self._last_steps[name] = step

    def _floats(self, readings: Mapping[str, Tensor]) -> dict[str, float]:
        """Copy all readings from the device at once."""
        if not readings:
            return {}
        dtype = torch.float32 if self._device.type == "mps" else torch.float64
        stacked = torch.stack([value.to(self._device, dtype) for value in readings.values()])
        return dict(zip(readings, stacked.tolist(), strict=True))

    def _settle(self) -> None:
        """Wait for the device, so that nobody pays for another's work."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _scalar(key: str, value: Tensor) -> Tensor:
    """Refuse what is not one value for one model."""
    if value.numel() != 1:
        msg = f"Expected one value for {key!r}, got shape {tuple(value.shape)}. Try its mean."
        raise SignalError(msg)
    return value.detach().reshape(())
