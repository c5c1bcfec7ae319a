"""`grokwatch signals`: every signal there is, from the tables in the code."""

import importlib
import pkgutil

import msgspec

from grokwatch.monitor import signals as families
from grokwatch.monitor.commands import Report, table
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.snapshot import Signal

COLUMNS = ("signal", "access", "cost", "unit", "least", "greatest", "summary", "source")


class SignalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One signal as plain text; infinite bounds read "-inf" and "inf"."""

    name: str
    family: str
    access: str
    cost: str
    unit: str
    least: str
    greatest: str
    needs: tuple[str, ...]
    summary: str
    source: str


def rows() -> list[SignalRow]:
    """Every signal, in the order of its family's table."""
    family = {name: module for module, names in _families().items() for name in names}
    return [_row(signal, family[signal.name]) for signal in ALL]


def signals() -> Report:
    """List every signal: what it sees, what it costs, its unit, bounds, meaning, and source."""
    found = rows()
    cells = [(row.name, row.access, row.cost, row.unit or "-", *_rest(row)) for row in found]
    return Report(data=found, lines=table(COLUMNS, cells))


def _rest(row: SignalRow) -> tuple[str, str, str, str]:
    return row.least, row.greatest, row.summary, row.source


def _families() -> dict[str, list[str]]:
    names = [found.name for found in pkgutil.iter_modules(families.__path__)]
    modules = {name: importlib.import_module(f"{families.__name__}.{name}") for name in names}
    return {
        name: [signal.name for signal in module.SIGNALS]
        for name, module in modules.items()
        if hasattr(module, "SIGNALS")
    }


def _row(signal: Signal, family: str) -> SignalRow:
    least, greatest = signal.bounds
    return SignalRow(
        name=signal.name,
        family=family,
        access=signal.access.value,
        cost=signal.cost.value,
        unit=signal.unit,
        least=f"{least:g}",
        greatest=f"{greatest:g}",
        needs=tuple(sorted(need.value for need in signal.needs)),
        summary=signal.summary,
        source=signal.source,
    )
