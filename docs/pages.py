"""Writes the generated parts of the documentation from the code; called by the cog blocks."""

import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from typer.main import get_command
from typer.testing import CliRunner

from grokwatch.monitor import config
from grokwatch.monitor.cli import app
from grokwatch.monitor.commands.signals import Family, SignalRow, families, rows
from grokwatch.monitor.predictors._model import HazardModel, read_model
from grokwatch.monitor.predictors._readings import READINGS
from grokwatch.monitor.predictors.hazard import MODELS
from grokwatch.monitor.presets import PRESETS
from grokwatch.monitor.service.metric_names import SERVICE_METRICS
from grokwatch.monitor.sinks.names import METRICS, prometheus_name
from grokwatch.monitor.sinks.sections import mlflow_key
from grokwatch.monitor.vocabulary import Phase

ROOT = Path(__file__).parents[1]


def layers() -> str:
    """The layer rule, one row per line, from `pyproject.toml`."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    rule = next(contract for contract in contracts if contract["id"] == "layers")
    lines = [row.replace("grokwatch.", "") for row in rule["layers"]]
    return "\n".join(["", "```", *lines, "```", ""])


def signals() -> str:
    """Every signal, by family."""
    return "".join(_family(family) for family in families(rows()))


def presets() -> str:
    """What each preset adds to the one before it."""
    cells, known = [], set[str]()
    for name in PRESETS:
        mine = [row.name for row in rows(name)]
        cells.append((_code(name), ", ".join(_code(each) for each in mine if each not in known)))
        known |= set(mine)
    return _table(("preset", "signals that it adds"), cells)


def readings() -> str:
    """What the fitted predictor follows."""
    cells = [
        (r.name, r.family, ", ".join(_code(key) for key in r.keys), ", ".join(r.parts), r.scale)
        for r in READINGS
    ]
    return _table(("reading", "family", "signals, the first one there", "read", "scale"), cells)


def models() -> str:
    """What the fit of each shipped model found of itself."""
    found = {path.stem: read_model(path) for path in sorted(MODELS.glob("*.json"))}
    columns = sorted({name for model in found.values() for name in model.summary})
    cells = [
        (
            _code(name),
            _by_basis(model, "raise_at", ".3f"),
            _by_basis(model, "give_up_at", ".2g"),
            *(f"{model.summary[each]:g}" if each in model.summary else "-" for each in columns),
        )
        for name, model in found.items()
    ]
    return _table(("model", "warns from", "gives up at", *columns), cells)


def _by_basis(model: HazardModel, name: str, form: str) -> str:
    """A level, and those of kinds of groups that have their own."""
    parts = [("", model), *sorted(model.by_basis.items())]
    return ", ".join(f"{basis} {getattr(own, name):{form}}".strip() for basis, own in parts)


def metrics() -> str:
    """The metrics that every run has."""
    columns = ("Prometheus", "MLflow", "kind", "labels", "what it says")
    cells = [
        (_code(m.prometheus), _code(m.mlflow), m.kind, ", ".join(m.labels) or "-", m.summary)
        for m in METRICS
    ]
    return _table(columns, cells)


def service_metrics() -> str:
    """The metrics that the service has of itself."""
    columns = ("Prometheus", "kind", "labels", "what it says")
    cells = [
        (_code(m.prometheus), m.kind, ", ".join(m.labels) or "-", m.summary)
        for m in SERVICE_METRICS
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
    parts = []
    for name in ("", *command_names()):
        title = f"grokwatch {name}".strip()
        shown = CliRunner().invoke(app, [*name.split(), "--help"], env={"TERMINAL_WIDTH": "100"})
        parts.append(f"\n## {title}\n\n```\n{shown.stdout.strip()}\n```\n")
    return "".join(parts)


def corpus() -> str:
    """Every slice of the corpus and what became of its runs, from the manifest."""
    manifest = Path(__file__).parents[1] / "experiments" / "data" / "corpus" / "manifest.json"
    slices: dict[str, dict[str, Any]] = msgspec.json.decode(manifest.read_bytes())["slices"]
    phases = [phase.value for phase in Phase]
    counts = {
        name: [each["num_cells"], each["mixed_cells"], each["num_runs"]]
        + [each["phases"].get(phase, 0) for phase in phases]
        for name, each in slices.items()
    }
    counts["all"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    cells = [(name, *map(str, row)) for name, row in counts.items()]
    return _table(("slice", "cells", "mixed", "runs", *phases), cells)


def command_names() -> list[str]:
    """Every command, those of a group behind its name."""
    names = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        within = getattr(command, "commands", None)
        names += [f"{name} {each}" for each in within] if within else [name]
    return names


def _section(section: msgspec.structs.FieldInfo) -> str:
    hints = get_type_hints(section.type, include_extras=True)
    cells = [
        (
            _code(field.name),
            _code(config.variable(section.name, field.name)),
            _code(msgspec.json.encode(config.default_of(field)).decode()),
            _described(hints[field.name]),
        )
        for field in msgspec.structs.fields(section.type)
    ]
    summary = (section.type.__doc__ or "").splitlines()[0]
    heading = f"\n## [{section.name}]\n\n{summary}\n"
    return heading + _table(("key", "variable", "default", "what it is"), cells)


def _described(hint: object) -> str:
    assert get_origin(hint) is Annotated, f"a key without a description: {hint}"
    metas = [each for each in get_args(hint) if isinstance(each, msgspec.Meta)]
    return next(each.description for each in metas if each.description)


def _family(family: Family) -> str:
    about = f"{family.about[0].upper()}{family.about[1:]}" if family.about else ""
    needs = f"Needs {'; '.join(family.needs)}." if family.needs else ""
    said = " ".join(filter(None, (about, needs)))
    columns = ["signal", "unit", "bounds", "cost", "access", "what it is", "source"]
    cells = [_signal(row) for row in family.rows]
    if any(family.further_needs(row) for row in family.rows):
        columns.append("also needs")
        for cell, row in zip(cells, family.rows, strict=True):
            cell.append("; ".join(family.further_needs(row)) or "-")
    heading = f"\n### {family.heading}\n" + (f"\n{said}\n" if said else "")
    return heading + _table(columns, cells)


def _signal(row: SignalRow) -> list[str]:
    bounds = f"{row.least} to {row.greatest}"
    facts = [_code(row.name), row.unit or "-", bounds, row.cost, row.access]
    return [*facts, row.summary, row.source]


def _table(columns: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    rule = "|".join("---" for _ in columns)
    body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in cells]
    lines = [f"| {' | '.join(columns)} |", f"|{rule}|", *(f"| {row} |" for row in body)]
    return "\n".join(["", *lines, ""])


def _code(text: str) -> str:
    return f"`{text}`" if text else "-"
