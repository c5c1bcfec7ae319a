"""How the gradients of a stack are taken: operation by operation, or in one compiled piece.

Compiling takes seconds and saves a share of every step, so it pays for long training of many
examples. It rounds in another order: the last digits differ, and nothing else.
"""

import logging
import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.func import grad_and_value
from torch.fx.experimental.proxy_tensor import make_fx

from grokwatch.experiments.stacked.weights import pack_gradients

COMPILE_SECONDS = 10.0
"""What compiling takes: 5 to 10 s of one core for a network of two layers (measured)."""

STEP_SECONDS = 5e-4
"""What a compiled step saves at least, because it starts fewer operations (measured)."""

NUMBER_SECONDS = 5e-10
"""And for each number that the backward pass needs, because it keeps fewer (measured)."""

_logger = logging.getLogger(__name__)


class Taken(NamedTuple):
    """Gradients by name, the same as one block `(S, P)`, and losses `(S,)`."""

    gradients: dict[str, Tensor]
    block: Tensor
    losses: Tensor


Losses: TypeAlias = Callable[[Mapping[str, Tensor], Tensor, Tensor], Tensor]
Gradients: TypeAlias = Callable[[], Taken]


def pays(steps: int, num_saved: int) -> bool:
    """Whether compiling saves more time than it takes.

    It says the same on every machine, so that no run depends on how busy one was.

    Args:
        steps: updates to come.
        num_saved: numbers that a backward pass needs, of the whole stack.

    Example:
        >>> pays(100, 1_000_000), pays(20_000, 1_000_000)
        (False, True)
    """
    return steps * (STEP_SECONDS + num_saved * NUMBER_SECONDS) > COMPILE_SECONDS


def count_saved(
    losses: Losses, weights: Mapping[str, Tensor], inputs: Tensor, targets: Tensor
) -> int:
    """How many numbers the backward pass of a stack needs."""
    saved: dict[tuple[int, torch.Size], int] = {}

    def note(tensor: Tensor) -> Tensor:
        saved[tensor.data_ptr(), tensor.shape] = tensor.numel()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        # Held until all are counted: memory given back would be counted once for two tensors.
        _held = losses(weights, inputs, targets)
    return sum(saved.values())


def eager(
    losses: Losses, weights: Mapping[str, Tensor], inputs: Tensor, targets: Tensor
) -> Gradients:
    """Take gradients operation by operation.

    Args:
        losses: from weights, inputs and targets to `(S,)`.
        weights: name -> `(S, ...)`, leaves.
        inputs: of all models, `(S, N, ...)`.
        targets: `(S, N)`.
    """
    leaves = list(weights.values())

    def take() -> Taken:
        found = losses(weights, inputs, targets)
        gradients = torch.autograd.grad(found.sum(), leaves)
        named = dict(zip(weights, gradients, strict=True))
        return Taken(named, pack_gradients(gradients), found.detach())

    return take


def compiled(
    losses: Losses,
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    targets: Tensor,
    block: Tensor,
) -> Gradients:
    """Take gradients in one compiled piece, or eagerly where this machine cannot compile.

    Args:
        losses: as for `eager`; it draws no random numbers.
        weights: as for `eager`; they share the memory of the block.
        inputs: of all models, `(S, N, ...)`.
        targets: `(S, N)`.
        block: all weights, `(S, P)`.
    """
    try:
        with warnings.catch_warnings():
            # What torch says to itself of its own parts.
            warnings.simplefilter("ignore")
            piece = _compile(losses, weights, inputs, targets, block)
    except Exception as error:  # A compiler fails in more ways than it has names for.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        _logger.warning(
            "Training without compiling, slower and rounded in another order: %s", reason
        )
        return eager(losses, weights, inputs, targets)

    @torch.no_grad()
    def take() -> Taken:
        gradients, found = piece(block, inputs, targets)
        return Taken(named_parts(gradients, weights), gradients, found)

    return take


def named_parts(block: Tensor, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parts of a block `(S, P)` under the names and in the shapes of the weights."""
    sizes = [weight[0].numel() for weight in weights.values()]
    named = zip(weights.items(), torch.split(block, sizes, dim=1), strict=True)
    return {name: part.view(weight.shape) for (name, weight), part in named}


def _compile(
    losses: Losses,
    weights: Mapping[str, Tensor],
    inputs: Tensor,
    targets: Tensor,
    block: Tensor,
) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Machine code from block, inputs and targets to gradients `(S, P)` and losses `(S,)`.

    The graph is traced once for these shapes. Dynamo would check at every step that nothing
    changed, and give up after a few shapes in one process.
    """

    def total(block: Tensor, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        found = losses(named_parts(block, weights), inputs, targets)
        return found.sum(), found

    def gradients(block: Tensor, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        slope, (_, found) = grad_and_value(total, has_aux=True)(block, inputs, targets)
        return slope, found

    given = (block, inputs, targets)
    graph = make_fx(gradients)(*given)
    # Compiling in this process alone: nobody else waits for the machine's other cores.
    piece: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] = torch._inductor.compile(
        graph, list(given), options={"compile_threads": 1}
    )
    piece(*given)
    return piece
