"""What is remembered of a run that is fetched, committed together with its records."""

import msgspec

from grokwatch.monitor.state import Memory, unpack


class MetricCursor(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How far the history of one metric is read.

    Attributes:
        ours: what the metric means.
        token: of the page that is being read; "" for the first.
        seen: marks of the points of that page that are records already.
        is_percent: whether its values are percent.
    """

    ours: str
    token: str = ""
    seen: tuple[int, ...] = ()
    is_percent: bool = False


class SourceMemory(Memory):
    """How far a run is read; with it, reading goes on where it was, and gives the same records.

    Attributes:
        attempt: of the newest start; 0 before the first.
        seq: of the newest record.
        step: the highest of its records.
        time: of the newest record.
        loss: the newest train loss, for steps that log other things only.
        is_over: whether its end is a record.
        fingerprint: of the listing that is wholly read; 0 while something is left.
        metrics: their name -> how far.
        is_left: whether it is not read because its own records are pushed.
    """

    attempt: int = 0
    seq: int = 0
    step: int = 0
    time: float = 0.0
    loss: float | None = None
    is_over: bool = False
    fingerprint: int = 0
    metrics: dict[str, MetricCursor] = msgspec.field(default_factory=dict)
    is_left: bool = False


def remembered(data: bytes | None) -> SourceMemory:
    """A memory as it was committed; a new one where there is none.

    Args:
        data: the bytes.

    Returns:
        The memory, to be changed.
    """
    return SourceMemory() if data is None else unpack(data, SourceMemory)
