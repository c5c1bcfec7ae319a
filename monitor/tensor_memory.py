"""The tracker's memory as bytes: plain numbers in a checkpoint, no pickled classes."""

from collections.abc import Mapping

import msgspec
import numpy as np
import torch
from torch import Tensor

from grokwatch.monitor.state import Memory, pack, unpack

MAX_BYTES = 4 * 2**20


class Array(msgspec.Struct, forbid_unknown_fields=True):
    """A tensor: NumPy's name of its little-endian dtype, its shape, its bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


class TrackerMemory(Memory):
    """What the tracker remembers between observations."""

    losses: bytes = b""
    vectors: dict[str, Array] = msgspec.field(default_factory=dict)
    last_steps: dict[str, int] = msgspec.field(default_factory=dict)


def dump(losses: bytes, vectors: Mapping[str, Tensor], last_steps: Mapping[str, int]) -> bytes:
    """Pack the memory; warm starts above 4 MiB are left out and found again.

    Args:
        losses: the loss ring's state.
        vectors: warm starts by name.
        last_steps: signal -> step of its last value.

    Returns:
        The bytes.
    """
    arrays = {
        name: _array(vector)
        for name, vector in vectors.items()
        if vector.numel() * vector.element_size() <= MAX_BYTES
    }
    return pack(TrackerMemory(losses=losses, vectors=arrays, last_steps=dict(last_steps)))


def load(state: bytes, device: torch.device) -> tuple[bytes, dict[str, Tensor], dict[str, int]]:
    """Unpack what `dump` packed.

    Args:
        state: the bytes.
        device: where the warm starts go.

    Returns:
        The loss ring's state, warm starts, last steps.
    """
    memory = unpack(state, TrackerMemory)
    vectors = {}
    for name, array in memory.vectors.items():
        flat = np.frombuffer(array.data, dtype=array.dtype)
        native = flat.astype(flat.dtype.newbyteorder("="))
        vectors[name] = torch.from_numpy(native.reshape(array.shape)).to(device)
    return memory.losses, vectors, dict(memory.last_steps)


def _array(tensor: Tensor) -> Array:
    """Copy a tensor; NumPy knows no bfloat16, so it is widened."""
    wide = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    array = np.ascontiguousarray(wide.detach().cpu().numpy())
    little = array.astype(array.dtype.newbyteorder("<"))
    return Array(dtype=little.dtype.str, shape=tuple(array.shape), data=little.tobytes())
