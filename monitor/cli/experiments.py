"""Commands that train, on their own networks, and measure."""

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
def sweep(
    context: typer.Context,
    grid: Annotated[Path, typer.Argument(metavar="GRID.toml", help="What to train.")],
    workers: Annotated[
        int | None, typer.Option(help="Processes at a time.", show_default="one per core")
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or ray for a Ray cluster.")] = "local",
    address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster.", show_default="one of its own")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Train a grid of small models together; a killed sweep goes on where it was.

    Example: grokwatch sweep experiments/grids/tiny.toml
    """
    from grokwatch.monitor.commands.sweep import sweep as run

    root = Path(section_of(context, directory).directory)
    report = run(
        grid,
        root,
        workers=workers,
        engine=engine,
        address=address,
        device=device,
        show=to_stderr,
        progress=sys.stderr.isatty(),
    )
    show(report, as_json)


@app.command()
def reproduce(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Which; lists them by default.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Seconds instead of minutes; figures mean little.")
    ] = False,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder of pictures.", show_default=".grokwatch/pictures")
    ] = None,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Repeat an experiment of the article, draw it, and compare.

    Example: grokwatch reproduce parity --quick
    """
    from grokwatch.monitor.commands.reproduce import reproduce as run

    root = Path(section_of(context, directory).directory)
    report = run(
        name,
        root,
        pictures or root / "pictures",
        quick=quick,
        show=to_stderr,
        progress=sys.stderr.isatty(),
        width=shutil.get_terminal_size().columns,
    )
    show(report, as_json)


@app.command()
def fit(
    context: typer.Context,
    from_store: Annotated[
        bool, typer.Option("--from-store", help="Calibrate on your own runs that have ended.")
    ] = False,
    corpus: Corpus = None,
    slices: Slices = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Seconds instead of minutes; models mean nothing.")
    ] = False,
    model: Annotated[
        Path | None, typer.Option(help="To calibrate.", show_default="the shipped one")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder of models.", show_default=".grokwatch/models")
    ] = None,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Fit the predictor on the corpus, or calibrate it on your own runs.

    Example: grokwatch fit --from-store
    """
    from grokwatch.monitor.commands import fit as run
    from grokwatch.monitor.commands.corpus import FOLDER

    root = Path(section_of(context, directory).directory)
    folder = to or root / "models"
    if from_store:
        report = run.fit_store(root, folder, model=model)
    else:
        report = run.fit(
            corpus or FOLDER,
            folder,
            slices=slices,
            quick=quick,
            show=to_stderr,
            progress=sys.stderr.isatty(),
        )
    show(report, as_json)


@app.command()
def trial(
    context: typer.Context,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds, such as 10-29.", show_default="the trial's")
    ] = None,
    predictor: Annotated[
        str | None, typer.Option(help="Who is on trial.", show_default="hazard:")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes at a time.", show_default="one per core")
    ] = None,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Judge the warning rule on fresh seeds and on controls.

    Example: grokwatch trial --seeds 10-29
    """
    from grokwatch.monitor.commands.trial import trial as run

    section = section_of(context, directory, predictor=predictor)
    root = Path(section.directory) / "trial"
    report = run(
        root,
        predictor=section.predictor,
        seeds=seeds,
        workers=workers,
        show=to_stderr,
        progress=sys.stderr.isatty(),
    )
    show(report, as_json)


@app.command()
def overhead(
    workload: Annotated[
        str | None, typer.Option(help="demo or transformer.", show_default="both")
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="Blocks per trainer.", show_default="the workload's")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure what watching costs, interleaved with bare training.

    Example: grokwatch overhead --workload demo
    """
    from grokwatch.monitor.commands.overhead import overhead as run

    report = run(workload, blocks=blocks, show=to_stderr, progress=sys.stderr.isatty())
    show(report, as_json)


@app.command()
def bench(
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PART]...",
            help="costs, presets, curvature, accuracy, loggers, memory, predictors; all these by "
            "default. sweep, service and report, only when named.",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(help="Rounds of each part.", min=1, show_default="the part's own"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure what signals cost, and how right they are.

    Example: grokwatch bench costs --rounds 3
    """
    from grokwatch.monitor.commands.bench import bench as run

    report = run(
        parts or (),
        rounds=rounds,
        show=to_stderr,
        progress=sys.stderr.isatty(),
        width=shutil.get_terminal_size().columns,
    )
    show(report, as_json)
