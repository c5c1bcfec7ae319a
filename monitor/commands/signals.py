"""`grokwatch signals`: every signal there is, from the tables in the code."""

import importlib
import pkgutil
import textwrap
from collections.abc import Iterator, Sequence

import msgspec

from grokwatch.monitor import presets
from grokwatch.monitor import signals as tables
from grokwatch.monitor.commands import Report
from grokwatch.monitor.snapshot import Signal

_NAME_WIDTH = 30
_INDENT = "    "
_COLUMNS = ("signal", "cost", "access", "range and unit")


class SignalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One signal as plain text; infinite bounds read "-inf" and "inf"."""

    name: str
    family: str
    unit: str
    least: str
    greatest: str
    cost: str
    access: str
    presets: tuple[str, ...]
    needs: tuple[str, ...]
    summary: str
    source: str

    @property
    def range(self) -> str:
        """Least and greatest value, with the unit."""
        return f"{self.least} to {self.greatest} {self.unit}".rstrip()


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """The signals of one file.

    Attributes:
        heading: what they measure, in a few words.
        about: the same in a sentence; "" where the heading says it.
        needs: what every one of them needs.
        rows: the signals.
    """

    heading: str
    about: str
    needs: tuple[str, ...]
    rows: tuple[SignalRow, ...]

    def further_needs(self, row: SignalRow) -> tuple[str, ...]:
        """What one of its signals needs beyond the others."""
        return tuple(need for need in row.needs if need not in self.needs)


def rows(preset: str = "full") -> list[SignalRow]:
    """The signals of a preset, every one by default, in the order of their tables.

    Raises:
        ConfigurationError: there is no such preset.
    """
    family = {signal.name: name for name, table in _tables().items() for signal in table}
    return [_row(signal, family[signal.name]) for signal in presets.choose(preset)]


def families(found: Sequence[SignalRow]) -> list[Family]:
    """Signals by family, each under the first sentence of its file."""
    return [
        _family(name, tuple(row for row in found if row.family == name))
        for name in dict.fromkeys(row.family for row in found)
    ]


def signals(*, preset: str = "full", width: int = 80) -> Report:
    """List signals: what each is, sees, costs and needs, its unit, range and source.

    Args:
        preset: those of one preset; every one by default.
        width: characters in a line, for a person.

    Returns:
        The signals, as data and by family.

    Raises:
        ConfigurationError: there is no such preset.
    """
    found = rows(preset)
    lines = (*_columns(_COLUMNS), *(line for f in families(found) for line in section(f, width)))
    return Report(data=found, lines=lines)


def section(family: Family, width: int) -> Iterator[str]:
    """Lines of at most `width` characters: a family's heading, and its signals."""
    about = f"{family.heading}: {family.about}" if family.about else f"{family.heading}."
    yield ""
    yield from textwrap.wrap(about, width)
    yield from textwrap.wrap(_sentence("Needs", family.needs), width)
    for row in family.rows:
        yield ""
        yield from _columns((row.name, row.cost, row.access, row.range))
        yield from _indented(row.summary, width)
        yield from _indented(_sentence("Also needs", family.further_needs(row)), width)
        yield from _indented(f"Presets: {', '.join(row.presets)}. Source: {row.source}.", width)


def _columns(cells: tuple[str, str, str, str]) -> Iterator[str]:
    """Aligned cells; a long name stands on a line of its own."""
    name, cost, access, bounds = cells
    facts = f"{cost:8}  {access:10}  {bounds}"
    if len(name) > _NAME_WIDTH:
        yield f"  {name}"
        name = ""
    yield f"  {name:{_NAME_WIDTH}}  {facts}"


def _indented(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text, width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False
    )


def _sentence(verb: str, items: Sequence[str]) -> str:
    return f"{verb} {'; '.join(items)}." if items else ""


def _family(name: str, mine: tuple[SignalRow, ...]) -> Family:
    module = importlib.import_module(f"{tables.__name__}.{name}")
    sentence = (module.__doc__ or name).strip().splitlines()[0]
    heading, _, about = sentence.rstrip(".").partition(": ")
    shared = set.intersection(*(set(row.needs) for row in mine))
    needs = tuple(need for need in mine[0].needs if need in shared)
    return Family(heading=heading, about=f"{about}." if about else "", needs=needs, rows=mine)


def _tables() -> dict[str, tuple[Signal, ...]]:
    names = [found.name for found in pkgutil.iter_modules(tables.__path__)]
    modules = {name: importlib.import_module(f"{tables.__name__}.{name}") for name in names}
    return {name: m.SIGNALS for name, m in modules.items() if hasattr(m, "SIGNALS")}


def _row(signal: Signal, family: str) -> SignalRow:
    least, greatest = signal.bounds
    return SignalRow(
        name=signal.name,
        family=family,
        unit=signal.unit,
        least=f"{least:g}",
        greatest=f"{greatest:g}",
        cost=signal.cost.value,
        access=signal.access.value,
        presets=presets.presets_of(signal),
        needs=tuple(sorted(need.value for need in signal.needs)),
        summary=signal.summary,
        source=signal.source,
    )
