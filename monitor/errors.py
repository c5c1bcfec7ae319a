"""Every error grokwatch raises on purpose.

```
GrokwatchError
|-- ConfigurationError       what the user wrote cannot work; raised at set-up only
|   `-- ProbeError           a probe names something that the model does not have
|-- WireError                bytes that are not a record of ours
|   `-- SchemaError          a record of a schema this version does not speak
|-- JournalError             the journal cannot be opened or written
|   |-- JournalLockedError   another writer holds this run's journal
|   `-- JournalFullError     the run's quota has no room for some of the records
|-- SinkError                a sink could not take records; the journal keeps them
|-- StoreError               the service's store cannot be opened, read or written
|   `-- ConflictError        another writer pushes under the same run and attempt
|-- SourceError              a source of runs could not be read; it is asked again later
|-- HookError                an alert hook could not deliver; the journal keeps the alert
`-- SignalError              a signal could not be computed on this snapshot
```

A sink or hook that meets a foreign exception wraps it in its own kind (`raise SinkError(...) from
error`), so callers never need to know which library stands behind it.
"""


class GrokwatchError(Exception):
    """Base of every error raised on purpose."""


class ConfigurationError(GrokwatchError):
    """What the user wrote cannot work; raised at set-up only."""


class ProbeError(ConfigurationError):
    """A probe names something that the model does not have."""


class WireError(GrokwatchError):
    """Bytes that are not a record of ours."""


class SchemaError(WireError):
    """A record of a schema this version does not speak."""


class JournalError(GrokwatchError):
    """The journal cannot be opened or written."""


class JournalLockedError(JournalError):
    """Another writer holds this run's journal."""


class JournalFullError(JournalError):
    """The run's quota has no room for some of the records; none was written.

    Attributes:
        seqs: numbers of those that there is no room for.
    """

    def __init__(self, message: str, *, seqs: frozenset[int]) -> None:
        super().__init__(message)
        self.seqs = seqs


class SinkError(GrokwatchError):
    """A sink could not take records; the journal keeps them."""


class SourceError(GrokwatchError):
    """A source of runs could not be read; it is asked again later.

    Attributes:
        is_away: whether nobody answers at all, so that asking for the next run is of no use.
    """

    def __init__(self, message: str, *, is_away: bool = False) -> None:
        super().__init__(message)
        self.is_away = is_away


class HookError(GrokwatchError):
    """An alert hook could not deliver; the journal keeps the alert.

    Attributes:
        retry_after_seconds: how long the receiver asked to be left alone, where it did.
        is_gone: whether the receiver is gone for good: nothing should be sent to it any more.
    """

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, is_gone: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.is_gone = is_gone


class StoreError(GrokwatchError):
    """The service's store cannot be opened, read or written."""


class ConflictError(StoreError):
    """Another writer pushes under the same run and attempt, or a newer attempt has begun."""


class SignalError(GrokwatchError):
    """A signal could not be computed on this snapshot."""
