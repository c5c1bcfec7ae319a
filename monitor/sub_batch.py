"""The examples that second derivatives run on: as many as cost no memory to speak of.

A sub-batch is biased: its sharpest directions are partly its own, so every example counts. But a
second derivative keeps about three times what a first does, and a monitor must not be what a
training runs out of memory by. So the batch is taken whole where its backward pass keeps little,
and by a quarter where it keeps much.
"""

import torch
from torch import Tensor, nn

from grokwatch.monitor.batch import Batch, num_examples, take
from grokwatch.monitor.bystander import lent
from grokwatch.monitor.loss_replay import LossOfBatch, aside, trainable

MOST_EXAMPLES = 4_096
MOST_BYTES = 8 * 2**20
SHARE = 4

_NUM_TRIED = 32


def keep(batch: Batch) -> Batch:
    """A copy of up to 4,096 examples, or the batch itself where they cannot be counted.

    Args:
        batch: a train batch.

    Returns:
        A batch that no trainer writes into.
    """
    total = num_examples(batch)
    if total is None:
        return batch
    with torch.inference_mode(mode=False):
        return take(batch, max(1, min(total, MOST_EXAMPLES)))


def sub_batch(module: nn.Module, loss: LossOfBatch, batch: Batch) -> Batch:
    """As many examples as a backward pass keeps 8 MiB for, at least a quarter of a batch.

    Args:
        module: the model being trained.
        loss: `loss(module, batch) -> scalar`.
        batch: a batch of one's own.

    Returns:
        Some of its examples, spread evenly; the batch itself where they cannot be counted.
    """
    total = num_examples(batch)
    if not total:
        return batch
    few = take(batch, min(total, _NUM_TRIED))
    kept = saved_bytes(module, loss, few) / min(total, _NUM_TRIED)
    affordable = int(MOST_BYTES / kept) if kept else total
    count = max(1, total // SHARE, min(total, affordable))
    return batch if count == total else take(batch, count)


def saved_bytes(module: nn.Module, loss: LossOfBatch, batch: Batch) -> int:
    """What a backward pass needs besides the weights, in bytes; the model is run once.

    Args:
        module: the model being trained.
        loss: `loss(module, batch) -> scalar`.
        batch: some examples.

    Returns:
        The sum over storages, each counted once.

    Example:
        >>> layer = nn.Linear(3, 2)
        >>> saved_bytes(layer, lambda m, x: m(x).square().sum(), torch.ones(5, 3))  # in and out
        100
    """
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with aside(module):
        copies = {n: p.detach().requires_grad_() for n, p in trainable(module).items()}
        with (
            lent(module, copies),
            torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        ):
            kept = loss(module, batch)  # storages must not be freed and used again meanwhile
    for weight in module.parameters():
        sizes.pop(weight.untyped_storage().data_ptr(), None)
    del kept
    return sum(sizes.values())
