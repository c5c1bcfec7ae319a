"""What differs between the runs of a sweep, and how its values are ordered and written."""

from collections.abc import Sequence

import msgspec

from grokwatch.monitor.records import HyperParameter
from grokwatch.monitor.report.sweep_run import SweepRun

MOST_SHOWN = 400
"""Letters of a value or a name that are shown."""


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """A hyper-parameter that differs between runs; `values` as text, in order."""

    name: str
    values: tuple[str, ...]


def axes_of(
    runs: Sequence[SweepRun],
) -> tuple[dict[str, list[HyperParameter]], dict[str, HyperParameter], dict[str, str]]:
    """Tell what differs between runs from what does not.

    Args:
        runs: of a sweep.

    Returns:
        What differs with its values in order, those with most values first; what is the same; and
        what differs just as another does, which needs no axis of its own.
    """
    keys = dict.fromkeys(key for run in runs for key in run.hyper_parameters)
    courses = {key: [run.hyper_parameters.get(key) for run in runs] for key in keys}
    axes: dict[str, list[HyperParameter]] = {}
    fixed: dict[str, HyperParameter] = {}
    followers: dict[str, str] = {}
    seen: dict[tuple[str, ...], str] = {}
    for key, course in courses.items():
        texts = tuple(map(repr, course))
        values = list(dict(zip(texts, course, strict=True)).values())
        if len(values) == 1:
            fixed[key] = values[0]
        elif texts in seen:
            followers[key] = seen[texts]
        else:
            seen[texts] = key
            axes[key] = sorted(values, key=_rank)
    return dict(sorted(axes.items(), key=lambda item: -len(item[1]))), fixed, followers


def text_of(value: HyperParameter) -> str:
    """A value as people write it.

    Example:
        >>> [text_of(value) for value in (1_000, 0.03, None, True, "adamw")]
        ['1,000', '0.03', 'none', 'true', 'adamw']
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else cut(value)


def _rank(value: HyperParameter) -> tuple[int, float, str]:
    """Nothing, then truth values, then numbers by size, then texts."""
    if value is None:
        return (0, 0.0, "")
    if isinstance(value, bool):
        return (1, float(value), "")
    return (3, 0.0, value) if isinstance(value, str) else (2, float(value), "")


def cut(text: str) -> str:
    """A text, or the beginning of a long one."""
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"
