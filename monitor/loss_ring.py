"""The train loss of every step: kept where it was computed, so that no step waits for a device."""

from collections import deque

import numpy as np
import torch
from torch import Tensor

CAPACITY = 64
"""What the loss-curve signals read."""


class LossRing:
    """The last losses in float64, newest last.

    Pushing keeps a reference to a scalar and computes nothing; a reading gathers them.

    Args:
        capacity: losses kept, at least 1.

    Example:
        >>> ring = LossRing(capacity=2)
        >>> for loss in (3.0, 2.0, 1.0): ring.push(torch.tensor(loss))
        >>> ring.read().tolist()
        [2.0, 1.0]
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._losses: deque[Tensor] = deque(maxlen=capacity)

    def __len__(self) -> int:
        return len(self._losses)

    def push(self, loss: Tensor) -> None:
        """Keep a detached scalar."""
        self._losses.append(loss)

    def read(self) -> Tensor:
        """All losses kept: `(W,)` float64, newest last, on the device of the newest."""
        if not self._losses:
            return torch.empty(0, dtype=torch.float64)
        newest = self._losses[-1]
        device = torch.device("cpu") if newest.device.type == "mps" else newest.device
        losses = [loss if loss.ndim == 0 else loss.reshape(()) for loss in self._losses]
        if any(loss.dtype != newest.dtype or loss.device != newest.device for loss in losses):
            losses = [loss.to(device, torch.float64) for loss in losses]
        return torch.stack(losses).to(device, torch.float64)

    def state(self) -> bytes:
        """The losses as little-endian float64 bytes."""
        return self.read().cpu().numpy().astype("<f8").tobytes()

    def restore(self, state: bytes) -> None:
        """Continue from `state()`."""
        losses = np.frombuffer(state, dtype="<f8").astype(np.float64)
        self._losses.clear()
        self._losses.extend(torch.from_numpy(losses).unbind())
