"""What a batch must be before anything of it is stored."""

import re

from grokwatch.monitor.errors import WireError
from grokwatch.monitor.records import Alert, AnyRecord, Assessment, WeightFrame
from grokwatch.monitor.service.line import Standing
from grokwatch.monitor.service.views import Batch

MOST_RECORDS = 10_000

_RUN_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_LARGEST = 2**63 - 1
_MOST_ATTEMPTS = 2**31 - 1


def standings(batch: Batch) -> tuple[list[Standing], int]:
    """The records of a batch that the service keeps, in order, each with the one before it.

    Args:
        batch: as it came.

    Returns:
        The standings, and how many records are ignored: those that the service makes itself, and
        weight frames.

    Raises:
        WireError: records of several runs, unnumbered or not ascending; or too many.
    """
    _check(batch.records)
    after = batch.after
    found: list[Standing] = []
    for record in batch.records:
        if not isinstance(record, Assessment | Alert | WeightFrame):
            found.append(Standing(record, after))
        if after is not None and not isinstance(record, Assessment | Alert | WeightFrame):
            after = record.seq
    return found, len(batch.records) - len(found)


def check_run_id(run_id: str) -> None:
    """Refuse a run id that could not stand in an address or a file's name.

    Raises:
        WireError: it could not.

    Example:
        >>> check_run_id("3f2a.b_c-1")
    """
    if _RUN_ID.fullmatch(run_id) is None:
        msg = (
            "Expected a run id of at most 128 letters, digits, '.', '_', '-', not beginning with "
            f"'.', got {run_id[:140]!r}. Try a run_id of your own."
        )
        raise WireError(msg)


def _check(records: tuple[AnyRecord, ...]) -> None:
    if not 0 < len(records) <= MOST_RECORDS:
        msg = f"Expected 1 to {MOST_RECORDS} records, got {len(records)}. Try smaller batches."
        raise WireError(msg)
    run_id = records[0].run_id
    check_run_id(run_id)
    before = (0, 0)
    for record in records:
        place = (record.attempt, record.seq)
        if record.run_id != run_id:
            msg = f"Expected records of one run, got {run_id!r} and {record.run_id[:140]!r}. "
            raise WireError(msg + "Try one batch for each run.")
        if not (0 < record.attempt <= _MOST_ATTEMPTS and 0 < record.seq <= _LARGEST):
            msg = f"Expected attempt and seq from 1, got {place}. "
            raise WireError(msg + "Try numbering the run's records 1, 2, 3, ...")
        if place <= before:
            msg = f"Expected records by ascending attempt and seq, got {place} after {before}. "
            raise WireError(msg + "Try sorting them.")
        if not -_LARGEST <= getattr(record, "step", 0) <= _LARGEST:
            msg = f"Expected a step of 64 bits, got one of {place}. "
            raise WireError(msg + "Try counting optimizer steps.")
        before = place
