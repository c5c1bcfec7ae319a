"""How much of a disk the journal of a run may fill, and which records give way first.

Weight frames are for people to look at, and give way at three quarters. What a run says of its
course goes on nearly to the end; the last of the room is kept for starts, ends and alerts, which
are few and small and must not be lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Alert, AnyRecord, RunEnded, RunStarted, WeightFrame

QUOTA_BYTES = 256 * 2**20

_FRAMES_SHARE = 3 / 4
_COURSE_SHARE = 63 / 64


@dataclass(frozen=True)
class Quota:
    """The most bytes that a run's journal may have.

    Args:
        num_bytes: of all its attempts together, at least 1.

    Raises:
        ConfigurationError: it leaves no room at all.

    Example:
        >>> from grokwatch.monitor.records import Evaluation
        >>> Quota(640).refused([Evaluation(run_id="a", seq=7, step=1, time=0.0)], [31], 600)
        frozenset({7})
    """

    num_bytes: int = QUOTA_BYTES

    def __post_init__(self) -> None:
        if self.num_bytes < 1:
            msg = (
                f"Expected a journal quota of at least 1 byte, got {self.num_bytes}. "
                f"Try {QUOTA_BYTES}, which is 256 MiB."
            )
            raise ConfigurationError(msg)

    def refused(
        self, records: Sequence[AnyRecord], sizes: Sequence[int], used_bytes: int
    ) -> frozenset[int]:
        """Find the records that there is no room for.

        Args:
            records: what is to be written, in order.
            sizes: bytes of each.
            used_bytes: what the journal has already.

        Returns:
            Their `seq`; a later record that is smaller, or of more weight, may find room.
        """
        seqs = set[int]()
        for record, size in zip(records, sizes, strict=True):
            if used_bytes + size > self.num_bytes * _share(record):
                seqs.add(record.seq)
            else:
                used_bytes += size
        return frozenset(seqs)


def _share(record: AnyRecord) -> float:
    if isinstance(record, WeightFrame):
        return _FRAMES_SHARE
    return 1.0 if isinstance(record, RunStarted | Alert | RunEnded) else _COURSE_SHARE
