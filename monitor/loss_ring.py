"""The train loss of every step: kept where it was computed, so that no step waits for a device."""

import numpy as np
import torch
from torch import Tensor

CAPACITY = 1_024
_FOLD = 256


class LossRing:
    """The last losses in float64, newest last.

    Pushing costs one list append; tensors are gathered at a reading, or every 256 steps.

    Args:
        capacity: losses kept, at least 1.

    Example:
        >>> ring = LossRing(capacity=2)
        >>> for loss in (3.0, 2.0, 1.0): ring.push(torch.tensor(loss))
        >>> ring.read().tolist()
        [2.0, 1.0]
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._pending: list[Tensor] = []
        self._kept = torch.empty(0, dtype=torch.float64)

    def __len__(self) -> int:
        return min(self._capacity, len(self._kept) + len(self._pending))

    def push(self, loss: Tensor) -> None:
        """Keep a detached scalar."""
        self._pending.append(loss)
        if len(self._pending) >= _FOLD:
            self._fold()

    def read(self) -> Tensor:
        """All losses kept: `(W,)` float64, newest last."""
        if self._pending:
            self._fold()
        return self._kept

    def state(self) -> bytes:
        """The losses as little-endian float64 bytes."""
        return self.read().cpu().numpy().astype("<f8").tobytes()

    def restore(self, state: bytes) -> None:
        """Continue from `state()`."""
        losses = np.frombuffer(state, dtype="<f8").astype(np.float64)
        self._pending = []
        self._kept = torch.from_numpy(losses[-self._capacity :].copy())

    def _fold(self) -> None:
        """Gather what was pushed since the last reading."""
        device = self._pending[-1].device
        if device.type == "mps":  # which has no float64
            device = torch.device("cpu")
        new = torch.stack([loss.to(device, torch.float64).reshape(()) for loss in self._pending])
        self._kept = torch.cat([self._kept.to(device), new])[-self._capacity :]
        self._pending = []
