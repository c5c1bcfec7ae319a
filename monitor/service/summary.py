"""A run's row, kept up to date record by record; pure but for the mapping it fills."""

import math
from typing import Any, final

import msgspec

from grokwatch.monitor.records import (
    AnyRecord,
    Assessment,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
)
from grokwatch.monitor.service.identity import clean_name

RUNNING = "running"
MOST_KEYS = 2_000
"""Names of values that a run's page offers; more are stored, and not offered."""


def finite(value: float | None) -> float | None:
    """The value, or None where a column could not hold or sort it."""
    return value if value is not None and math.isfinite(value) else None


@final
class Summary:
    """What changes in a run's row.

    Args:
        row: the row as it stands; of `keys` the MessagePack.

    Attributes:
        changes: column -> its new value.
    """

    def __init__(self, row: dict[str, Any]) -> None:
        self.changes: dict[str, Any] = {}
        self._row = row
        self._keys: set[str] = set(msgspec.msgpack.decode(row["keys"])) if row["keys"] else set()
        self._num_keys = len(self._keys)

    def now(self, column: str) -> Any:
        """A column as it is by now."""
        return self.changes.get(column, self._row[column])

    def count(self, column: str, number: int = 1) -> None:
        """Add to a counter."""
        if number:
            self.changes[column] = self.now(column) + number

    def take(self, record: AnyRecord) -> None:
        """Note what a record, or what was concluded from it, changes in the row."""
        if isinstance(record, Observation):
            self._observed(record)
        elif isinstance(record, Evaluation):
            self.changes["test_accuracy"] = finite(record.test_accuracy)
        elif isinstance(record, Assessment):
            self._assessed(record)
        elif isinstance(record, RunStarted):
            self._started(record)
        elif isinstance(record, RunEnded):
            self.changes |= {"status": record.status.value, "message": clean_name(record.message)}

    def taken(self) -> dict[str, Any]:
        """All changes, names of values among them."""
        if len(self._keys) != self._num_keys:
            self.changes["keys"] = msgspec.msgpack.encode(sorted(self._keys))
        return self.changes

    def _observed(self, record: Observation) -> None:
        if len(self._keys) < MOST_KEYS:
            self._keys.update(record.values)
        self.changes |= {
            "step": record.step,
            "train_loss": finite(record.train_loss),
            "train_accuracy": finite(record.train_accuracy),
        }

    def _assessed(self, record: Assessment) -> None:
        eta = record.eta_steps
        self.changes |= {
            "stage": record.stage.value,
            "probability": record.probability,
            "rise_probability": record.rise_probability,
            "reason": record.reason and record.reason.replace("\0", ""),  # which no column takes
            "eta_low": eta.low if eta else None,
            "eta_high": eta.high if eta else None,
        }

    def _started(self, record: RunStarted) -> None:
        self.changes |= {
            "name": clean_name(record.name),
            "grouping": clean_name(record.group) if record.group else None,
            "budget_steps": record.budget_steps,
            "status": RUNNING,
            "message": "",
            "beginning": msgspec.msgpack.encode(record),
        }
