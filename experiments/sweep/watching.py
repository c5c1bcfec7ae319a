"""The signals of a whole stack: one reading gives one value for each model."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from grokwatch.experiments.sweep.stack import Point, Stack
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.presets import choose
from grokwatch.monitor.records import SignalInfo, SkippedSignal
from grokwatch.monitor.snapshot import Need, Signal, Snapshot

_ELSEWHERE = "the callback on a single run, which can evaluate the model again"
_OF_TRAINING = frozenset({Need.GRADIENTS, Need.UPDATE, Need.LOSSES, Need.LOGITS})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Values:
    """Signal key -> a float for each model, and signal -> why it has none."""

    floats: Mapping[str, Sequence[float]]
    errors: Mapping[str, str]


@dataclass
class Watching:
    """Reads the signals that a stack has what it takes for.

    Attributes:
        stack: the models.
        preset: name of the signals that are asked for.
        signals: those that can be read.
        skipped: those that cannot, and what would enable them.
    """

    stack: Stack
    preset: str
    signals: tuple[Signal, ...] = field(init=False)
    skipped: tuple[SkippedSignal, ...] = field(init=False)
    _memory: dict[str, Tensor] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        asked = choose(self.preset)
        given = self._given()
        self.signals = tuple(signal for signal in asked if signal.needs <= given)
        self.skipped = tuple(
            _skipped(signal, given) for signal in asked if not signal.needs <= given
        )

    @property
    def infos(self) -> tuple[SignalInfo, ...]:
        """What the values mean."""
        return tuple(
            SignalInfo(name=s.name, unit=s.unit, summary=s.summary, access=s.access.value)
            for s in self.signals
        )

    @torch.no_grad()
    def read(self, step: int, logits: Tensor, now: Point, before: Point | None) -> Values:
        """Read all signals.

        Args:
            step: updates made.
            logits: `(S, N, C)` on the train set after the last of them.
            now: where the last update began.
            before: where the one before it began, if there was one.

        Returns:
            Floats for all models; those of a model that was left mean nothing.
        """
        snapshot = self._snapshot(step, logits, now, before)
        found: dict[str, Tensor] = {}
        errors: dict[str, str] = {}
        for signal in self.signals:
            if not all(map(snapshot.has, signal.needs)):
                continue
            try:
                found |= self._checked(signal, snapshot)
            except Exception as error:  # one signal must not cost the others, nor the sweep
                errors[signal.name] = f"{type(error).__name__}: {error}"[:200]
                _log.warning("Signal %s failed", signal.name, exc_info=error)
        return Values({key: value.tolist() for key, value in found.items()}, errors)

    def _checked(self, signal: Signal, snapshot: Snapshot) -> dict[str, Tensor]:
        """The readings of one signal, one number for each model."""
        readings = {key: value.double() for key, value in signal.read(snapshot).items()}
        for key, value in readings.items():
            if value.shape != snapshot.models:
                msg = (
                    f"Expected {key!r} with shape {snapshot.models}, got {tuple(value.shape)}. "
                    "Try one value for each model."
                )
                raise SignalError(msg)
        return readings

    def _given(self) -> set[Need]:
        """What a stack can give."""
        stack = self.stack
        kinds = {"cyclic": Need.TOKENS, "symmetric": Need.PERMUTATIONS, "bits": Need.INPUTS}
        given = {need for kind, need in kinds.items() if stack.roles.has(kind)}
        if stack.moments():
            given |= {Need.MOMENTUM, Need.PRECONDITIONER}
        if stack.decay():
            given.add(Need.DECAY)
        return given | _OF_TRAINING

    def _snapshot(self, step: int, logits: Tensor, now: Point, before: Point | None) -> Snapshot:
        """What signals may read, with zeros for the models that were left."""
        stack, masked = self.stack, self._masked
        weights = {name: weight.detach() for name, weight in stack.weights.items()}
        matrices, indexed = stack.roles.read(weights)
        kind = stack.roles.group.kind if stack.roles.group else ""
        moments = {name: masked(parts) for name, parts in stack.moments().items()}
        update = previous = None
        if before is not None:
            previous = masked(before.gradients)
            update = masked({k: now.weights[k] - w for k, w in before.weights.items()})
        return Snapshot(
            step=step,
            models=(len(stack.runs),),
            weights=weights,
            tokens=indexed if kind == "cyclic" else {},
            permutations=indexed if kind == "symmetric" else {},
            inputs=indexed if kind == "bits" else {},
            matrices=matrices,
            gradients=masked(now.gradients),
            previous_gradients=previous,
            update=update,
            decay=stack.decay() or None,
            losses=self._mask(torch.stack(list(stack.losses), dim=-1)).double(),
            logits=self._mask(logits),
            targets=stack.examples.train_targets,
            memory=self._memory,
            **moments,  # type: ignore[arg-type]
        )

    def _masked(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: self._mask(tensor) for name, tensor in tensors.items()}

    def _mask(self, tensor: Tensor) -> Tensor:
        """The tensor with zeros in the place of models that were left."""
        active = self.stack.active
        if active.all():
            return tensor
        return torch.where(active.view(-1, *[1] * (tensor.ndim - 1)), tensor, 0.0)


def _skipped(signal: Signal, given: set[Need]) -> SkippedSignal:
    """Which need is not met."""
    missing = min(signal.needs - given, key=lambda need: need.name)
    return SkippedSignal(name=signal.name, reason=f"needs {missing.value}", remedy=_ELSEWHERE)
