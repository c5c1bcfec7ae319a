"""Batches as trainers hand them out: how many examples, some of them, inputs apart from targets.

It understands tensors in tuples, lists and dictionaries whose first axis counts examples. What it
does not understand it says so by None, and what needs it is skipped with a reason.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

Batch: TypeAlias = Any

_INPUTS = ("inputs", "input", "x", "input_ids")
_TARGETS = ("targets", "target", "y", "labels", "label")


def num_examples(batch: Batch) -> int | None:
    """Length of the first axis that all tensors of a batch share, or None where they share none.

    Example:
        >>> num_examples((torch.zeros(5, 2), torch.zeros(5), "text"))
        5
    """
    lengths = {tensor.shape[0] if tensor.ndim else None for tensor in _tensors(batch)}
    return lengths.pop() if len(lengths) == 1 else None


def take(batch: Batch, count: int) -> Batch:
    """A copy of `count` examples, spread evenly over the batch, without drawing random numbers.

    Args:
        batch: a batch that `num_examples` can count.
        count: examples to keep, at least 1; the whole batch where it has no more.

    Returns:
        A batch of the same make with tensors of its own.
    """
    total = num_examples(batch) or 0
    kept = min(count, total)
    rows = torch.arange(kept) * total // max(kept, 1)
    return _map(batch, lambda tensor: tensor.detach().index_select(0, rows.to(tensor.device)))


def copied(batch: Batch) -> Batch:
    """A copy of a batch, for a model that may write into what it is given.

    Args:
        batch: any batch.

    Returns:
        A batch of the same make with tensors of its own.

    Example:
        >>> batch = (torch.zeros(1), "text")
        >>> copied(batch)[0].add_(1), batch
        (tensor([1.]), (tensor([0.]), 'text'))
    """
    return _map(batch, lambda tensor: tensor.detach().clone())


def part_of(batch: Batch, part: tuple[int, int]) -> Batch:
    """The examples `i`, `i + n`, `i + 2n`, ... of a batch, without copying them.

    Args:
        batch: a batch that `num_examples` can count, or any batch where n is 1.
        part: `(i, n)`.

    Returns:
        A batch of the same make, whose tensors are views.

    Example:
        >>> part_of((torch.arange(5), "text"), (1, 2))
        (tensor([1, 3]), 'text')
    """
    first, stride = part
    return batch if stride == 1 else _map(batch, lambda tensor: tensor[first::stride])


def cast(batch: Batch, dtype: torch.dtype | None) -> Batch:
    """A batch whose floating tensors have another dtype; the same one where that is None.

    Args:
        batch: any batch.
        dtype: a floating dtype, or None.
    """
    if dtype is None:
        return batch
    return _map(batch, lambda t: t.to(dtype) if t.is_floating_point() else t)


def split(batch: Batch) -> tuple[tuple[Tensor, ...], Tensor] | None:
    """Inputs and targets of a batch that looks like (inputs, ..., targets), or None.

    Example:
        >>> inputs, targets = split({"x": torch.zeros(3, 2), "y": torch.ones(3)})
        >>> len(inputs), targets.shape
        (1, torch.Size([3]))
    """
    if isinstance(batch, Mapping):
        inputs = next((batch[key] for key in _INPUTS if key in batch), None)
        targets = next((batch[key] for key in _TARGETS if key in batch), None)
        batch = (inputs, targets)
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        return None
    if not all(isinstance(part, Tensor) for part in batch):
        return None
    return tuple(batch[:-1]), batch[-1]


def classified(
    output: Any, targets: Tensor, *, ignored: int | None = None
) -> tuple[Tensor, Tensor] | None:
    """Bring a classifier's output and targets to one row per decision.

    Takes `(N, C)` with `(N,)`, `(N, T, C)` with `(N, T)`, the last position of `(N, T, C)` with
    `(N,)`, and single logits `(N,)` or `(N, 1)` with zeros and ones, which become two columns.

    Args:
        output: what the module returned; of a tuple the first part, of a model output its `logits`.
        targets: class indices, integers (or zeros and ones for single logits).
        ignored: a number that may stand for no class.

    Returns:
        Logits `(M, C)` and class indices `(M,)`, or None where this is no classification, or some
        target is none of the C classes: on a GPU, looking it up would be the end of the process.
    """
    logits = logits_of(output)
    if logits is None or not logits.is_floating_point():
        return None
    if logits.shape in {targets.shape, (*targets.shape, 1)}:
        return _binary(logits.reshape(-1), targets.reshape(-1))
    if targets.is_floating_point():
        return None
    if logits.ndim == 3 and targets.ndim == 1:
        logits = logits[:, -1]
    if logits.shape[:-1] != targets.shape:
        return None
    classes, num_classes = targets.reshape(-1).long(), logits.shape[-1]
    is_known = (classes >= 0) & (classes < num_classes)
    if ignored is not None:
        is_known |= classes == ignored
    return (logits.reshape(-1, num_classes), classes) if bool(is_known.all()) else None


def logits_of(output: Any) -> Tensor | None:
    """The tensor that a module returned, or the first of several."""
    first = getattr(output, "logits", output)
    if isinstance(first, Sequence) and first:
        first = first[0]
    return first if isinstance(first, Tensor) and first.ndim > 0 else None


def _binary(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor] | None:
    """Two columns for single logits, where targets are zeros and ones."""
    if not bool(((targets == 0) | (targets == 1)).all()):
        return None
    return torch.stack([torch.zeros_like(logits), logits], dim=-1), targets.long()


def _tensors(batch: Batch) -> list[Tensor]:
    """All tensors of a nested batch."""
    if isinstance(batch, Tensor):
        return [batch]
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, tuple | list):
        return [tensor for part in batch for tensor in _tensors(part)]
    return []


def _map(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """Change every tensor of a nested batch."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        return {key: _map(part, change) for key, part in batch.items()}
    if isinstance(batch, tuple | list):
        parts = [_map(part, change) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch
