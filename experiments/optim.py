"""Optimizers of the recipes: AdamW with decoupled L2 decay, or L1 decay through the gradient."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import overload

import torch
from torch import Tensor, nn

from grokwatch.monitor.errors import ConfigurationError


class L1AdamW(torch.optim.AdamW):
    """AdamW that adds `l1 * sign(p)` to the gradient it uses.

    The gradient of the loss itself is left in `p.grad`: whoever looks there sees the loss alone.
    """

    def __init__(self, params: Iterable[nn.Parameter], *, l1: float, **options: object) -> None:
        super().__init__(params, **options)  # type: ignore[arg-type]
        self.l1 = l1

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Evaluate the closure if there is one, then update with the penalized gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradients = [(p, p.grad) for g in self.param_groups for p in g["params"]]
        self._update([(p, g) for p, g in gradients if g is not None])
        return loss

    @torch.no_grad()
    def _update(self, gradients: list[tuple[nn.Parameter, Tensor]]) -> None:
        """Update with penalized gradients, then put the loss gradients back."""
        try:
            for parameter, gradient in gradients:
                parameter.grad = gradient.add(parameter.sign(), alpha=self.l1)
            super().step()
        finally:
            for parameter, gradient in gradients:
                parameter.grad = gradient


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """How to make the optimizer of a recipe.

    Attributes:
        lr: learning rate, > 0.
        decay: decoupled L2 weight decay, >= 0.
        l1: coefficient of the L1 penalty's gradient, >= 0.
        betas: of the two moving averages.
        eps: added to the root of the second moment. Adam is blind to the scale of a loss but for
            this: a loss also averaged over p classes is our loss with p times its eps.
    """

    lr: float = 1e-3
    decay: float = 0.0
    l1: float = 0.0
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        if self.lr <= 0 or self.decay < 0 or self.l1 < 0:
            msg = (
                f"Expected lr > 0, decay >= 0 and l1 >= 0, got lr={self.lr}, decay={self.decay}, "
                f"l1={self.l1}. Try lr=1e-3."
            )
            raise ConfigurationError(msg)

    def make(self, parameters: Iterable[nn.Parameter]) -> torch.optim.AdamW:
        """The optimizer over `parameters`."""
        options = {
            "lr": self.lr,
            "weight_decay": self.decay,
            "betas": self.betas,
            "eps": self.eps,
            "fused": True,
        }
        if self.l1:
            return L1AdamW(parameters, l1=self.l1, **options)
        return torch.optim.AdamW(parameters, **options)  # type: ignore[arg-type]
