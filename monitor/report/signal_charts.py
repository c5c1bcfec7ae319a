"""The signals of a run as small charts, sorted into families."""

from collections.abc import Mapping, Sequence

import msgspec

from grokwatch.monitor.records import SignalInfo, signal_of
from grokwatch.monitor.report.course import Course, Courses
from grokwatch.monitor.report.families import grouped
from grokwatch.monitor.story import Story
from grokwatch.monitor.text import in_one_line

Points = list[tuple[int, float | None]]


class SignalLine(msgspec.Struct, frozen=True, kw_only=True):
    """One signal of one role; the empty role is the whole model."""

    key: str
    role: str
    course: Course


class SignalChart(msgspec.Struct, frozen=True, kw_only=True):
    """One reading `name[.part]`, with a line for each role."""

    name: str
    summary: str
    unit: str
    lines: tuple[SignalLine, ...]


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Charts that belong together."""

    title: str
    charts: tuple[SignalChart, ...]


def signal_keys(story: Story) -> list[str]:
    """Keys of all values that a run has, sorted.

    Args:
        story: of the run.

    Returns:
        The keys.
    """
    return sorted({key for each in story.observations for key in each.values})


def signal_families(story: Story, courses: Courses) -> tuple[Family, ...]:
    """Sort what was measured into families, charts and lines.

    Args:
        story: of the run.
        courses: take the values.

    Returns:
        Families, in the order in which they are drawn.
    """
    known = {signal.name: signal for signal in (story.started.signals if story.started else ())}
    columns: dict[str, Points] = {key: [] for key in signal_keys(story)}
    for each in story.observations:
        for key, value in each.values.items():
            columns[key].append((each.step, value))
    return tuple(
        Family(
            title=title,
            charts=tuple(
                _chart(name, known.get(signal_of(name)), keys, columns, courses)
                for name, keys in charts.items()
            ),
        )
        for title, charts in grouped(columns).items()
    )


def _chart(
    name: str,
    signal: SignalInfo | None,
    keys: Sequence[str],
    columns: Mapping[str, Points],
    courses: Courses,
) -> SignalChart:
    lines = [(key, courses.add(columns[key])) for key in keys]
    return SignalChart(
        name=in_one_line(name),
        summary=in_one_line(signal.summary if signal else ""),
        unit=in_one_line(signal.unit if signal and signal.unit != "-" else ""),
        lines=tuple(
            SignalLine(key=in_one_line(key), role=in_one_line(key.partition("@")[2]), course=course)
            for key, course in lines
            if course is not None
        ),
    )
