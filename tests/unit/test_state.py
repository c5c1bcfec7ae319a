"""State as bytes."""

import math

import msgspec
import pytest

from grokwatch.monitor.errors import SchemaError, WireError
from grokwatch.monitor.state import Memory, pack, unpack


class Count(Memory):
    number: float = 0.0
    steps: list[int] = msgspec.field(default_factory=list)


class Other(Memory):
    number: float = 0.0
    steps: list[int] = msgspec.field(default_factory=list)


class Newer(Memory, tag="Count"):
    version: int = 2


@pytest.mark.parametrize("number", [0.1, -0.0, 5e-324, math.inf, math.nan])
def test_every_bit_comes_back(number: float) -> None:
    memory = Count(number=number, steps=[2**63 - 1, -(2**63)])
    again = unpack(pack(memory), Count)
    assert again is not memory
    assert pack(again) == pack(memory)


def test_memory_of_another_kind_is_refused() -> None:
    with pytest.raises(WireError, match=r"Expected a state of kind Other, got \d+ other bytes"):
        unpack(pack(Count()), Other)


def test_memory_of_another_version_is_refused_either_way() -> None:
    with pytest.raises(SchemaError, match=r"Expected version 1 of Count, got 2\. Try"):
        unpack(pack(Newer()), Count)


def test_bytes_of_nothing_are_refused() -> None:
    with pytest.raises(WireError, match=r"Try what its `state\(\)` gave"):
        unpack(b"\x80", Count)
