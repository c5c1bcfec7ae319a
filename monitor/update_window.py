"""Gradients and weights around one observed update, copied only then.

The optimizer sees gradient t at weights t. Two such points in a row give the curvature along the
update between them for the price of two reads, so the step before an observation is copied too.
Above a million parameters the copies would weigh on training's memory: there gradients are borrowed
after the step, and no pair is kept.
"""

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor, nn

MAX_COPIED = 1_000_000


class UpdateWindow:
    """Copies what two neighboring updates saw.

    Args:
        module: the model being trained.
        is_clipped: whether the trainer changes gradients in place before the update.
    """

    def __init__(self, module: nn.Module, *, is_clipped: bool = False) -> None:
        self._parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self._is_clipped = is_clipped
        self._last: tuple[dict[str, Tensor], dict[str, Tensor]] | None = None
        self._step: int | None = None
        self._gradients: dict[str, Tensor] | None = None
        self._update: dict[str, Tensor] | None = None
        self._previous: dict[str, Tensor] | None = None

    @cached_property
    def keeps_pairs(self) -> bool:
        """Whether two neighboring updates are copied; lazy parameters have no size at first."""
        return sum(parameter.numel() for parameter in self._parameters.values()) <= MAX_COPIED

    @property
    def _copies(self) -> bool:
        """Whether gradients are copied at all."""
        return self.keeps_pairs or self._is_clipped

    def before_update(self, step: int, *, is_observed: bool, is_next_observed: bool) -> None:
        """Copy what an update is about to use, called between backward and the optimizer's step.

        Args:
            step: number of the update; of several calls for one update the first counts, because
                an optimizer that evaluates its loss again moves the weights in between.
            is_observed: whether an observation follows this update.
            is_next_observed: whether one follows the next update.
        """
        if not self._copies or step == self._step:
            return
        last, self._last, self._step = self._last, None, step
        if not is_observed and not (is_next_observed and self.keeps_pairs):
            return
        gradients = self._copied_gradients()
        if is_observed:
            self._gradients = gradients
            if last is not None:
                self._previous, weights = last
                self._update = {
                    name: self._parameters[name].detach() - weight
                    for name, weight in weights.items()
                    if self._parameters[name].requires_grad  # it may have been frozen since
                }
        if is_next_observed and self.keeps_pairs:
            self._last = gradients, _clones(self._parameters)

    @property
    def gradients(self) -> Mapping[str, Tensor] | None:
        """Gradients of the observed update, by name."""
        if self._copies:
            return self._gradients
        return {n: p.grad for n, p in self._parameters.items() if p.grad is not None} or None

    @property
    def previous_gradients(self) -> Mapping[str, Tensor] | None:
        """Gradients of the update before it, by name."""
        return self._previous

    @property
    def update(self) -> Mapping[str, Tensor] | None:
        """What the update before it changed, by name."""
        return self._update

    def release(self) -> None:
        """Let the copies of the observed update go."""
        self._gradients = self._update = self._previous = None

    def _copied_gradients(self) -> dict[str, Tensor]:
        """Copies of the gradients there are; dense also where they are sparse."""
        return {
            name: parameter.grad.detach().to_dense().clone()
            for name, parameter in self._parameters.items()
            if parameter.grad is not None
        }


def _clones(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Detached copies by name."""
    return {name: torch.clone(tensor.detach()) for name, tensor in tensors.items()}
