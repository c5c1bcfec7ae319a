"""Folders and files of our own: private to their owner, never reached through a link."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from grokwatch.monitor.errors import JournalError

_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


def make_private(*folders: Path) -> None:
    """Make the folders that are missing, with mode 0700 whatever the umask.

    Args:
        folders: outermost first; what is above the first is made with the usual mode.

    Raises:
        JournalError: the innermost is a symbolic link.
    """
    if folders[-1].is_symlink():
        msg = f"Expected a folder, got the link {str(folders[-1])!r}. Try another run id."
        raise JournalError(msg)
    folders[0].parent.mkdir(parents=True, exist_ok=True)
    for folder in folders:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            folder.chmod(0o700)


def create(path: Path) -> int:
    """Open a file for appending, made with mode 0600 where it is missing.

    Args:
        path: the file; a symbolic link is refused with `OSError`.

    Returns:
        The descriptor, closed on exec.
    """
    descriptor = os.open(path, _APPEND, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def put(path: Path, content: bytes | memoryview) -> None:
    """Write a file; a kill or a power cut leaves all of it, or what was there before.

    Args:
        path: the file; its folder is there.
        content: of it.

    Raises:
        JournalError: the folder cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with explained(path.parent):
        unfinished.unlink(missing_ok=True)
        try:
            with os.fdopen(create(unfinished), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        sync(path.parent)


def sync(path: Path) -> None:
    """Push a file or folder to the disk.

    Args:
        path: the file or folder.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into an error of ours.

    Args:
        folder: the folder at work, for the message.

    Yields:
        Nothing.

    Raises:
        JournalError: an `OSError` came out of the block.
    """
    try:
        yield
    except OSError as error:
        msg = (
            f"Expected a folder with room that can be written, got {str(folder)!r} ({error}). "
            "Try to free space, or another folder."
        )
        raise JournalError(msg) from error
