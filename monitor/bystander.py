"""Running a model without leaving a trace: the one place that knows what a forward pass can change.

Forward passes draw random numbers, count batches in buffers, depend on train and eval mode, and
compile. Within `same_random_numbers` and `undisturbed` all of that is put aside and restored, also
after an exception. Models are never copied: parameters are read where they are, buffers are cloned.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from grokwatch.monitor.errors import SignalError


@contextmanager
def same_random_numbers(device: torch.device) -> Iterator[None]:
    """Give Python, NumPy and torch the random numbers they would have had without us.

    Args:
        device: whose generator is guarded besides the CPU's.

    Yields:
        Nothing.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 -- theirs, not ours
    cpu = torch.get_rng_state()
    accelerator = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    try:
        yield
    finally:
        random.setstate(python)
        if not _is_same(numpy, np.random.get_state()):  # noqa: NPY002
            np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if accelerator is not None:
            torch.cuda.set_rng_state(accelerator, device)


@contextmanager
def undisturbed(module: nn.Module, *, training: bool | None = False) -> Iterator[None]:
    """Put the train or eval mode of every submodule, and compilation, aside.

    Args:
        module: the model.
        training: the mode inside; None leaves each submodule in its own.

    Yields:
        Nothing.
    """
    modes = [] if training is None else [(m, m.training) for m in module.modules()]
    with ExitStack() as stack:
        if _is_compiled(module):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        try:
            for child, mode in modes:
                if mode is not training:
                    child.training = bool(training)
            yield
        finally:
            for child, mode in modes:
                child.training = mode


@contextmanager
def differentiable_twice(module: nn.Module) -> Iterator[None]:
    """Choose kernels that have a second derivative, with gradients on and nothing cast.

    cuDNN's recurrent layers have not even a first one in eval mode.

    Args:
        module: the model.

    Yields:
        Nothing.
    """
    is_recurrent = any(isinstance(child, nn.RNNBase) for child in module.modules())
    with ExitStack() as stack:
        if is_recurrent:
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        stack.enter_context(torch.autocast(device_of(module).type, enabled=False))
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


@contextmanager
def lent(
    module: nn.Module,
    weights: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype | None = None,
) -> Iterator[None]:
    """Let a module run on cloned buffers and, where given, on other weights.

    Each submodule is visited once, under however many names it is registered: what
    `torch.func.functional_call` puts back under the second name is not what it took (torch 2.13),
    and the optimizer would go on with weights that the model no longer has.

    Args:
        module: the model.
        weights: by name as in `named_parameters()`, taking the place of those.
        dtype: what all other floating parameters and buffers are copied to; None leaves theirs.

    Yields:
        Nothing.
    """
    given = weights or {}
    others = {id(buffer): _copy(buffer, dtype) for buffer in module.buffers()}
    for name, parameter in module.named_parameters():
        if name in given:
            others[id(parameter)] = given[name]
        elif dtype is not None:
            others[id(parameter)] = _copy(parameter, dtype)
    slots = [
        (tensors, name, tensor)
        for child in module.modules()
        for tensors in (child._parameters, child._buffers)
        for name, tensor in tensors.items()
        if id(tensor) in others
    ]
    try:
        for tensors, name, tensor in slots:
            tensors[name] = others[id(tensor)]  # type: ignore[assignment]
        yield
    finally:
        for tensors, name, tensor in slots:
            tensors[name] = tensor  # type: ignore[assignment]


def check_reach(output: Tensor) -> None:
    """Refuse a graph whose gradients would silently be 0 where it is not followed.

    Reentrant checkpointing keeps its weights out of the graph: a gradient that is asked for by name
    does not see them, and is 0 where only the inputs lead into the checkpoint.

    Args:
        output: what is to be differentiated.

    Raises:
        SignalError: the graph has reentrant checkpoints.
    """
    todo, seen = [output.grad_fn], set[Any]()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        if type(node).__name__ == "CheckpointFunctionBackward":
            msg = (
                "Expected a graph with all weights in it, got reentrant checkpoints. "
                "Try checkpoint(..., use_reentrant=False)."
            )
            raise SignalError(msg)
        seen.add(node)
        todo.extend(following for following, _ in node.next_functions)


def device_of(module: nn.Module) -> torch.device:
    """Where the model's first parameter is; the CPU where it has none."""
    first = next(module.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def _copy(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A tensor of its own, in another dtype where it is floating and one is given."""
    if dtype is None or not tensor.is_floating_point():
        return tensor.detach().clone()
    return tensor.detach().to(dtype, copy=True)


def _is_same(before: Any, after: Any) -> bool:
    """Whether two states of NumPy's generator are equal; ten times cheaper than setting one."""
    return before[2:] == after[2:] and bool((before[1] == after[1]).all())


def _is_compiled(module: nn.Module) -> bool:
    """Whether some part of the model has been through `torch.compile`."""
    return any(
        type(child).__name__ == "OptimizedModule"
        or getattr(child, "_compiled_call_impl", None) is not None
        or getattr(child, "_compiler_ctx", None) is not None
        for child in module.modules()
    )
