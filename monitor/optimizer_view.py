"""What optimizers keep of past gradients, and how they decay weights: read, never changed.

Optimizers are known by their state, not by their class, so that subclasses count. What none of them
keeps is not there, and the signals that need it are skipped.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

import torch
from torch import Tensor, nn

from grokwatch.monitor.lazy import LazyMapping
from grokwatch.monitor.snapshot import Need

Optimizers: TypeAlias = Callable[[], Sequence[torch.optim.Optimizer]]
Row: TypeAlias = tuple[str, Mapping[str, Any], Mapping[str, Any]]

_MOMENTS = {"exp_avg", "exp_avg_sq"}


class OptimizerFields(TypedDict, total=False):
    """The fields of a snapshot that come from optimizers."""

    momentum: Mapping[str, Tensor]
    preconditioner: Mapping[str, Tensor]
    decay: Mapping[str, Tensor]


class OptimizerView:
    """Optimizer state by parameter name.

    Args:
        module: whose trainable parameters are named.
        optimizers: gives the optimizers, which may change while training.

    Example:
        >>> module = nn.Linear(2, 1)
        >>> optimizer = torch.optim.AdamW(module.parameters(), lr=0.1, weight_decay=0.5)
        >>> OptimizerView(module, lambda: [optimizer]).read()["decay"]["bias"]
        tensor(0.0500, dtype=torch.float64)
    """

    def __init__(self, module: nn.Module, optimizers: Optimizers = tuple) -> None:
        named = module.named_parameters()
        self._names = {id(parameter): name for name, parameter in named if parameter.requires_grad}
        self._optimizers = optimizers

    def give(self, need: Need) -> bool:
        """Whether every trainable parameter is updated by an optimizer that can meet a need."""
        if need is Need.DECAY:
            return self._all(_is_decoupled)
        return self._all(_is_adaptive) and all(_is_ours(state) for *_, state in self._parameters())

    def read(self) -> OptimizerFields:
        """The fields of a snapshot; the state is looked into when they are."""
        fields = OptimizerFields()
        if self.give(Need.DECAY):
            fields["decay"] = LazyMapping(self._decay)
        if self._adaptive():
            fields["momentum"] = LazyMapping(self._momentum)
            fields["preconditioner"] = LazyMapping(self._preconditioner)
        return fields

    def _momentum(self) -> Mapping[str, Tensor]:
        """The running mean of gradients, without its bias towards 0."""
        return {
            name: _over(state["exp_avg"], _unbiased(group["betas"][0], state))
            for name, group, state in self._adaptive()
        }

    def _preconditioner(self) -> Mapping[str, Tensor]:
        """What each gradient is divided by: the root of the second moment, plus eps."""
        return {
            name: _second(state).div(_unbiased(group["betas"][1], state)).sqrt_() + group["eps"]
            for name, group, state in self._adaptive()
        }

    def _decay(self) -> Mapping[str, Tensor]:
        """Learning rate times weight decay."""
        return {
            name: torch.tensor(float(group["lr"]) * float(group["weight_decay"])).double()
            for name, group, _ in self._parameters()
        }

    def _all(self, holds: Callable[[Mapping[str, Any]], bool]) -> bool:
        """Whether something holds for the groups of all trainable parameters."""
        found = {name for name, group, _ in self._parameters() if holds(group)}
        return bool(found) and found == set(self._names.values())

    def _adaptive(self) -> list[Row]:
        """Parameters with the state of Adam's kind, if the others were never updated."""
        rows = self._parameters()
        is_complete = len(rows) == len(self._names) and all(
            _is_adaptive(group) and _is_ours(state) for _, group, state in rows
        )
        return [row for row in rows if row[2]] if is_complete else []

    def _parameters(self) -> list[Row]:
        """Name, group and state of each trainable parameter, in the model's order."""
        found = {
            self._names[id(parameter)]: (group, optimizer.state.get(parameter, {}))
            for optimizer in self._optimizers()
            for group in optimizer.param_groups
            for parameter in group["params"]
            if id(parameter) in self._names
        }
        return [(name, *found[name]) for name in self._names.values() if name in found]


def _is_adaptive(group: Mapping[str, Any]) -> bool:
    """Whether a group has the settings of Adam's kind."""
    return "betas" in group and "eps" in group


def _is_ours(state: Mapping[str, Any]) -> bool:
    """Whether a parameter's state is of Adam's kind, or may still become so."""
    return not state or state.keys() >= _MOMENTS


def _second(state: Mapping[str, Any]) -> Tensor:
    """The running mean of squared gradients, or the largest there has been, as it is used."""
    second: Tensor = state["max_exp_avg_sq"] if "max_exp_avg_sq" in state else state["exp_avg_sq"]
    return second


def _over(tensor: Tensor, number: float) -> Tensor:
    """Divide; by 1, which is soon the weight of a running mean, without a copy."""
    return tensor if number == 1 else tensor / number


def _unbiased(beta: float | Tensor, state: Mapping[str, Any]) -> float:
    """The weight that a running mean of gradients has gathered so far."""
    return float(1 - float(beta) ** float(state.get("step", math.inf)))


def _is_decoupled(group: Mapping[str, Any]) -> bool:
    """Whether a group's decay shrinks weights directly: AdamW's, or SGD's without momentum."""
    if "weight_decay" not in group or "lr" not in group:
        return False
    if "betas" in group:
        return bool(group.get("decoupled_weight_decay", False))
    return "dampening" in group and group["momentum"] == 0
