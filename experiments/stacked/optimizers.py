"""Optimizers over stacked weights, each equal to the one of `torch.optim` with its name."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import final

import torch
from torch import Tensor

from grokwatch.experiments.stacked.optimizer import Setting, StackedOptimizer


def _is_fraction(values: Tensor) -> Tensor:
    return (values >= 0) & (values < 1)


@final
class StackedAdam(StackedOptimizer):
    """AdamW, or Adam where decay is not decoupled.

    m <- m + (1 - b1)(g - m), v <- b2 v + (1 - b2) g^2,
    w <- (1 - lr decay) w - lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).

    Args:
        weights: as for every `StackedOptimizer`.
        lr: learning rate, > 0.
        decay: L2 weight decay, >= 0.
        l1: coefficient of the L1 penalty's gradient, >= 0.
        betas: b1 and b2, in [0, 1).
        eps: added to the root of the second moment, > 0.
        decoupled: AdamW; else the gradient of the decay goes through the moments, as in Adam.

    Raises:
        ConfigurationError: a setting is out of range, or not one for each model.

    Example:
        >>> weights = [torch.tensor([[1.0], [1.0]])]
        >>> optimizer = StackedAdam(weights, lr=[0.1, 0.5])
        >>> optimizer.step([torch.tensor([[3.0], [3.0]])])
        >>> weights[0].flatten()
        tensor([0.9000, 0.5000])

    Source:
        Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        *,
        lr: Setting = 1e-3,
        decay: Setting = 0.0,
        l1: Setting = 0.0,
        betas: tuple[Setting, Setting] = (0.9, 0.98),
        eps: Setting = 1e-8,
        decoupled: bool = True,
    ) -> None:
        super().__init__(weights, lr=lr, decay=decay, l1=l1, decoupled=decoupled)
        both = [self._setting("betas", beta, "in [0, 1)", _is_fraction) for beta in betas]
        self._betas = torch.stack(both)
        self._eps = self._setting("eps", eps, "> 0", lambda x: x > 0)
        self._states = {
            "first": [torch.zeros_like(weight) for weight in self._weights],
            "second": [torch.zeros_like(weight) for weight in self._weights],
            "count": [torch.zeros_like(self._lr)],
        }
        self._refresh()

    def _refresh(self) -> None:
        super()._refresh()
        self._write("new_first", 1 - self._betas[0])
        self._write("old_second", self._betas[1])
        self._write("new_second", 1 - self._betas[1])
        # A frozen model's update is 0 / (0 + eps), and an eps may be too small for the type.
        self._write("eps", torch.where(self._active, self._eps, 1.0))

    def _advance(self) -> None:
        [count] = self._states["count"]
        count += 1
        corrections = 1 - self._betas**count
        self._write("step", -(self._lr / corrections[0]))
        self._write("root", corrections[1].sqrt())

    def _update(self, number: int, weight: Tensor, gradient: Tensor) -> None:
        first, second = (self._states[name][number] for name in ("first", "second"))
        column = partial(self._column, weight=weight)
        # The order of torch's own operations, so that a stack of one gives the same bits.
        first.lerp_(gradient, column("new_first"))
        second.mul_(column("old_second")).addcmul_(gradient * column("new_second"), gradient)
        root = second.sqrt().div_(column("root")).add_(column("eps"))
        weight.addcdiv_(first * column("step"), root)


@final
class StackedSGD(StackedOptimizer):
    """Gradient descent with momentum: b <- momentum b + g, w <- w - lr b.

    Args:
        weights: as for every `StackedOptimizer`.
        lr: learning rate, > 0.
        decay: L2 weight decay, >= 0.
        l1: coefficient of the L1 penalty's gradient, >= 0.
        momentum: in [0, 1).
        decoupled: decay shrinks weights beside the momentum; else its gradient goes through it, as
            in `torch.optim.SGD`.

    Raises:
        ConfigurationError: a setting is out of range, or not one for each model.

    Source:
        Polyak 1964, as torch writes it.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        *,
        lr: Setting = 1e-2,
        decay: Setting = 0.0,
        l1: Setting = 0.0,
        momentum: Setting = 0.0,
        decoupled: bool = False,
    ) -> None:
        super().__init__(weights, lr=lr, decay=decay, l1=l1, decoupled=decoupled)
        self._momentum = self._setting("momentum", momentum, "in [0, 1)", _is_fraction)
        self._remembers = bool(self._momentum.any())
        if self._remembers:
            self._states = {"momentum": [torch.zeros_like(weight) for weight in self._weights]}
        self._refresh()

    def _refresh(self) -> None:
        super()._refresh()
        self._write("momentum", self._momentum)

    def _update(self, number: int, weight: Tensor, gradient: Tensor) -> None:
        if self._remembers:
            momentum = self._states["momentum"][number]
            gradient = momentum.mul_(self._column("momentum", weight)).add_(gradient)
        weight.addcmul_(gradient, self._column("step", weight))


OPTIMIZERS: dict[str, Callable[..., StackedOptimizer]] = {
    "adamw": StackedAdam,
    "adam": partial(StackedAdam, decoupled=False),
    "sgd": StackedSGD,
}
