"""Which weights play which role, and which of their axes is indexed by tokens or input coordinates.

What the probe names is used; what it does not is looked for in the module and reported as a guess.
A probe that cannot be right is refused with the shapes there are, because a spectrum along the
wrong axis looks like any other spectrum.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from grokwatch.monitor.errors import ProbeError
from grokwatch.monitor.probe import Group, Matrix, Probe

NUM_SPECIAL_ROWS = 2
MAX_GUESSED_ORDER = 4_096

# By construction of nn.Embedding and nn.Linear: rows are tokens, or outputs by inputs.
_AXES_OF_MODULE = {
    (nn.Embedding, "embedding"): 0,
    (nn.Embedding, "unembedding"): 0,
    (nn.Linear, "unembedding"): 0,
    (nn.Linear, "output"): 0,
    (nn.Linear, "input"): 1,
}


@dataclass(frozen=True)
class View:
    """One role's weight matrix, and its axis that runs over the group (None where none does)."""

    source: Matrix
    axis: int | None = None
    order: int | None = None

    def matrix(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The whole matrix: `(rows, columns)`."""
        return weights[self.source] if isinstance(self.source, str) else self.source(weights)

    def indexed(self, matrix: Tensor) -> Tensor:
        """The matrix with the group on axis -2, without special rows: `(order, width)`."""
        rows = matrix if self.axis == 0 else matrix.mT
        return rows[..., : self.order, :]


@dataclass(frozen=True)
class Roles:
    """The roles found in one module.

    Attributes:
        views: role -> view.
        group: what tokens or input coordinates run over, or None.
        guesses: one sentence on each thing that the probe did not say.
        frames: role -> view of a matrix that is kept for people and not measured.
    """

    views: Mapping[str, View] = field(default_factory=dict)
    group: Group | None = None
    guesses: tuple[str, ...] = ()
    frames: Mapping[str, View] = field(default_factory=dict)

    def has(self, kind: str) -> bool:
        """Whether some view runs over a group of this kind (`cyclic`, `symmetric` or `bits`)."""
        if self.group is None or self.group.kind != kind:
            return False
        return any(view.axis is not None for view in self.views.values())

    def read(self, weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Read all matrices, and those of them that run over the group.

        Args:
            weights: all parameters by name.

        Returns:
            Role -> `(rows, columns)`, and role -> `(order, width)`.
        """
        matrices = {role: view.matrix(weights) for role, view in self.views.items()}
        indexed = {
            role: view.indexed(matrices[role])
            for role, view in self.views.items()
            if view.axis is not None
        }
        return matrices, indexed


def named_weights(module: nn.Module) -> dict[str, Tensor]:
    """All parameters by name, detached; tied ones once, lazy ones not yet made are left out."""
    return {
        name: parameter.detach()
        for name, parameter in module.named_parameters()
        if not isinstance(parameter, UninitializedParameter)
    }


def find_roles(module: nn.Module, probe: Probe | None = None) -> Roles:
    """Find the roles that a module's weights play.

    Args:
        module: the model; read, never changed.
        probe: what its user knows about it.

    Returns:
        The roles, with every guess in a sentence.

    Raises:
        ProbeError: the probe names what is not there, or a group that fits none or two axes.

    Example:
        >>> roles = find_roles(nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 7)))
        >>> str(roles.group), sorted(roles.views)
        ('cyclic:7', ['embedding', 'unembedding'])
    """
    return _Finder(module, probe or Probe()).find()


class _Finder:
    """One search through one module."""

    def __init__(self, module: nn.Module, probe: Probe) -> None:
        self._probe = probe
        self._weights = named_weights(module)
        self._owners = dict(_owners(module))
        self._guesses: list[str] = []

    def find(self) -> Roles:
        """Search, guess and check."""
        sources: dict[str, Matrix] = {
            role: self._checked(role, source) for role, source in self._probe.roles.items()
        }
        self._guess_ends(sources)
        group = self._group(sources)
        views = {role: self._view(role, source, group) for role, source in sources.items()}
        if self._probe.group is not None and all(view.axis is None for view in views.values()):
            raise ProbeError(self._misfit("any role", group))
        frames = {
            str(role): self._view(role, self._checked(role, source), group)
            for role, source in self._probe.frames.items()
        }
        return Roles(views, group, tuple(self._guesses), frames)

    def _checked(self, role: str, source: Matrix) -> Matrix:
        """Refuse names and functions that give no matrix."""
        if isinstance(source, str) and source not in self._weights:
            names = ", ".join(self._weights) or "no parameters yet"
            msg = (
                f"Expected role {role!r} to name a parameter, got {source!r}. "
                f"Try one of those that the model has: {names}."
            )
            raise ProbeError(msg)
        shape = self._shape(source)
        if len(shape) != 2:
            msg = (
                f"Expected role {role!r} to be a matrix, got shape {shape}. "
                "Try a function of all parameters that returns a two-dimensional tensor."
            )
            raise ProbeError(msg)
        return source

    def _guess_ends(self, sources: dict[str, Matrix]) -> None:
        """Look for the embedding, and for the first and last linear layer."""
        embeddings = self._named(nn.Embedding)
        linears = self._named(nn.Linear)
        fitting = [name for name in embeddings if self._fits(name, 0)] or embeddings
        if fitting:
            self._guess(sources, "embedding", fitting[0], "the first nn.Embedding")
        vocabulary = self._probe.order or (self._shape(fitting[0])[0] if fitting else None)
        if linears and fitting and self._shape(linears[-1])[0] == vocabulary:
            self._guess(sources, "unembedding", linears[-1], "the last nn.Linear")
        if linears:
            self._guess(sources, "input", linears[0], "the first nn.Linear")
            self._guess(sources, "output", linears[-1], "the last nn.Linear")

    def _guess(self, sources: dict[str, Matrix], role: str, name: str, why: str) -> None:
        """Take `name` for `role` unless the probe said something else."""
        if role not in sources and name not in sources.values():
            sources[role] = name
            self._guesses.append(f"{role} is {name!r}, {why}")

    def _group(self, sources: Mapping[str, Matrix]) -> Group | None:
        """The probe's group, or one as long as the embedding or the input."""
        if self._probe.group is not None:
            return Group.parse(self._probe.group)
        embedding, inputs = sources.get("embedding"), sources.get("input")
        if embedding is not None:
            order = self._shape(embedding)[0]
            if self._owners.get(str(embedding)) is not nn.Embedding or order > MAX_GUESSED_ORDER:
                return None
            self._guesses.append(
                f"tokens run over cyclic:{order}, all rows of {embedding!r}; where some are no "
                f"numbers, say so with Probe(group='cyclic:{order - 1}')"
            )
            return Group("cyclic", order)
        # behind another layer, the columns of a linear one are features, not inputs
        is_first = inputs == next(iter(self._weights), None)
        if is_first and self._owners.get(str(inputs)) is nn.Linear:
            assert inputs is not None
            order = self._shape(inputs)[1]
            self._guesses.append(f"inputs run over bits:{order}, all columns of {inputs!r}")
            return Group("bits", order) if order > 1 else None
        return None

    def _view(self, role: str, source: Matrix, group: Group | None) -> View:
        """Settle which axis of `source` runs over the group."""
        if group is None:
            return View(source)
        axis = self._axis(role, source, group)
        is_expected = role == ("input" if group.kind == "bits" else "embedding")
        if axis is None and is_expected and role in self._probe.roles:
            raise ProbeError(self._misfit(f"role {role!r}", group))
        if axis is None or (group.kind == "bits" and role != "input"):
            return View(source)
        surplus = self._shape(source)[axis] - group.order
        if surplus:
            self._guesses.append(
                f"{role} has {surplus} more than {group}; only the first {group.order} count"
            )
        return View(source, axis, group.order)

    def _axis(self, role: str, source: Matrix, group: Group) -> int | None:
        """The axis the probe says, else the one its layer says, else the only one that fits."""
        said = {str(name): axis for name, axis in self._probe.axes.items()}.get(role)
        if said is not None:
            if said not in {0, 1, -1, -2} or not self._fits(source, said % 2):
                raise ProbeError(self._misfit(f"axis {said} of role {role!r}", group))
            return said % 2
        built = _AXES_OF_MODULE.get((self._owners.get(str(source), nn.Module), role))
        if built is not None:
            return built if self._fits(source, built, group.order) else None
        shape = self._shape(source)
        exact = [axis for axis in (0, 1) if shape[axis] == group.order]
        near = exact or [axis for axis in (0, 1) if self._fits(source, axis, group.order)]
        if len(near) > 1:
            msg = (
                f"Expected one axis of role {role!r} to fit {group}, got shape {shape}. "
                f"Try Probe(axes={{{role!r}: 0}}) or 1."
            )
            raise ProbeError(msg)
        return near[0] if near else None

    def _fits(self, source: Matrix, axis: int, order: int | None = None) -> bool:
        """Whether an axis is as long as the group, or has one or two special rows more."""
        order = order or self._probe.order
        return order is None or 0 <= self._shape(source)[axis] - order <= NUM_SPECIAL_ROWS

    def _named(self, kind: type[nn.Module]) -> list[str]:
        """Names of the weights of all modules of a kind, in order."""
        return [name for name, owner in self._owners.items() if owner is kind]

    def _shape(self, source: Matrix) -> tuple[int, ...]:
        """Shape of a source."""
        with torch.no_grad():
            return tuple(View(source).matrix(self._weights).shape)

    def _misfit(self, what: str, group: Group | None) -> str:
        """The message for a group that fits nothing."""
        shapes = ", ".join(f"{name} {tuple(w.shape)}" for name, w in self._weights.items())
        return (
            f"Expected {what} to have an axis as long as {group}, got none. "
            f"Try another group or Probe(roles=...); it has: {shapes or 'no parameters yet'}."
        )


def _owners(module: nn.Module) -> Iterator[tuple[str, type[nn.Module]]]:
    """Yield weight names with nn.Embedding or nn.Linear in module order, tied weights once."""
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    for child in module.modules():
        for kind in (nn.Embedding, nn.Linear):
            if isinstance(child, kind):
                # a parametrized `.weight` is computed anew, and may write into buffers
                name = names.pop(id(child._parameters.get("weight")), None)
                if name is not None:
                    yield name, kind
