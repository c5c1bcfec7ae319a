"""The command that writes reports."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grokwatch.monitor.cli.options import Directory, Json, section_of, show, to_stderr
from grokwatch.monitor.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from grokwatch.monitor.commands import Report

app = typer.Typer()


@app.command()
def report(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="Id of the run, or its beginning; the folder of a journal; the address of its "
            "page on a service; a .csv, .jsonl or .parquet file; or mlflow:http://HOST:PORT/RUN_ID.",
        ),
    ] = None,
    sweep: Annotated[
        Path | None,
        typer.Option(
            help="Instead of a run: the folder of a sweep, its name, or a .csv of outcomes.",
            metavar="SWEEP",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File of the report.", metavar="FILE", show_default="named after what it shows"
        ),
    ] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    predictor: Annotated[
        str | None,
        typer.Option(help="Who judges a run that nobody judged.", show_default="hazard:"),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS",
            help="What a metric of others means; may be repeated.",
            show_default="guessed",
        ),
    ] = None,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Write an interactive page on one run, or one sweep: one file that needs nothing else.

    Example: grokwatch report 4f1c --out run.html --open
    """
    from grokwatch.monitor.commands.replay import mapped
    from grokwatch.monitor.commands.report import browser
    from grokwatch.monitor.commands.report import report as run

    section = section_of(context, directory, predictor=predictor)
    root, opens = Path(section.directory), browser if browse else None
    if name is None and sweep is not None:
        show(_of_sweep(sweep, root, out, section.predictor, opens), as_json)
        return
    if name is None or sweep is not None:
        came = "neither" if name is None else "both"
        msg = f"Expected a RUN or --sweep, got {came}. Try: grokwatch report RUN."
        raise ConfigurationError(msg)
    found = run(
        root,
        name,
        out=out,
        predictor=section.predictor,
        names=mapped(names or []),
        environment=os.environ,
        browse=opens,
    )
    show(found, as_json)


def _of_sweep(
    sweep: Path,
    root: Path,
    out: Path | None,
    predictor: str,
    browse: "Callable[[str], object] | None",
) -> "Report":
    from grokwatch.monitor.commands.report_sweep import report_sweep

    return report_sweep(
        sweep,
        root,
        out,
        predictor=predictor,
        browse=browse,
        show=to_stderr,
        progress=sys.stderr.isatty(),
    )
