"""What the command line can do: one file per command, each imported only when it is called.

A command is a function that returns a `Report`; it prints nothing. `grokwatch.monitor.cli` shows
the report as text or as JSON and turns `holds` into the exit code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grokwatch.monitor.text import number

__all__ = ["Report", "number", "table"]

_WIDEST = 88


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a command found.

    Attributes:
        data: the same as plain data, for `--json`.
        lines: for a person.
        holds: whether what the command checks is so; decides the exit code.
    """

    data: object
    lines: tuple[str, ...]
    holds: bool = True


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Align cells under their headings; a cell of the last column is left as long as it is.

    Args:
        columns: headings.
        rows: cells, as many in each row as there are columns.

    Returns:
        Lines of equal columns, headings first.

    Example:
        >>> table(("run", "step"), [("a", "10")])
        ('run  step', 'a    10')
    """
    cells = [tuple(_printable(cell) for cell in row) for row in (columns, *rows)]
    widths = [min(_WIDEST, max(len(row[at]) for row in cells)) for at in range(len(columns))]
    return tuple(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _printable(cell: str) -> str:
    r"""A cell on one line: names are the user's, and may hold newlines or terminal codes.

    Example:
        >>> print(_printable("a\n\x1b[31mé"))
        a\n\x1b[31mé
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cell)
