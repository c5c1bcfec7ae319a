"""Writes the generated parts of the documentation from the code; called by the cog blocks."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from typer.testing import CliRunner

from grokwatch.monitor import config
from grokwatch.monitor.cli import app
from grokwatch.monitor.commands.signals import SignalRow, rows
from grokwatch.monitor.sinks.names import METRICS, mlflow_key, prometheus_name

ROOT = Path(__file__).parents[1]
FAMILIES: Mapping[str, str] = {
    "weights": "Weights",
    "fourier": "Fourier sparsity over tokens of a cyclic group",
    "coordinates": "Sparsity over input coordinates",
    "spectrum": "Spectra of weight matrices",
    "landscape": "Loss landscape",
    "loss_curve": "The curve of the train loss",
}


def layers() -> str:
    """The layer rule, one row per line, from `pyproject.toml`."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    rule = next(contract for contract in contracts if contract["id"] == "layers")
    lines = [row.replace("grokwatch.", "") for row in rule["layers"]]
    return "\n".join(["", "```", *lines, "```", ""])


def signals() -> str:
    """Every signal, by family."""
    every = rows()
    parts = []
    for family in dict.fromkeys(row.family for row in every):
        mine = [_signal(row) for row in every if row.family == family]
        columns = ("signal", "unit", "bounds", "cost", "what it is", "source")
        parts.append(f"\n## {FAMILIES[family]}\n{_table(columns, mine)}")
        needs = sorted({need for row in every if row.family == family for need in row.needs})
        parts += [f"\nNeeds {', '.join(needs)}.\n"] if needs else []
    return "".join(parts)


def metrics() -> str:
    """The metrics that every run has."""
    columns = ("Prometheus", "MLflow", "kind", "labels", "what it says")
    cells = [
        (_code(m.prometheus), _code(m.mlflow), m.kind, ", ".join(m.labels) or "-", m.summary)
        for m in METRICS
    ]
    return _table(columns, cells)


def signal_metrics() -> str:
    """What each signal is called."""
    cells = [
        (_code(row.name), _code(prometheus_name(row.name, row.unit)), _code(mlflow_key(row.name)))
        for row in rows()
    ]
    return _table(("signal", "Prometheus", "MLflow"), cells)


def configuration() -> str:
    """Every key, its variable, and its default."""
    return "".join(_section(field) for field in msgspec.structs.fields(config.Config))


def command_line() -> str:
    """The help of every command."""
    callbacks = [command.callback for command in app.registered_commands]
    names = ["", *(callback.__name__ for callback in callbacks if callback)]
    parts = []
    for name in names:
        title = f"grokwatch {name}".strip()
        shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"TERMINAL_WIDTH": "100"})
        parts.append(f"\n## {title}\n\n```\n{shown.stdout.strip()}\n```\n")
    return "".join(parts)


def _section(section: msgspec.structs.FieldInfo) -> str:
    hints = get_type_hints(section.type, include_extras=True)
    cells = [
        (
            _code(field.name),
            _code(config.variable(section.name, field.name)),
            _code(msgspec.json.encode(field.default).decode()),
            _described(hints[field.name]),
        )
        for field in msgspec.structs.fields(section.type)
    ]
    summary = (section.type.__doc__ or "").splitlines()[0]
    heading = f"\n## [{section.name}]\n\n{summary}\n"
    return heading + _table(("key", "variable", "default", "what it is"), cells)


def _described(hint: object) -> str:
    assert get_origin(hint) is Annotated, f"a key without a description: {hint}"
    meta = next(each for each in get_args(hint) if isinstance(each, msgspec.Meta))
    return str(meta.description)


def _signal(row: SignalRow) -> Sequence[str]:
    bounds = f"{row.least} to {row.greatest}"
    return _code(row.name), row.unit or "-", bounds, row.cost, row.summary, row.source


def _table(columns: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    rule = "|".join("---" for _ in columns)
    body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in cells]
    lines = [f"| {' | '.join(columns)} |", f"|{rule}|", *(f"| {row} |" for row in body)]
    return "\n".join(["", *lines, ""])


def _code(text: str) -> str:
    return f"`{text}`" if text else "-"
