"""The user's description of their model: weights and their roles, and the group of the task.

All of it is optional. What is not given is looked for in the module, and every guess is reported
once.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from grokwatch.monitor.errors import ProbeError

if TYPE_CHECKING:
    from torch import Tensor, nn

Role: TypeAlias = Literal["embedding", "unembedding", "input", "output"]
ROLES: tuple[str, ...] = get_args(Role)

Matrix: TypeAlias = "str | Callable[[Mapping[str, Tensor]], Tensor]"
Loss: TypeAlias = "Callable[[nn.Module, Any], Tensor]"

Hidden: TypeAlias = str | Callable[..., Any]
Attention: TypeAlias = Callable[..., Any]

_GROUP = re.compile(r"(?P<kind>cyclic|bits|symmetric):(?P<size>[0-9]{1,9})")
_SYMMETRIC_SIZES = range(3, 6)


@dataclass(frozen=True)
class Group:
    """What tokens or input coordinates run over.

    Attributes:
        kind: `cyclic` for p numbers that are added modulo p, `symmetric` for the permutations of n
            things in lexicographic order, `bits` for n input coordinates.
        size: p or n.
    """

    kind: Literal["cyclic", "bits", "symmetric"]
    size: int

    @classmethod
    def parse(cls, text: str) -> "Group":
        """Read `cyclic:67`, `bits:30` or `symmetric:5`.

        Raises:
            ProbeError: the text is no group this version knows.

        Example:
            >>> Group.parse("cyclic:67")
            Group(kind='cyclic', size=67)
        """
        match = _GROUP.fullmatch(text)
        group = cls(match["kind"], int(match["size"])) if match else None  # type: ignore[arg-type]
        is_known = group is not None and (
            group.size in _SYMMETRIC_SIZES if group.kind == "symmetric" else group.size >= 2
        )
        if group is None or not is_known:
            msg = (
                f"Expected a group such as 'cyclic:67', 'bits:30' or 'symmetric:3' to "
                f"'symmetric:5', got {text!r}. "
                "Try the group whose elements index the token or input axis."
            )
            raise ProbeError(msg)
        return group

    @property
    def order(self) -> int:
        """How long the axis is: p, n, or n! permutations."""
        return math.factorial(self.size) if self.kind == "symmetric" else self.size

    def __str__(self) -> str:
        return f"{self.kind}:{self.size}"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What the monitor should know about a model that it cannot see by itself.

    Attributes:
        group: `cyclic:p` when tokens are added modulo p, `symmetric:n` when they are permutations
            of n things in lexicographic order, `bits:n` when inputs are n bits; None to look for
            it.
        roles: role -> parameter name as in `named_parameters()`, or a function of all parameters by
            name, for an effective matrix such as embedding times hidden layer. The axis as long as
            the group's order is the token (or input) axis.
        axes: role -> its token or input axis, where both axes fit the group.
        frames: role -> matrix to keep over time for the report, in place of the one in `roles`;
            nothing is measured of it.
        loss: `loss(module, batch) -> scalar`, so that curvature can be evaluated again. A standard
            loss is recognized without it, but used up to a million weights only: curvature keeps
            about eight vectors as long as the weights.
        hidden: name of the submodule whose output is the hidden state to look at, or
            `hidden(module, *inputs) -> (N, D)`, which must change nothing in the module; by default
            what the last nn.Linear is given.
        attention: `attention(module, *inputs) -> (N, heads, T, T)`, or such by layer; by default
            what every nn.MultiheadAttention attends to.
        train_accuracy: name of a logged train accuracy, where the train probe cannot measure it.
        test_accuracy: name of the logged test or validation accuracy.
        test_loss: name of the logged test or validation loss.

    Example:
        >>> probe = Probe(group="cyclic:67", roles={"embedding": "embed.weight"})
        >>> probe.order
        67
    """

    group: str | None = None
    roles: "Mapping[Role, Matrix]" = field(default_factory=dict)
    axes: "Mapping[Role, int]" = field(default_factory=dict)
    frames: "Mapping[Role, Matrix]" = field(default_factory=dict)
    loss: "Loss | None" = None
    hidden: Hidden | None = None
    attention: Attention | None = None
    train_accuracy: str | None = None
    test_accuracy: str | None = None
    test_loss: str | None = None

    def __post_init__(self) -> None:
        unknown = [role for role in (*self.roles, *self.axes, *self.frames) if role not in ROLES]
        if unknown:
            msg = f"Expected roles among {', '.join(ROLES)}, got {unknown[0]!r}. Rename it."
            raise ProbeError(msg)
        if self.group is not None:
            Group.parse(self.group)

    @property
    def order(self) -> int | None:
        """Order of the group, or None where no group was given."""
        return None if self.group is None else Group.parse(self.group).order
