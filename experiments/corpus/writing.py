"""Small files that are there as a whole or not at all, and hashes of any file."""

import hashlib
from pathlib import Path

from grokwatch.monitor.folder import explained, put


def replace_text(path: Path, text: str) -> None:
    """Write a file in the place of an older one.

    Args:
        path: the file; its folder is made where it is missing.
        text: its content.

    Raises:
        JournalError: the folder cannot be written.
    """
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    put(path, text.encode())


def sha256(path: Path) -> str:
    """Hash of a file's bytes, in hexadecimal digits.

    Args:
        path: the file.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
