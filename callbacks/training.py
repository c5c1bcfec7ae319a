"""What an adapter knows of its trainer when training starts."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a trainer is about to do.

    Attributes:
        module: the model in training.
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
    step: int = 0
    budget_steps: int | None = None
    hyper_parameters: Mapping[str, object] = field(default_factory=dict)
    is_clipped: bool = False
    is_full_batch: bool = False
    precision: Callable[[], AbstractContextManager[object]] = nullcontext
    train_accuracy: Callable[[], float | None] = lambda: None
    guesses: Callable[[], tuple[str, ...]] = tuple
