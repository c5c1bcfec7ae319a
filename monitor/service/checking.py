"""What a batch must be before anything of it is stored."""

from grokwatch.monitor import wire
from grokwatch.monitor.errors import WireError
from grokwatch.monitor.records import Alert, AnyRecord, Assessment, RunStarted, WeightFrame
from grokwatch.monitor.service.identity import is_run_id
from grokwatch.monitor.service.line import Standing
from grokwatch.monitor.service.views import Batch

MOST_RECORDS = 10_000
MOST_ATTEMPTS = 16

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
    check_batch(batch)
    after = batch.after
    found: list[Standing] = []
    for record in batch.records:
        if not isinstance(record, Assessment | Alert | WeightFrame):
            found.append(Standing(record, after, wire.encode(record)))
            after = None if after is None else record.seq
    return found, len(batch.records) - len(found)


def check_batch(batch: Batch) -> None:
    """See that a batch is of one run, numbered and ascending, its integers of 64 bits.

    Raises:
        WireError: it is not.
    """
    _check(batch.records)
    if not 0 <= (batch.after or 0) < batch.records[0].seq:
        msg = f"Expected `after` from 0 and below {batch.records[0].seq}, got {batch.after}. "
        raise WireError(msg + "Try the seq of the record that was pushed before.")


def check_count(number: int) -> None:
    """See that a batch has some records, and not too many.

    Raises:
        WireError: it does not.
    """
    if not 0 < number <= MOST_RECORDS:
        msg = f"Expected 1 to {MOST_RECORDS} records, got {number}. Try smaller batches."
        raise WireError(msg)


def _check_run_id(run_id: str) -> None:
    """Refuse a run id that could not stand in an address or a file's name."""
    if not is_run_id(run_id):
        msg = (
            "Expected a run id of at most 128 letters, digits, '.', '_', '-', not beginning with "
            f"'.', got {run_id[:140]!r}. Try a run_id of your own."
        )
        raise WireError(msg)


def _check(records: tuple[AnyRecord, ...]) -> None:
    check_count(len(records))
    run_id = records[0].run_id
    _check_run_id(run_id)
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
    _check_starts(records)
    num_attempts = len({record.attempt for record in records})
    if num_attempts > MOST_ATTEMPTS:
        msg = f"Expected at most {MOST_ATTEMPTS} attempts in a batch, got {num_attempts}. "
        raise WireError(msg + "Try smaller batches.")


def _check_starts(records: tuple[AnyRecord, ...]) -> None:
    starts = [record for record in records if isinstance(record, RunStarted)]
    if len({start.attempt for start in starts}) < len(starts):
        msg = f"Expected one start of each attempt, got {len(starts)} starts. "
        raise WireError(msg + "Try one attempt for each training.")
    if any(not -_LARGEST <= (start.budget_steps or 0) <= _LARGEST for start in starts):
        msg = "Expected a budget of 64 bits, got a larger one. "
        raise WireError(msg + "Try counting optimizer steps.")
