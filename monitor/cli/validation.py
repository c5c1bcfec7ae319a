"""Commands that judge predictors on the corpus, and say what there is to know."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from grokwatch.monitor.cli.options import (
    Corpus,
    Directory,
    Json,
    Slices,
    section_of,
    show,
    to_stderr,
)

app = typer.Typer()


@app.command()
def validate(
    context: typer.Context,
    on: Annotated[
        str | None,
        typer.Option(help="Runs that are judged: train, calibration or test.", show_default="test"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Under a minute; figures mean nothing.")
    ] = False,
    predictor: Annotated[
        list[str] | None,
        typer.Option(
            help="Who is judged; again for more, the headline first.",
            show_default="a standing list",
        ),
    ] = None,
    corpus: Corpus = None,
    frozen: Annotated[
        Path | None,
        typer.Option(
            help="What was settled before; test runs are not judged without.",
            show_default="experiments/data/frozen.json for test",
        ),
    ] = None,
    freeze: Annotated[
        Path | None, typer.Option(help="File to write what was settled to.", show_default="none")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(help="File to write every table to, with pictures.", show_default="none"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes at a time.", show_default="one per core")
    ] = None,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Judge predictors on the corpus, against bars set beforehand.

    Example: grokwatch validate --on calibration --freeze frozen.json
    """
    from grokwatch.monitor.commands import validate as command
    from grokwatch.monitor.commands.corpus import FOLDER

    asked = command.Request(
        on=on,
        quick=quick,
        predictors=predictor or (),
        corpus=corpus or FOLDER,
        frozen=frozen,
        freeze_to=freeze,
        page=page,
        workers=workers,
    )
    root = Path(section_of(context, directory).directory) / "validation"
    report = command.validate(
        root,
        asked,
        show=to_stderr,
        progress=sys.stderr.isatty(),
        width=shutil.get_terminal_size().columns,
    )
    show(report, as_json)


@app.command()
def ceilings(
    corpus: Corpus = None,
    slices: Slices = None,
    as_json: Json = False,
) -> None:
    """Show how much the train side tells at all: forests in place of the predictor.

    Example: grokwatch ceilings --slice parity-16
    """
    from grokwatch.monitor.commands.ceilings import ceilings as run
    from grokwatch.monitor.commands.corpus import FOLDER

    show(
        run(corpus or FOLDER, slices=slices, show=to_stderr, progress=sys.stderr.isatty()), as_json
    )
