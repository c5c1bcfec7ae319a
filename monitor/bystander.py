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
def differentiable_twice() -> Iterator[None]:
    """Choose kernels that have a second derivative, with gradients on."""
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        yield


@contextmanager
def lent(module: nn.Module, weights: Mapping[str, Tensor] | None = None) -> Iterator[None]:
    """Let a module run on cloned buffers and, where given, on other weights.

    Each submodule is visited once, under however many names it is registered: what
    `torch.func.functional_call` puts back under the second name is not what it took (torch 2.13),
    and the optimizer would go on with weights that the model no longer has.

    Args:
        module: the model.
        weights: by name as in `named_parameters()`, taking the place of those.

    Yields:
        Nothing.
    """
    given = weights or {}
    others = {id(p): given[name] for name, p in module.named_parameters() if name in given}
    others |= {id(buffer): buffer.detach().clone() for buffer in module.buffers()}
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


def device_of(module: nn.Module) -> torch.device:
    """Where the model's first parameter is; the CPU where it has none."""
    first = next(module.parameters(), None)
    return torch.device("cpu") if first is None else first.device


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
