"""A course in the size of a word: inline SVG that takes its colors from the style sheet.

No `style` attribute, so the strictest policy shows it.
"""

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from grokwatch.monitor.report.words import percent

WIDTH, HEIGHT = 96, 24
_MARGIN = 2


def sparkline(values: Sequence[float | None]) -> Markup:
    """Draw probabilities over time; what is missing is a gap.

    Args:
        values: probabilities in [0, 1], the oldest first.

    Returns:
        One `<svg>`, with what it shows in words; nothing where nothing is known.

    Example:
        >>> sparkline([None, None])
        Markup('')
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return Markup("")
    label = f"chance of a rise over time, from {percent(known[0])} to {percent(known[-1])}"
    points = [_point(index, len(values), value) for index, value in enumerate(values)]
    x, y = [point for point in points if point is not None][-1]
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" role="img" aria-label="{label}">'
        '<path class="spark-floor" d="M0 {floor}H{w}"/><path class="spark-line" d="{line}"/>'
        '<circle class="spark-end" cx="{x}" cy="{y}" r="2"/></svg>'
    ).format(w=WIDTH, h=HEIGHT, label=label, floor=HEIGHT - _MARGIN, line=_line(points), x=x, y=y)


def _point(index: int, count: int, value: float | None) -> tuple[float, float] | None:
    if value is None or not math.isfinite(value):
        return None
    x = _MARGIN + (WIDTH - 2 * _MARGIN) * (index / max(count - 1, 1))
    y = HEIGHT - _MARGIN - (HEIGHT - 2 * _MARGIN) * min(max(value, 0.0), 1.0)
    return round(x, 1), round(y, 1)


def _line(points: Iterable[tuple[float, float] | None]) -> str:
    parts, is_down = [], False
    for point in points:
        if point is not None:
            parts.append(f"{'L' if is_down else 'M'}{point[0]} {point[1]}")
        is_down = point is not None
    return "".join(parts)
