"""How the records of a run fare on their way: the figures that a dispatcher reports."""

import msgspec


class Health(msgspec.Struct, frozen=True):
    """How a dispatcher fares; targets are shown without credentials.

    `dropped` counts records that never reached the journal, by reason: `queue_full`, `closed`,
    `unwritable` (no bytes exist for it), `malformed` (no record at all), `quota` (the journal has
    no room for it); each leaves a gap in `seq`. `journal_failures` counts writes to the run's
    folder that failed; records among them are tried again. `sink_lag` counts acknowledged records
    that a sink has not taken yet. `journal_bytes` is the size of the run's journal, of which
    `journal_quota_bytes` is the most.
    """

    queue_depth: int
    dropped: dict[str, int]
    journal_failures: int
    sink_failures: dict[str, int]
    sink_lag: dict[str, int]
    torn_bytes: int
    journal_bytes: int
    journal_quota_bytes: int


DROP_REASONS = ("queue_full", "closed", "unwritable", "malformed", "quota")
"""Every reason why a record may not reach the journal."""
