"""Opening a run: its journal, and its way to the world."""

import logging
import sys
import tempfile
import uuid
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from grokwatch.callbacks.settings import Settings
from grokwatch.monitor import alerts
from grokwatch.monitor.dispatch import Dispatcher, Health
from grokwatch.monitor.errors import JournalError, JournalLockedError
from grokwatch.monitor.journal import Journal, read
from grokwatch.monitor.protocols import ShowsHealth
from grokwatch.monitor.quota import QUOTA_BYTES
from grokwatch.monitor.records import Alert, WeightFrame

_PACKAGES = ("grokwatch", "torch", "pytorch-lightning", "lightning")

_log = logging.getLogger(__name__)


def open_journal(directory: Path, run_id: str, *, quota_bytes: int = QUOTA_BYTES) -> Journal:
    """Open a run's journal; where that cannot be, one beside it.

    A second writer of the same run gets a run of its own; a folder that cannot be written gives way
    to a temporary one. Both are logged.

    Args:
        directory: where journals are kept.
        run_id: the run.
        quota_bytes: the most that its journal may have.

    Returns:
        An open journal, whose `run_id` may be another one.

    Raises:
        JournalError: not even a temporary folder can be written.
    """
    try:
        return Journal.open(directory, run_id, quota_bytes=quota_bytes)
    except JournalLockedError as error:
        other = f"{run_id[:119]}-{uuid.uuid4().hex[:8]}"
        _log.warning("%s This training is recorded as run %s.", error, other)
        return Journal.open(directory, other, quota_bytes=quota_bytes)
    except JournalError as error:
        other_directory = Path(tempfile.mkdtemp(prefix="grokwatch-"))
        _log.warning("%s This training is recorded in %s.", error, other_directory)
        return Journal.open(other_directory, run_id, quota_bytes=quota_bytes)


def open_dispatcher(
    settings: Settings, run_id: str, tracking: str | None
) -> tuple[Dispatcher, Path]:
    """Open a run's journal and connect its sinks.

    Args:
        settings: what the user asked for.
        run_id: the run.
        tracking: sink target of the trainer's own tracking server, or None.

    Returns:
        The dispatcher, and the run's directory.
    """
    sinks = settings.connect(tracking)  # first: where it fails, nobody would close the journal
    journal = open_journal(settings.directory, run_id, quota_bytes=settings.quota_bytes)
    dispatcher = Dispatcher(journal, sinks)
    for sink in sinks.values():
        if isinstance(sink, ShowsHealth):
            sink.watch(
                dispatcher.run_id, lambda: shown(dispatcher.health()), budget=settings.budget
            )
    return dispatcher, journal.directory


def shown(health: Health) -> Health:
    """The same health, its hooks named without what may be secret in their targets.

    Args:
        health: of a dispatcher.

    Returns:
        What may stand on a page.
    """
    return msgspec.structs.replace(
        health,
        sink_failures={_shown(target): count for target, count in health.sink_failures.items()},
        sink_lag={_shown(target): count for target, count in health.sink_lag.items()},
    )


def _shown(target: str) -> str:
    kind, _, hook = target.partition(":")
    return f"hook:{alerts.hook_name(hook)}" if kind == "hook" else target


def announced_alerts(directory: Path) -> list[Alert]:
    """Alerts that earlier attempts of a run announced already.

    Args:
        directory: the run's directory.
    """
    return [record for record in read(directory) if isinstance(record, Alert)]


def looked_at(directory: Path) -> list[int]:
    """Steps at which earlier attempts of a run kept weights, in the order of its journal.

    Args:
        directory: the run's directory.
    """
    frames = (record for record in read(directory) if isinstance(record, WeightFrame))
    return [step for _, step in dict.fromkeys((frame.attempt, frame.step) for frame in frames)]


def versions() -> dict[str, str]:
    """Versions of what measures and trains, as far as it is installed."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
