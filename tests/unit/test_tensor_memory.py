"""The tracker's memory survives as plain bytes."""

import pytest
import torch

from grokwatch.monitor.errors import WireError
from grokwatch.monitor.tensor_memory import MAX_BYTES, dump, load

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.int64])
def test_vectors_keep_every_bit(dtype: torch.dtype) -> None:
    vector = torch.arange(6).reshape(2, 3).to(dtype) / 1
    vector = vector.to(dtype)
    losses, vectors, steps = load(dump(b"xyz", {"a": vector}, {"sharpness": 3}), CPU)
    assert (losses, steps) == (b"xyz", {"sharpness": 3})
    assert vectors["a"].dtype == dtype
    assert torch.equal(vectors["a"], vector)
    vectors["a"].add_(1)


def test_bfloat16_is_widened() -> None:
    vector = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    _, vectors, _ = load(dump(b"", {"a": vector}, {}), CPU)
    assert torch.equal(vectors["a"], vector.float())


def test_large_warm_starts_are_left_out() -> None:
    large = torch.zeros(MAX_BYTES // 4 + 1)
    _, vectors, _ = load(dump(b"", {"large": large, "small": large[:2]}, {}), CPU)
    assert set(vectors) == {"small"}


def test_other_bytes_are_refused() -> None:
    with pytest.raises(WireError, match="Expected a state of kind TrackerMemory"):
        load(b"nonsense", CPU)
