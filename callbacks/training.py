"""What an adapter knows of its trainer when training starts."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from grokwatch.monitor.optimizer_view import Optimizers

_SPREAD = "DTensor"
_SHARDED = ("_fsdp_flattened", "ds_id")  # how FSDP and DeepSpeed's stage 3 mark a parameter


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a trainer is about to do.

    Attributes:
        module: the model in training.
        is_sharded: whether other processes hold parts of its parameters, so that reading them, or
            running it, would mean to wait for all of them.
        optimizers: gives those that update it.
        step: optimizer updates made before.
        budget_steps: updates that will be made at most, or None.
        hyper_parameters: by name.
        is_clipped: whether gradients change between backward and update.
        is_full_batch: whether one batch is the whole training set.
        precision: the context that the trainer's forward passes run in.
        train_accuracy: reads a logged train accuracy, for models that the train probe cannot judge.
        guesses: gives sentences on what the adapter guessed.
    """

    module: nn.Module
    is_sharded: bool = False
    optimizers: Optimizers = tuple
    step: int = 0
    budget_steps: int | None = None
    hyper_parameters: Mapping[str, object] = field(default_factory=dict)
    is_clipped: bool = False
    is_full_batch: bool = False
    precision: Callable[[], AbstractContextManager[object]] = nullcontext
    train_accuracy: Callable[[], float | None] = lambda: None
    guesses: Callable[[], tuple[str, ...]] = tuple

    @property
    def readable(self) -> nn.Module:
        """What of the model can be read in this process: all of it, or nothing."""
        return nn.Module() if self.is_sharded else self.module


def is_sharded(module: nn.Module) -> bool:
    """Whether other processes hold parts of the parameters."""
    return any(
        type(parameter).__name__ == _SPREAD or any(hasattr(parameter, mark) for mark in _SHARDED)
        for parameter in module.parameters()
    )


def whole(loss: Tensor) -> Tensor | None:
    """A loss that this process has all of; None where its sum is spread over processes.

    Args:
        loss: as the trainer has it.
    """
    if type(loss).__name__ != _SPREAD:
        return loss
    spread: Any = loss
    is_whole = all(placement.is_replicate() for placement in spread.placements)
    return spread.to_local() if is_whole else None
