"""The signals of a whole stack: one reading gives one value for each model."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from grokwatch.experiments.sweep.stack import Point, Stack
from grokwatch.experiments.sweep.views import StackViews
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.lazy import LazyMapping
from grokwatch.monitor.presets import choose
from grokwatch.monitor.records import SignalInfo, SkippedSignal
from grokwatch.monitor.snapshot import Cost, Need, Signal, Snapshot
from grokwatch.monitor.tangents import GradientSketch

_ELSEWHERE = "another task, model or optimizer"
_ALWAYS = frozenset(
    {
        Need.GRADIENTS,
        Need.UPDATE,
        Need.LOSSES,
        Need.LOGITS,
        Need.REPRESENTATIONS,
        Need.TANGENTS,
        Need.LANDSCAPE,
    }
)

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
        dear_every: dear signals are read at each so many-th reading, the first one included.
        signals: those that can be read.
        skipped: those that cannot, and what would enable them.
    """

    stack: Stack
    preset: str
    dear_every: int = 1
    signals: tuple[Signal, ...] = field(init=False)
    skipped: tuple[SkippedSignal, ...] = field(init=False)
    _memory: dict[str, Tensor] = field(default_factory=dict, init=False)
    _sketch: GradientSketch = field(default_factory=GradientSketch, init=False)
    _rows: Tensor = field(init=False)
    _count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        asked = choose(self.preset)
        self._rows = self.stack.landscape_rows()
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
        skips_dear = self._count % self.dear_every != 0
        self._count += 1
        for signal in self.signals:
            if signal.cost is Cost.DEAR and skips_dear:
                continue
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
        if stack.probe.attention is not None:
            given.add(Need.ATTENTION)
        if Need.INPUTS in given and self._has_fresh():
            given.add(Need.FRESH)
        if stack.moments():
            given |= {Need.MOMENTUM, Need.PRECONDITIONER}
        if stack.decay():
            given.add(Need.DECAY)
        return given | _ALWAYS

    def _snapshot(self, step: int, logits: Tensor, now: Point, before: Point | None) -> Snapshot:
        """What signals may read, with zeros for the models that were left."""
        stack, masked = self.stack, self._masked
        weights = {name: weight.detach() for name, weight in stack.weights.items()}
        matrices, indexed = stack.roles.read(weights)
        kind = stack.roles.group.kind if stack.roles.group else ""
        order = stack.roles.group.order if stack.roles.group else 0
        views = self._views()
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
            representations=LazyMapping(views.representations),
            attention=LazyMapping(views.attention) if stack.probe.attention else {},
            tangents=views.tangents,
            fresh=partial(views.fresh, order) if kind == "bits" else None,
            landscape=stack.landscape(self._rows),
            memory=self._memory,
            **moments,
        )

    def _views(self) -> StackViews:
        """What is made of the models only when it is read."""
        return self.stack.views(self._sketch)

    def _has_fresh(self) -> bool:
        """Whether inputs can be drawn afresh: all their columns are bits of the task."""
        assert self.stack.roles.group is not None  # there are inputs
        try:
            self._views().fresh(self.stack.roles.group.order, count=2)
        except SignalError:
            return False
        return True

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
