"""Series as CSV that a spreadsheet opens without running anything."""

import csv
import io
from collections.abc import Sequence

from grokwatch.monitor.service.views import Series

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain_cell(text: str) -> str:
    """Keep a spreadsheet from taking text for a formula.

    Example:
        >>> plain_cell("=1+1"), plain_cell("weight_norm")
        ("'=1+1", 'weight_norm')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def to_csv(series: Series) -> str:
    r"""Write values over steps.

    Args:
        series: what to write.

    Returns:
        A line of names, then one for each step; nothing where there is no value, `nan`, `inf` and
        `-inf` as they are.

    Example:
        >>> to_csv(Series(steps=(1, 2), values={"a": (0.5, None)}, num_points=2))
        'step,a\r\n1,0.5\r\n2,\r\n'
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["step", *map(plain_cell, series.values)])
    columns: list[Sequence[float | None]] = list(series.values.values())
    for step, *values in zip(series.steps, *columns, strict=True):
        writer.writerow([step, *("" if value is None else repr(value) for value in values)])
    return out.getvalue()
