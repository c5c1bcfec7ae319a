"""What all stacked optimizers share: settings for each model, penalties, and models left behind.

A model's updates depend on its own gradient and settings alone. Arithmetic is in the type of the
weights, settings are prepared in float64, and everything is updated in place.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, final

import torch
from torch import Tensor

from grokwatch.monitor.errors import ConfigurationError

Setting: TypeAlias = float | Sequence[float] | Tensor


class StackedOptimizer(ABC):
    """Updates weights `(S, ...)` of S models, each with settings of its own.

    A setting is one number for all models, or `(S,)`.

    Args:
        weights: tensors `(S, ...)` of one type; a single block `(S, P)` from `pack` is fastest.
        lr: learning rate, > 0.
        decay: L2 weight decay, >= 0.
        l1: coefficient of the L1 penalty's gradient, which is added to that of the loss, >= 0.
        decoupled: `decay` shrinks weights by the factor 1 - lr * decay; else its gradient is added
            to that of the loss.

    Raises:
        ConfigurationError: a setting is out of range, or not one for each model.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        *,
        lr: Setting,
        decay: Setting,
        l1: Setting,
        decoupled: bool,
    ) -> None:
        self._weights = list(weights)
        sizes = {weight.shape[:1] for weight in self._weights}
        if len(sizes) != 1 or not min(sizes):
            msg = f"Expected weights of equally many models, got {sizes}. Try those of stack()."
            raise ConfigurationError(msg)
        self._lr = self._setting("lr", lr, "> 0", lambda x: x > 0)
        self._decay = self._setting("decay", decay, ">= 0", lambda x: x >= 0)
        self._l1 = self._setting("l1", l1, ">= 0", lambda x: x >= 0)
        self._has_l1 = bool(self._l1.any())
        self._shrinks = decoupled and bool(self._decay.any())
        self._has_l2 = not decoupled and bool(self._decay.any())
        self._active = torch.ones(self.num_models, dtype=torch.bool, device=self._lr.device)
        self._has_frozen = False
        self._columns: dict[str, Tensor] = {}
        self._states: dict[str, list[Tensor]] = {}

    @property
    def num_models(self) -> int:
        """S."""
        return len(self._weights[0])

    @property
    def active(self) -> Tensor:
        """Which models are still updated, `(S,)` bool."""
        return self._active.clone()

    @final
    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Update all weights in place; gradients are read only.

        Args:
            gradients: of the sum of the losses, in the order of the weights.

        Raises:
            ValueError: gradients and weights differ in shape.
        """
        shapes, expected = ([tuple(x.shape) for x in xs] for xs in (gradients, self._weights))
        if shapes != expected:
            msg = f"Expected gradients {expected}, got {shapes}. Try torch.autograd.grad's order."
            raise ValueError(msg)
        self._advance()
        for number, (weight, gradient) in enumerate(zip(self._weights, gradients, strict=True)):
            penalized = self._penalized(weight, gradient)
            if self._shrinks:
                weight.mul_(self._column("shrink", weight))
            self._update(number, weight, penalized)

    @torch.no_grad()
    def set_lr(self, lr: Setting) -> None:
        """Go on with another learning rate, > 0, one number or `(S,)`."""
        self._lr.copy_(self._setting("lr", lr, "> 0", lambda x: x > 0))
        self._refresh()

    @torch.no_grad()
    def freeze(self, models: Tensor) -> None:
        """Leave models as they are from now on, such as those whose loss is not finite.

        Their weights keep every bit, whatever their gradients are, and their moments are set to 0.
        The first time a step gets one operation more for each weight: capture graphs anew.

        Args:
            models: `(S,)` bool; models frozen before stay so.

        Raises:
            ValueError: there is not one flag for each model.
        """
        if models.shape != self._active.shape or models.dtype != torch.bool:
            msg = (
                f"Expected {self.num_models} flags, got {models.dtype} {tuple(models.shape)}. "
                "Try ~losses.isfinite()."
            )
            raise ValueError(msg)
        self._active &= ~models.to(self._active.device)
        self._has_frozen = True
        for states in self._states.values():
            for state in states:
                state[~self._active] = 0
        self._refresh()

    def state(self) -> dict[str, Tensor]:
        """Copies of everything but weights and settings, to resume from."""
        parts = {f"{k}.{i}": x for k, xs in self._states.items() for i, x in enumerate(xs)}
        return {name: part.clone() for name, part in {**parts, "active": self._active}.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state()`.

        Raises:
            ValueError: it is the state of another optimizer or of other shapes.
        """
        own = self.state()
        shapes, expected = ({k: tuple(x.shape) for k, x in s.items()} for s in (state, own))
        if shapes != expected:
            msg = f"Expected a state {expected}, got {shapes}. Try the same optimizer and stack."
            raise ValueError(msg)
        for key, parts in self._states.items():
            for number, part in enumerate(parts):
                part.copy_(state[f"{key}.{number}"])
        if not state["active"].all():
            self.freeze(~state["active"].to(self._active.device))

    def _advance(self) -> None:
        """Prepare what is new at this step for all weights: here the step for each model."""
        self._write("step", -self._lr)

    @abstractmethod
    def _update(self, number: int, weight: Tensor, gradient: Tensor) -> None:
        """Update one weight in place."""

    def _penalized(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """The gradient with penalties; that of a frozen model is 0."""
        if self._has_l2:
            gradient = torch.addcmul(gradient, weight, self._column("l2", weight))
        if self._has_l1:
            gradient = torch.addcmul(gradient, weight.sign(), self._column("l1", weight))
        if self._has_frozen:
            gradient = torch.where(self._shaped(self._active, weight), gradient, 0)
        return gradient

    def _refresh(self) -> None:
        """Write settings as the update needs them, in place."""
        self._write("shrink", 1 - self._lr * self._active * self._decay)
        self._write("l1", self._l1)
        self._write("l2", self._decay)

    def _write(self, name: str, values: Tensor) -> None:
        """Keep `(S,)` values in the type of the weights."""
        if name not in self._columns:
            self._columns[name] = torch.empty_like(values, dtype=self._weights[0].dtype)
        self._columns[name].copy_(values)

    def _column(self, name: str, weight: Tensor) -> Tensor:
        """Values for each model, shaped to be broadcast to a weight."""
        return self._shaped(self._columns[name], weight)

    @staticmethod
    def _shaped(values: Tensor, weight: Tensor) -> Tensor:
        return values.view(-1, *[1] * (weight.ndim - 1))

    def _setting(
        self, name: str, value: Setting, bounds: str, is_right: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """A setting as float64 `(S,)`."""
        given = torch.as_tensor(value, dtype=torch.float64, device=self._weights[0].device)
        if given.shape not in {(), (self.num_models,)} or not bool(is_right(given).all()):
            msg = (
                f"Expected {name} {bounds}, one number or {self.num_models}, got {value}. "
                f"Try a tensor of shape ({self.num_models},)."
            )
            raise ConfigurationError(msg)
        return given.expand(self.num_models).clone()
