"""What a published rule follows: a group of signals as dated looks, bounded, and the rule itself.

Private to the published rules. Looks are kept where they are some share of the step apart, so that
a rule sees about the same course at any cadence; a rewind drops the entries that came after it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from grokwatch.monitor.records import Interval, Observation

SPACING = 0.03
"""Share of the step that kept looks are apart at least: a decade has at most 78."""
REFERENCE = 2.0
"""End of the time just after memorization, in memorization steps."""

Score: TypeAlias = float | str
"""A number, or why there is none."""


class Look(msgspec.Struct, array_like=True):
    """The values of the signals followed, at one step."""

    step: int
    values: tuple[float, ...]


class Point(msgspec.Struct, array_like=True):
    """What a rule makes of its looks, at one step."""

    step: int
    value: float


def _first_value(looks: Sequence[Look]) -> float | None:
    return looks[-1].values[0]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One published rule.

    Attributes:
        name: of its module.
        groups: keys that are read together; the first group that an observation has is followed.
        bounds: between which all values lie; others are no readings.
        score: from the course, the memorization step and the step of now.
        measure: makes points of the kept looks; the first value of the newest look if not given.
        num_looks: looks kept.
        num_first: points kept from the beginning.
        num_last: newest points kept.
        from_start: follow from the first observation on instead of from memorization.
        eta: steps to go, from the same as `score`.
    """

    name: str
    groups: tuple[tuple[str, ...], ...]
    bounds: tuple[float, float]
    score: Callable[["Course", int, int], Score]
    measure: Callable[[Sequence[Look]], float | None] = _first_value
    num_looks: int = 1
    num_first: int = 1
    num_last: int = 1
    from_start: bool = False
    eta: Callable[["Course", int], Interval | None] = lambda course, step: None


class Course(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is remembered of the signals followed; every entry is dated.

    Attributes:
        keys: the group followed; empty until there is one.
        newest: the newest look; None where there is none, or none since a rewind.
        looks: the last ones kept, oldest first.
        first: the first points.
        last: the last points.
    """

    keys: tuple[str, ...] = ()
    newest: Look | None = None
    looks: list[Look] = msgspec.field(default_factory=list)
    first: list[Point] = msgspec.field(default_factory=list)
    last: list[Point] = msgspec.field(default_factory=list)

    def reference(self, train_step: int) -> float | None:
        """The first point, where it dates from just after memorization."""
        is_there = bool(self.first) and self.first[0].step <= REFERENCE * train_step
        return self.first[0].value if is_there else None

    def forget(self, *, start: int | None = None, end: int | None = None) -> None:
        """Drop what was seen before `start`, and at `end` or later."""

        def keeps(entry: Look | Point) -> bool:
            return (start is None or entry.step >= start) and (end is None or entry.step < end)

        self.newest = self.newest if self.newest and keeps(self.newest) else None
        self.looks = [look for look in self.looks if keeps(look)]
        self.first = [point for point in self.first if keeps(point)]
        self.last = [point for point in self.last if keeps(point)]

    def take(self, observation: Observation, rule: Rule) -> None:
        """Take the look that an observation gives, if it gives one."""
        low, high = rule.bounds
        groups = (self.keys,) if self.keys and (self.looks or self.first) else rule.groups
        for keys in groups:
            values = tuple(observation.values.get(key, math.nan) for key in keys)
            if all(low <= value <= high for value in values):
                self.keys = keys
                return self._keep(Look(step=observation.step, values=values), rule)
        return None

    def _keep(self, look: Look, rule: Rule) -> None:
        self.newest = look
        if self.looks and look.step - self.looks[-1].step < SPACING * abs(self.looks[-1].step):
            return
        self.looks = [*self.looks, look][-rule.num_looks :]
        value = rule.measure(self.looks)
        if value is None:
            return
        point = Point(step=look.step, value=value)
        if len(self.first) < rule.num_first:
            self.first.append(point)
        self.last = [*self.last, point][-rule.num_last :]
