"""Training a stack on a CUDA device: where it is put, and a step as one recorded graph.

A step of small models is many short operations, so the processor that starts them is what takes
time; a graph starts all of them at once. None of this was ever run on a CUDA device: tests check
the order of things with stand-ins, and those marked `gpu` await a machine that has one.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from grokwatch.experiments.stacked.optimizer import StackedOptimizer
from grokwatch.experiments.sweep.stepping import Taken
from grokwatch.monitor.errors import ConfigurationError

Update: TypeAlias = Callable[[], Taken]
Capture: TypeAlias = Callable[[Update], Update]

WARM_UPS = 3

_logger = logging.getLogger(__name__)


def device_of(name: str) -> torch.device:
    """A device by its name.

    Args:
        name: `cpu` or `cuda`, which is the first one that torch sees.

    Raises:
        ConfigurationError: it is another, or no such device is here.

    Example:
        >>> device_of("cpu")
        device(type='cpu')
    """
    if name not in {"cpu", "cuda"}:
        msg = f"Expected a device among cpu and cuda, got {name!r}. Try --device cpu."
        raise ConfigurationError(msg)
    if name == "cuda" and not torch.cuda.is_available():
        msg = "Expected a CUDA device, got none that torch can use. Try --device cpu."
        raise ConfigurationError(msg)
    return torch.device(name)


def updating(gradients: Update, optimizer: StackedOptimizer) -> Update:
    """Gradients and the update that they make, in one call.

    Args:
        gradients: of all losses at the weights as they are.
        optimizer: of the block.
    """

    def update() -> Taken:
        taken = gradients()
        optimizer.step([taken.block])
        return taken

    return update


def recorded(
    update: Update,
    block: Tensor,
    optimizer: StackedOptimizer,
    capture: Capture | None = None,
) -> Update:
    """An update as one graph, or as it is where that fails; nothing is trained meanwhile.

    Args:
        update: changes block and optimizer in place, and always does the same operations.
        block: all weights, `(S, P)`.
        optimizer: what updates them.
        capture: records an update; `record` where it is None.
    """
    before, state = block.clone(), optimizer.state()
    # A model left later is one operation more: it is there from the start, and changes nothing.
    optimizer.freeze(torch.zeros(optimizer.num_models, dtype=torch.bool))
    try:
        return (capture or record)(update)
    except Exception as error:  # Drivers and libraries fail in more ways than there are names for.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        _logger.warning("Training without a CUDA graph, which is slower but the same: %s", reason)
        return update
    finally:
        block.copy_(before)
        optimizer.load(state)


def record(update: Update) -> Update:
    """Record an update on the current CUDA device, after some that make what it keeps.

    Args:
        update: as for `recorded`.

    Returns:
        Does the same; what it gives is copied out of the graph's own memory.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            update()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        taken = update()
    return partial(_replayed, graph, taken)


def _replayed(graph: torch.cuda.CUDAGraph, taken: Taken) -> Taken:
    """Run a graph, and copy what it wrote."""
    graph.replay()
    named = {name: gradient.clone() for name, gradient in taken.gradients.items()}
    return Taken(named, taken.block, taken.losses.clone())
