"""What a dashboard is made of: a panel is one entry, and nothing else is written for it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dashboards.grafana.colors import NEUTRAL

Kind: TypeAlias = Literal[
    "bargauge", "heatmap", "stat", "state-timeline", "table", "text", "timeseries"
]


@dataclass(frozen=True)
class Step:
    """A threshold: from `value` on, this color; the first of a list has no value."""

    value: float | None
    color: str


@dataclass(frozen=True)
class Word:
    """What is shown for a value: a text, and its color where it has one."""

    value: str
    text: str
    color: str | None = None


Thresholds: TypeAlias = tuple[Step, ...]
Words: TypeAlias = tuple[Word, ...]

PLAIN: Thresholds = (Step(None, NEUTRAL),)
"""Thresholds of what is neither good nor bad."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """One PromQL query of a panel; in a table, one column.

    Attributes:
        expression: PromQL with Grafana's variables.
        legend: of its series, or the column's title.
        color: of its series; None where the panel's thresholds say it, or `has_many`.
        has_many: whether it has several series: shades of its color, or colors of their own.
        fills_to: legend of the series down to which the area is filled.
        unit: of the column.
        thresholds: of the column.
        words: in place of its values.
    """

    expression: str
    legend: str
    color: str | None = None
    has_many: bool = False
    fills_to: str | None = None
    unit: str | None = None
    thresholds: Thresholds = ()
    words: Words = ()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One panel.

    Attributes:
        kind: Grafana's name of what draws it.
        title: over it.
        description: what it shows, and how to read it.
        unit: Grafana's name of the unit.
        queries: what it asks.
        thresholds: where its color changes; one step alone where nothing is good or bad.
        width: columns of 24.
        height: rows of about 30 pixels.
        words: shown in place of values.
        most: upper end of the scale.
        least: lower end of the scale.
        is_log: whether the scale is logarithmic.
        is_stacked: whether series stand on each other.
        if_empty: what is shown where there is no value.
        text: Markdown, of a text panel.
    """

    kind: Kind
    title: str
    description: str
    unit: str = "none"
    queries: tuple[Query, ...] = ()
    thresholds: Thresholds = PLAIN
    width: int = 12
    height: int = 8
    words: Words = ()
    most: float | None = None
    least: float | None = None
    is_log: bool = False
    is_stacked: bool = False
    if_empty: str = "no data"
    text: str = ""


@dataclass(frozen=True)
class Section:
    """Panels under one heading."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class Board:
    """A dashboard.

    Attributes:
        name: of its file; its uid is `grokwatch-<name>`.
        title: over it.
        description: which question it answers.
        variables: names of its variables, in order (`variables.py`).
        sections: its panels.
        past: how far back it looks at first, such as `6h`.
        has_alerts: whether the alerts of the run are marked in its panels.
    """

    name: str
    title: str
    description: str
    variables: tuple[str, ...]
    sections: tuple[Section, ...]
    past: str = "6h"
    has_alerts: bool = False
