"""Commands that watch a run, and on runs that were watched."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from grokwatch.monitor.cli.options import Directory, Json, section_of, show, to_stderr

app = typer.Typer()


@app.command()
def demo(
    context: typer.Context,
    task: Annotated[str, typer.Option(help="addition or parity.")] = "addition",
    random_labels: Annotated[
        bool, typer.Option("--random-labels", help="Shuffle the labels: nothing to learn.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="Seed of data and weights.", show_default="the recipe's")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps at most.", min=1, show_default="the recipe's")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--signals", help="cheap, standard, or full.", show_default="cheap"),
    ] = None,
    push: Annotated[
        str | None, typer.Option(help="Address of a service to push the run to.", metavar="URL")
    ] = None,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Train a small network, and warn before it generalises.

    Example: grokwatch demo --task parity --seed 3
    """
    from grokwatch.monitor.commands.demo import demo as run

    section = section_of(context, directory, signals=preset)
    report = run(
        section,
        task=task,
        random_labels=random_labels,
        seed=seed,
        steps=steps,
        push=push,
        show=to_stderr if as_json else print,
        progress=not as_json and sys.stderr.isatty(),
    )
    show(report, as_json)


@app.command()
def runs(context: typer.Context, directory: Directory = None, as_json: Json = False) -> None:
    """List the runs in the journals.

    Example: grokwatch runs --json
    """
    from grokwatch.monitor.commands.runs import runs as run

    show(run(Path(section_of(context, directory).directory)), as_json)


@app.command()
def replay(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Id of the run, or its beginning; a .csv, .jsonl or .parquet file; or "
            "mlflow:http://HOST:PORT/RUN_ID.",
        ),
    ],
    predictor: Annotated[
        str | None, typer.Option(help="Who judges.", show_default="hazard:")
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
    """Judge a past run again, ours or another's: when would it have warned?

    Example: grokwatch replay log.csv --map nll=train_loss --predictor hazard:only=loss+norms
    """
    from grokwatch.monitor.commands.replay import mapped
    from grokwatch.monitor.commands.replay import replay as run

    section = section_of(context, directory, predictor=predictor)
    asked = mapped(names or [])
    show(run(Path(section.directory), name, predictor=section.predictor, names=asked), as_json)


@app.command()
def signals(
    preset: Annotated[
        str, typer.Option(help="Only those of cheap, standard, or full.", show_default="full")
    ] = "full",
    as_json: Json = False,
) -> None:
    """List every signal that can be measured.

    Example: grokwatch signals --preset cheap
    """
    from grokwatch.monitor.commands.signals import signals as run

    show(run(preset=preset, width=shutil.get_terminal_size().columns), as_json)


@app.command()
def sync(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id of one run; all by default.")
    ] = None,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Send what a finished or killed run left unsent.

    Example: grokwatch sync
    """
    from grokwatch.monitor.commands.sync import sync as run

    section = section_of(context, directory)
    show(run(Path(section.directory), name, targets=section.sinks), as_json)


@app.command()
def doctor(context: typer.Context, directory: Directory = None, as_json: Json = False) -> None:
    """Check this machine: versions, directory, port.

    Example: grokwatch doctor
    """
    from grokwatch.monitor.commands.doctor import doctor as run

    show(run(Path(section_of(context, directory).directory)), as_json)
