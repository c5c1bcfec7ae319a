"""One writer for a directory: a file lock that ends with its process and outlives it in no fork."""

import fcntl
import os
import time
import weakref
from pathlib import Path
from typing import Protocol, final

from grokwatch.monitor.errors import JournalLockedError
from grokwatch.monitor.folder import create

_TRIES = 5
_PAUSE_SECONDS = 0.02  # outlasts those who only look whether a writer lives


class _Closable(Protocol):
    def close(self) -> None: ...


def close_in_child(held: _Closable) -> None:
    """Close a forked child's copy of something, as soon as the child begins.

    Args:
        held: what has descriptors that the child must not keep; it is not kept alive by this.
    """
    mine = weakref.ref(held)

    def close() -> None:
        copy = mine()
        if copy is not None:
            copy.close()

    os.register_at_fork(after_in_child=close)


@final
class Lock:
    """An exclusive `flock` on the file `lock` in a directory, held until `close`.

    The kernel lets go of it when the process ends, however it ends. A forked child would keep it
    alive, so the child closes its copy at once.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        close_in_child(self)

    @classmethod
    def acquire(cls, directory: Path) -> "Lock":
        """Lock a directory that exists.

        Args:
            directory: the run's directory, or any other that wants one writer.

        Returns:
            The lock, held.

        Raises:
            JournalLockedError: somebody else holds it, in this process or another.
        """
        descriptor = create(directory / "lock")
        tries_left = _TRIES
        while not _locks(descriptor):
            tries_left -= 1
            if tries_left == 0:
                message = _held(directory, descriptor)
                os.close(descriptor)
                raise JournalLockedError(message)
            time.sleep(_PAUSE_SECONDS)
        _sign(descriptor)
        return cls(descriptor)

    def close(self) -> None:
        """Let go; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def is_locked(directory: Path) -> bool:
    """Tell whether somebody holds the lock of a directory now.

    Args:
        directory: the run's directory.

    Returns:
        True where a live process holds it.
    """
    try:
        Lock.acquire(directory).close()
    except JournalLockedError:
        return True
    return False


def _locks(descriptor: int) -> bool:
    """Try to lock a file now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int) -> None:
    """Write who holds the lock, for the message of those who come later."""
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
    except OSError:  # a full disk must not keep a writer out
        return


def _held(directory: Path, descriptor: int) -> str:
    holder = os.pread(descriptor, 20, 0).decode("ascii", "replace") or "unknown"
    return (
        f"Expected to be the only writer of {directory}, got a lock held by process {holder}. "
        "Try another run id, or wait until that process ends."
    )
