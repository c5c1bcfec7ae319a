"""Where panels stand: from left to right in 24 columns, each section under its heading."""

from collections.abc import Iterator, Sequence

from grafana_foundation_sdk.models import dashboard

from dashboards.grafana.entries import Entry, Section

COLUMNS = 24


def places(entries: Sequence[Entry], top: int) -> Iterator[dashboard.GridPos]:
    """Find where panels stand.

    Args:
        entries: in order.
        top: row that the first stands in.

    Yields:
        Their places; a new line begins where one does not fit.
    """
    left, height = 0, 0
    for entry in entries:
        if left + entry.width > COLUMNS:
            top, left, height = top + height, 0, 0
        yield dashboard.GridPos(x=left, y=top, w=entry.width, h=entry.height)
        left, height = left + entry.width, max(height, entry.height)


def placed(
    sections: Sequence[Section],
) -> Iterator[tuple[Section | Entry, int, dashboard.GridPos]]:
    """Place headings and panels.

    Args:
        sections: in order.

    Yields:
        What stands there, its number from 1, and its place.
    """
    top, number = 0, 0
    for section in sections:
        number += 1
        yield section, number, dashboard.GridPos(x=0, y=top, w=COLUMNS, h=1)
        top += 1
        bottom = top
        for entry, place in zip(section.entries, places(section.entries, top), strict=True):
            number += 1
            yield entry, number, place
            bottom = max(bottom, place.y + place.h)
        top = bottom
