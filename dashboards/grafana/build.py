"""Writes the dashboards' JSON beside this file: `python -m dashboards.grafana.build`.

With `--check` it writes nothing, and ends with 1 where a file is not what would be written.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from dashboards.grafana.boards import BOARDS, text_of

FOLDER = Path(__file__).parent


def stale(folder: Path = FOLDER) -> list[Path]:
    """Find the files that are not what would be written."""
    found = []
    for name, board in BOARDS.items():
        file = folder / f"{name}.json"
        if not file.exists() or file.read_text("utf-8") != text_of(board):
            found.append(file)
    return found


def write(folder: Path = FOLDER) -> None:
    """Write every dashboard."""
    for name, board in BOARDS.items():
        (folder / f"{name}.json").write_text(text_of(board), "utf-8")


def main(arguments: Sequence[str], folder: Path = FOLDER) -> int:
    """Write, or check.

    Args:
        arguments: of the command line.
        folder: of the files.

    Returns:
        How the process ends.
    """
    if "--check" not in arguments:
        write(folder)
        return 0
    names = [file.name for file in stale(folder)]
    if names:
        sys.stderr.write(f"Expected the newest dashboards, got old {names}. Try: make dashboards\n")
    return int(bool(names))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
