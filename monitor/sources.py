"""What one run lets signals read, gathered into a snapshot after an update."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from grokwatch.monitor.curvature import Curvature
from grokwatch.monitor.optimizer_view import OptimizerView
from grokwatch.monitor.probe_views import NEEDS, ProbeViews, Views
from grokwatch.monitor.records import SkippedSignal
from grokwatch.monitor.roles import Roles
from grokwatch.monitor.snapshot import Need, Signal, Snapshot
from grokwatch.monitor.standard_loss import REMEDY as LOSS_REMEDY
from grokwatch.monitor.train_probe import ProbeReading, TrainProbe
from grokwatch.monitor.update_window import MAX_COPIED, UpdateWindow

SHARDED = "unsupported where parameters are sharded over processes"

_REMEDIES = {
    Need.GRADIENTS: "train with gradients in .grad",
    Need.UPDATE: f"at most {MAX_COPIED:,} trainable parameters",
    Need.MOMENTUM: "an optimizer of Adam's kind for all parameters",
    Need.PRECONDITIONER: "an optimizer of Adam's kind for all parameters",
    Need.DECAY: "AdamW for all parameters",
    Need.LOSSES: "returning the loss from training_step",
    Need.LOGITS: "batches of (inputs, class indices), and a forward that returns logits",
    Need.REPRESENTATIONS: "Probe(hidden='name of a submodule')",
    Need.ATTENTION: "Probe(attention=...) with a function that gives attention maps",
    Need.TANGENTS: "batches of (inputs, class indices), and a forward that returns logits",
    Need.LANDSCAPE: LOSS_REMEDY,
    Need.TOKENS: "Probe(group='cyclic:67', roles={'embedding': 'embed.weight'})",
    Need.PERMUTATIONS: "Probe(group='symmetric:5', roles={'embedding': 'embed.weight'})",
    Need.INPUTS: "Probe(group='bits:30', roles={'input': 'layers.0.weight'})",
    Need.FRESH: "Probe(group='bits:30') with inputs as one matrix of bits",
}
_OF_OPTIMIZERS = frozenset({Need.MOMENTUM, Need.PRECONDITIONER, Need.DECAY})


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What one run lets the tracker read.

    Attributes:
        module: the model in training.
        roles: which of its weights are what.
        window: gradients around the observed updates.
        probe: fixed train examples, or None.
        views: what else can be seen on them, or None.
        optimizer: what its optimizers keep, or None.
        curvature: the loss once more, or None.
        has_losses: whether the trainer tells the loss of each step.
        reasons: need -> why this run cannot meet it, where that is more than its absence.
        is_sharded: whether other processes hold parts of the parameters, so that nothing but losses
            can be read without waiting for all of them.
    """

    module: nn.Module
    roles: Roles
    window: UpdateWindow
    probe: TrainProbe | None = None
    views: ProbeViews | None = None
    optimizer: OptimizerView | None = None
    curvature: Curvature | None = None
    has_losses: bool = True
    reasons: Mapping[Need, str] = field(default_factory=dict)
    is_sharded: bool = False
    parameters: tuple[tuple[str, nn.Parameter], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(self.module.named_parameters()))

    def give(self, need: Need) -> bool:
        """Whether this run can meet a need at all."""
        if need in NEEDS:
            return self.views is not None and self.views.give(need)
        if need in _OF_OPTIMIZERS:
            return self.optimizer is not None and self.optimizer.give(need)
        return {
            Need.GRADIENTS: True,
            Need.UPDATE: self.window.keeps_pairs,
            Need.LOSSES: self.has_losses,
            Need.LOGITS: self.probe is not None,
            Need.LANDSCAPE: self.curvature is not None,
            Need.TOKENS: self.roles.has("cyclic"),
            Need.PERMUTATIONS: self.roles.has("symmetric"),
            Need.INPUTS: self.roles.has("bits"),
        }[need]

    def skip(self, signal: Signal) -> SkippedSignal | None:
        """Say why a signal cannot be read in this run, if it cannot.

        Args:
            signal: to be read.

        Returns:
            The reason, and what would enable the signal; None where it can be read.
        """
        if self.is_sharded and signal.needs != {Need.LOSSES}:
            return SkippedSignal(
                name=signal.name,
                reason=SHARDED,
                remedy="a strategy that keeps whole parameters, such as DDP",
            )
        for need in sorted(signal.needs, key=lambda need: need.name):
            if not self.give(need):
                why = {**self.reasons, **(self.views.reasons if self.views else {})}.get(need)
                reason = f"needs {need.value}" + (f" ({why})" if why else "")
                return SkippedSignal(name=signal.name, reason=reason, remedy=_REMEDIES[need])
        return None

    def snapshot(
        self,
        step: int,
        losses: Tensor | None,
        reading: ProbeReading | None,
        memory: MutableMapping[str, Tensor],
    ) -> Snapshot:
        """Gather what signals may read now.

        Args:
            step: optimizer updates made.
            losses: of the last updates, or None.
            reading: of the train probe, or None.
            memory: what signals keep.

        Returns:
            The snapshot; it borrows the module's tensors.
        """
        weights = {name: parameter.detach() for name, parameter in self.parameters}
        matrices, indexed = self.roles.read(weights)
        group, window = self.roles.group, self.window
        kind = group.kind if group else ""
        return Snapshot(
            step=step,
            weights={n: weights[n] for n, p in self.parameters if p.requires_grad},
            tokens=indexed if kind == "cyclic" else {},
            permutations=indexed if kind == "symmetric" else {},
            inputs=indexed if kind == "bits" else {},
            matrices=matrices,
            gradients=window.gradients,
            previous_gradients=window.previous_gradients,
            update=window.update,
            losses=losses,
            logits=None if reading is None else reading.logits,
            targets=None if reading is None else reading.targets,
            landscape=self.curvature,
            memory=memory,
            **(self.optimizer.read() if self.optimizer else {}),
            **self._views(reading),
        )

    def _views(self, reading: ProbeReading | None) -> Views:
        """What else can be seen on the train probe."""
        if self.views is None or reading is None:
            return Views()
        return self.views.read(len(reading.targets))
