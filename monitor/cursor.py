"""How far a sink was fed: one small file per sink beside the journal, replaced whole."""

import hashlib
import logging
import os
import re
from pathlib import Path
from typing import final

import msgspec

from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.folder import make_private

CURSORS = "cursors"

_log = logging.getLogger(__name__)


class _Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds."""

    target: str
    seq: int


@final
class Cursor:
    """The newest record that a sink has taken, kept across processes.

    Attributes:
        target: the sink's target without credentials.
        seq: the newest record it has taken; 0 where it has none.
    """

    def __init__(self, path: Path, target: str, seq: int) -> None:
        self.target = target
        self.seq = seq
        self._path = path

    @classmethod
    def load(cls, directory: Path, target: str) -> "Cursor":
        """Read the cursor of a sink; one that was never saved starts at 0.

        Args:
            directory: the run's directory.
            target: the sink's target; credentials in it are left out.

        Returns:
            The cursor. One that cannot be read starts at 0 too: the sink is then fed again.
        """
        shown = strip_credentials(target)
        name = re.sub(r"[^A-Za-z0-9]+", "-", shown)[:60].strip("-")
        digest = hashlib.sha256(shown.encode()).hexdigest()[:8]
        path = directory / CURSORS / f"{name}-{digest}.json"
        place = _read(path)
        return cls(path, shown, 0 if place is None else place.seq)

    def save(self, seq: int) -> None:
        """Advance, on disk as a whole or not at all.

        Args:
            seq: the newest record that the sink has taken.
        """
        self.seq = seq
        make_private(self._path.parent)
        beside = self._path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(msgspec.json.encode(_Place(self.target, seq)))
        beside.replace(self._path)


def cursors(directory: Path) -> list[Cursor]:
    """List the cursors of a run.

    Args:
        directory: the run's directory.

    Returns:
        One cursor per sink that was ever attached, by file name; unreadable ones are left out.
    """
    found = ((path, _read(path)) for path in sorted((directory / CURSORS).glob("*.json")))
    return [Cursor(path, place.target, place.seq) for path, place in found if place is not None]


def _read(path: Path) -> _Place | None:
    """Read a cursor's file; None where there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Place)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        _log.warning("unreadable cursor %s (%s); its sink will be fed from the start", path, error)
        return None
