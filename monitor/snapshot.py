"""What a signal may read at one step, and what a signal is.

A `Snapshot` borrows tensors from the training process; it lives only inside `Tracker.observe` and
is never stored. Every tensor may carry leading model axes: `(*models, ...)`. One Lightning model
has none, a stacked sweep has one, and a signal returns one value per model: `(*models,)`. Nothing
here becomes a Python float; that happens once, at the tracker's edge (ADR-0004).
"""

import enum
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from torch import Tensor


class Need(enum.Enum):
    """Something a signal reads that not every run can give; the value says what enables it."""

    GRADIENTS = "gradients of the trainable parameters"
    UPDATE = "gradient and weights of the step before"
    LOSSES = "the train loss of every step"
    LOGITS = "logits on the fixed train probe"
    HVP = "a loss that can be evaluated again"
    TOKENS = "a weight matrix with an axis indexed by tokens of a cyclic group"
    INPUTS = "a weight matrix with an axis indexed by input coordinates"


class Access(enum.Enum):
    """What a signal sees; only TRAIN is allowed in the headline predictor."""

    TRAIN = "train"
    UNLABELLED = "unlabelled"
    SOLUTION = "solution"
    HELD_OUT = "held-out"


class Cost(enum.Enum):
    """How dear a value is: read at once, sorted or decomposed, or the model run backwards.

    Cheap signals are read at every observation; each of the others is thinned by the budget.
    """

    CHEAP = "cheap"
    MODERATE = "moderate"
    DEAR = "dear"


class HessianProduct(Protocol):
    """Multiplies the train-loss Hessian on a fixed sub-batch with a vector over all parameters."""

    def __call__(self, vector: Tensor, /) -> Tensor:
        """Map `(*models, P)` to `(*models, P)`."""
        ...


Readings: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What can be read of one model, or of a stack of models, after optimiser update number `step`.

    Attributes:
        step: optimiser updates made so far.
        models: leading model axes that every tensor here carries; `()` for one model.
        weights: trainable parameters by name, each `(*models, ...)`.
        tokens: role -> matrix `(*models, P, D)` whose axis -2 is indexed by the tokens of a cyclic
            group of order P.
        inputs: role -> matrix `(*models, N, D)` whose axis -2 is indexed by input coordinates.
        matrices: role -> matrix `(*models, rows, columns)`, all roles, for spectra.
        gradients: by parameter name, as the optimiser saw them at this update (before clipping).
        previous_gradients: the same one update earlier.
        update: change of each parameter between the two points where `previous_gradients` and
            `gradients` were taken.
        losses: `(*models, W)` float64, train loss of the last W updates, newest last.
        logits: `(*models, N, C)` on the fixed train probe, eval mode.
        targets: `(*models, N)` or `(N,)` class indices of the train probe.
        hvp: Hessian-vector product on a fixed train sub-batch; vectors are flat over `weights` in
            order.
        memory: tensors a signal keeps between observations (a warm start); owned by the tracker.
    """

    step: int
    models: tuple[int, ...] = ()
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    tokens: Mapping[str, Tensor] = field(default_factory=dict)
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    matrices: Mapping[str, Tensor] = field(default_factory=dict)
    gradients: Mapping[str, Tensor] | None = None
    previous_gradients: Mapping[str, Tensor] | None = None
    update: Mapping[str, Tensor] | None = None
    losses: Tensor | None = None
    logits: Tensor | None = None
    targets: Tensor | None = None
    hvp: HessianProduct | None = None
    memory: MutableMapping[str, Tensor] = field(default_factory=dict)
    _computed: MutableMapping[str, Tensor] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def once(self, key: str, compute: Callable[[], Tensor]) -> Tensor:
        """Compute what several signals read (a spectrum, say) once for this snapshot.

        Args:
            key: names the quantity after its family file, as in `fourier.power@embedding`.
            compute: makes it, from this snapshot alone.

        Returns:
            What `compute` returned the first time; read it, never write into it.
        """
        if key not in self._computed:
            self._computed[key] = compute()
        return self._computed[key]

    def has(self, need: Need) -> bool:
        """Whether this snapshot can give `need`."""
        present: Mapping[Need, object] = {
            Need.GRADIENTS: self.gradients,
            Need.UPDATE: self.update and self.previous_gradients and self.gradients,
            Need.LOSSES: self.losses is not None,
            Need.LOGITS: self.logits is not None,
            Need.HVP: self.hvp is not None,
            Need.TOKENS: self.tokens,
            Need.INPUTS: self.inputs,
        }
        return bool(present[need])


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A named reading of a snapshot.

    Attributes:
        name: the field's term; every key that `read` yields is `name[.part][@role]`.
        read: the measurement, from a snapshot that has all `needs`.
        needs: what must be there; a signal whose needs are unmet is listed as skipped at the start.
        access: what it sees.
        bounds: least and greatest possible value of every key.
        unit: "" for a ratio or count, else "nats", "steps", ...
        cost: how dear one value is.
        summary: one sentence on what it is and how it moves.
        source: author, year, equation or section.
    """

    name: str
    read: Callable[[Snapshot], Readings]
    needs: frozenset[Need] = frozenset()
    access: Access = Access.TRAIN
    bounds: tuple[float, float]
    unit: str = ""
    cost: Cost = Cost.CHEAP
    summary: str
    source: str
