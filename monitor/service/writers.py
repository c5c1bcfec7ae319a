"""One writer per attempt: a record is stored once, and nobody writes under another's name."""

from collections.abc import Sequence
from typing import final

from grokwatch.monitor import wire
from grokwatch.monitor.errors import ConflictError, WireError
from grokwatch.monitor.records import RunStarted
from grokwatch.monitor.service.archive import Archive
from grokwatch.monitor.service.line import Place, Standing


@final
class Writers:
    """What is stored of a run, and who may add to it.

    Args:
        archive: of the run.
        newest: place of its newest record, `NOWHERE` where there is none.

    Attributes:
        newest: the same, once what was admitted is stored.
    """

    def __init__(self, archive: Archive, newest: Place) -> None:
        self.newest = newest
        self._archive = archive
        self._taken: dict[Place, bytes] = {}
        self._begun: set[int] = set()

    def admit(self, standings: Sequence[Standing]) -> list[Standing]:
        """Choose what is new.

        Args:
            standings: of the run, in order.

        Returns:
            Those that are not stored yet; they are taken for stored from now on.

        Raises:
            ConflictError: a record differs from the one stored under its name, belongs to an
                attempt that a newer one has replaced, or starts an attempt that was started before.
        """
        known = self._known(standings)
        new: dict[Place, bytes] = {}
        for standing in standings:
            found = known.get(standing.place)
            if found is None:
                self._check(standing)
                new[standing.place] = standing.payload
            elif found != standing.payload and not _is_same(found, standing.payload):
                raise ConflictError(
                    _conflict(standing, "differs from the one stored under its name")
                )
        self._taken |= new
        self.newest = max([self.newest, *new])
        admitted = [standing for standing in standings if standing.place in new]
        self._begun |= {s.record.attempt for s in admitted if isinstance(s.record, RunStarted)}
        return admitted

    def _known(self, standings: Sequence[Standing]) -> dict[Place, bytes]:
        if not standings or standings[0].place > self.newest:
            return {}
        stored = self._archive.known([standing.place for standing in standings])
        return stored | self._taken

    def _check(self, standing: Standing) -> None:
        attempt = standing.record.attempt
        if attempt < self.newest[0]:
            raise ConflictError(_conflict(standing, f"comes after attempt {self.newest[0]} began"))
        if isinstance(standing.record, RunStarted) and self._has_begun(attempt):
            raise ConflictError(
                _conflict(standing, "starts an attempt that another writer started")
            )

    def _has_begun(self, attempt: int) -> bool:
        if attempt > self.newest[0]:
            return False
        return attempt in self._begun or self._archive.beginning(attempt) is not None


def _conflict(standing: Standing, problem: str) -> str:
    record = standing.record
    return (
        f"Expected one writer for run {record.run_id}, got record {record.seq} of attempt "
        f"{record.attempt}, which {problem}. Try another run_id."
    )


def _is_same(stored: bytes, pushed: bytes) -> bool:
    """Whether a record is the stored one, though another version wrote that."""
    try:
        return wire.encode(wire.decode(stored)) == pushed
    except WireError:
        return False
