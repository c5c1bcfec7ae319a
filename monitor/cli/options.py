"""What commands share: options, the configuration behind them, and how a report is shown."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

if TYPE_CHECKING:
    from grokwatch.monitor.commands import Report
    from grokwatch.monitor.config import MonitorSection

Directory = Annotated[
    str | None, typer.Option(help="Where journals are kept.", show_default=".grokwatch")
]
Corpus = Annotated[
    Path | None, typer.Option(help="Folder of the corpus.", show_default="experiments/data/corpus")
]
Slices = Annotated[
    list[str] | None, typer.Option("--slice", help="Of the corpus; may be repeated.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def section_of(
    context: typer.Context,
    directory: str | None,
    *,
    predictor: str | None = None,
    signals: str | None = None,
) -> "MonitorSection":
    """The configuration, with what was given on the command line.

    Args:
        context: of the command.
        directory: where journals are kept, where given.
        predictor: target of the predictor, where given.
        signals: preset, where given.

    Raises:
        ConfigurationError: the file or a value is wrong.
    """
    from grokwatch.monitor.config import load

    given = {"directory": directory, "predictor": predictor, "signals": signals}
    return load(context.obj, arguments={"monitor": given}).monitor


def show(report: "Report", as_json: bool) -> None:
    """Print a report, and exit with 1 where what was asked does not hold.

    Args:
        report: of a command.
        as_json: its data, instead of its lines.

    Raises:
        Exit: it does not hold.
    """
    if as_json:
        encoded = msgspec.json.encode(report.data)
        print(msgspec.json.format(encoded, indent=2).decode())
    for line in () if as_json else report.lines:
        print(line)
    if not report.holds:
        raise typer.Exit(1)


def to_stderr(line: str) -> None:
    """Say something beside the report."""
    print(line, file=sys.stderr)
