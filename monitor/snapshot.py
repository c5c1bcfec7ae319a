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

import torch
from torch import Tensor


class Need(enum.Enum):
    """Something a signal reads that not every run can give; the value says what enables it."""

    GRADIENTS = "gradients of the trainable parameters"
    UPDATE = "gradient and weights of the step before"
    MOMENTUM = "an optimizer that keeps a running mean of gradients"
    PRECONDITIONER = "an optimizer that divides each gradient by a scale of its own"
    DECAY = "an optimizer with decoupled weight decay"
    LOSSES = "the train loss of every step"
    LOGITS = "logits on the fixed train probe"
    REPRESENTATIONS = "hidden states on the fixed train probe"
    ATTENTION = "attention maps on the fixed train probe"
    TANGENTS = "a model whose outputs can be differentiated on the fixed train probe"
    LANDSCAPE = "a loss that can be evaluated again"
    TOKENS = "a weight matrix with an axis indexed by tokens of a cyclic group"
    PERMUTATIONS = "a weight matrix with an axis indexed by permutations"
    INPUTS = "a weight matrix with an axis indexed by input coordinates"
    FRESH = "inputs of bits that can be drawn afresh"


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


Part: TypeAlias = tuple[int, int]
"""The examples `i`, `i + n`, `i + 2n`, ... of a fixed batch, as `(i, n)`."""

WHOLE: Part = (0, 1)


class Landscape(Protocol):
    """The mean train loss on fixed examples, as a function of all trainable parameters.

    Vectors are flat over `Snapshot.weights` in order, `(*models, P)`; what comes back has at least
    float32. A stack's product is block-diagonal: each model's own.

    Attributes:
        num_examples: how many examples; a part of them is `range(i, num_examples, n)`.
        dtype: what losses and gradients are computed in.
    """

    num_examples: int
    dtype: torch.dtype

    def loss(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        """The loss at the weights plus an offset: `(*models,)`."""
        ...

    def gradient(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        """Its gradient there: `(*models, P)`."""
        ...

    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        """Its Hessian at the weights times a vector: `(*models, P)`, in the vector's dtype."""
        ...


@dataclass(frozen=True)
class FreshInputs:
    """Uniform random inputs that nobody labelled, and what the model answers.

    Attributes:
        signs: `(M, n)`, each bit as 1 (for the lower of its two values) or -1.
        margins: `(*models, M)` logit of class 1 less logit of class 0.
    """

    signs: Tensor
    margins: Tensor


Tangents: TypeAlias = Callable[[Tensor], Tensor]
"""Maps k rows of the train probe to `(*models, k, S)`: the gradient of a fixed random contrast of
each row's logits, sketched to S numbers so that inner products are kept on average."""


Readings: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What can be read of one model, or of a stack of models, after optimiser update number `step`.

    Attributes:
        step: optimizer updates made so far.
        models: leading model axes that every tensor here carries; `()` for one model.
        weights: trainable parameters by name, each `(*models, ...)`.
        tokens: role -> matrix `(*models, P, D)` whose axis -2 is indexed by the tokens of a cyclic
            group of order P.
        permutations: role -> matrix `(*models, n!, D)` whose axis -2 is indexed by the permutations
            of n things in lexicographic order.
        inputs: role -> matrix `(*models, N, D)` whose axis -2 is indexed by input coordinates.
        matrices: role -> matrix `(*models, rows, columns)`, all roles, for spectra.
        gradients: by parameter name, as the optimizer saw them at this update (before clipping).
        previous_gradients: the same one update earlier.
        update: change of each parameter between the two points where `previous_gradients` and
            `gradients` were taken.
        momentum: the optimizer's running mean of gradients by name, without its bias towards 0.
        preconditioner: what the optimizer divides each gradient by, by name.
        decay: learning rate times decoupled weight decay by name, each `(*models,)` or a scalar.
        losses: `(*models, W)` float64, train loss of the last W updates, newest last.
        logits: `(*models, N, C)` on the fixed train probe, eval mode, in the training dtype.
        targets: `(*models, N)` or `(N,)` class indices of the train probe.
        representations: layer -> `(*models, N, D)` hidden states of the train probe's rows.
        attention: layer -> `(*models, N, heads, T, T)` attention weights, each row adding up to 1.
        tangents: gradients of the outputs on chosen rows of the train probe.
        fresh: draws the same fresh inputs every time, and runs the model on them.
        landscape: the train loss on a fixed sub-batch.
        memory: tensors a signal keeps between observations (a warm start) under keys that begin
            with its name; owned by the tracker.
    """

    step: int
    models: tuple[int, ...] = ()
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    tokens: Mapping[str, Tensor] = field(default_factory=dict)
    permutations: Mapping[str, Tensor] = field(default_factory=dict)
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    matrices: Mapping[str, Tensor] = field(default_factory=dict)
    gradients: Mapping[str, Tensor] | None = None
    previous_gradients: Mapping[str, Tensor] | None = None
    update: Mapping[str, Tensor] | None = None
    momentum: Mapping[str, Tensor] | None = None
    preconditioner: Mapping[str, Tensor] | None = None
    decay: Mapping[str, Tensor] | None = None
    losses: Tensor | None = None
    logits: Tensor | None = None
    targets: Tensor | None = None
    representations: Mapping[str, Tensor] = field(default_factory=dict)
    attention: Mapping[str, Tensor] = field(default_factory=dict)
    tangents: Tangents | None = None
    fresh: Callable[[], FreshInputs] | None = None
    landscape: Landscape | None = None
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
        """Whether this snapshot can give `need`, which is named as its field is."""
        if need is Need.UPDATE:
            return bool(self.update and self.previous_gradients and self.gradients)
        found: object = getattr(self, need.name.lower())
        return bool(found) if isinstance(found, Mapping) else found is not None


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
