"""Commands on the labelled corpus."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from grokwatch.monitor.cli.options import Directory, Json, section_of, show, to_stderr

app = typer.Typer(
    name="corpus",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Build, check, and count the labelled corpus of runs.",
)

Corpus = Annotated[
    Path | None,
    typer.Option("--to", help="Folder of the corpus.", show_default="experiments/data/corpus"),
]
Grids = Annotated[
    Path | None,
    typer.Option(help="Folder of the slices' grids.", show_default="experiments/grids/corpus"),
]


@app.command("build")
def build(
    context: typer.Context,
    slices: Annotated[
        list[str] | None, typer.Argument(metavar="[SLICE]...", help="Which; all by default.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that train at a time.", min=1)] = 1,
    bits: Annotated[
        int, typer.Option(help="Bits of a value; a corpus keeps its first.", min=6, max=16)
    ] = 9,
    to: Corpus = None,
    grids: Grids = None,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Train slices of the corpus, label them, and write them down; goes on where it was killed.

    Example: grokwatch corpus build --workers 4
    """
    from grokwatch.monitor.commands import corpus as run

    report = run.build(
        slices or (),
        Path(section_of(context, directory).directory),
        grids=grids or run.GRIDS,
        folder=to or run.FOLDER,
        workers=workers,
        bits=bits,
        show=to_stderr,
        progress=sys.stderr.isatty(),
    )
    show(report, as_json)


@app.command("verify")
def verify(
    rebuild: Annotated[
        str | None, typer.Option(metavar="SLICE", help="Train a part of it again, and compare.")
    ] = None,
    cells: Annotated[int, typer.Option(help="How many of its cells.", min=1)] = 1,
    to: Corpus = None,
    grids: Grids = None,
    as_json: Json = False,
) -> None:
    """Check files, labels and splits of the corpus.

    Example: grokwatch corpus verify
    """
    from grokwatch.monitor.commands import corpus as run

    report = run.verify(
        grids=grids or run.GRIDS,
        folder=to or run.FOLDER,
        rebuild=rebuild,
        cells=cells,
        show=to_stderr,
        progress=sys.stderr.isatty(),
    )
    show(report, as_json)


@app.command("show")
def corpusshow(
    to: Corpus = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder to draw into.", show_default="no pictures")
    ] = None,
    as_json: Json = False,
) -> None:
    """Count what is in the corpus, beside what should be.

    Example: grokwatch corpus show
    """
    from grokwatch.monitor.commands import corpus as run

    show(run.show(folder=to or run.FOLDER, pictures=pictures), as_json)
