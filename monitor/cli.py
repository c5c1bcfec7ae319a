"""The command line: the composition root, and the one place that prints.

Each command imports what it needs when it is called, so `grokwatch --help` loads neither torch nor
Lightning nor MLflow. Every command that lists or measures takes `--json`. The exit code is 0 where
what was asked holds, 1 where it does not, and 2 where the question was wrong; errors go to stderr
in one sentence.
"""

import os
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer

from grokwatch.monitor.errors import ConfigurationError, GrokwatchError

if TYPE_CHECKING:
    from grokwatch.monitor.commands import Report
    from grokwatch.monitor.config import MonitorSection

app = typer.Typer(
    name="grokwatch",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

corpus = typer.Typer(
    name="corpus",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Build, check, and count the labelled corpus of runs.",
)
app.add_typer(corpus)

Directory = Annotated[
    str | None, typer.Option(help="Where journals are kept.", show_default=".grokwatch")
]
Corpus = Annotated[
    Path | None,
    typer.Option("--to", help="Folder of the corpus.", show_default="experiments/data/corpus"),
]
Grids = Annotated[
    Path | None,
    typer.Option(help="Folder of the slices' grids.", show_default="experiments/grids/corpus"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Configuration file.", show_default="grokwatch.toml")
]


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    try:
        app()
    except GrokwatchError as error:
        print(f"grokwatch: {error}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, ConfigurationError) else 1) from None
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("grokwatch"):
            raise
        remedy = "Try: pip install 'grokwatch[train]'"
        print(f"grokwatch: Expected the library {error.name}, got none. {remedy}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    raise SystemExit(0)


def _version(asked: bool) -> None:
    if asked:
        print(f"grokwatch {metadata.version('grokwatch')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    config: ConfigFile = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keep training this run, or kill it? Early grokking detection.

    Example: grokwatch demo
    """
    context.obj = config


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
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Train a small network, and warn before it generalises.

    Example: grokwatch demo --task parity --seed 3
    """
    from grokwatch.monitor.commands.demo import demo as run

    section = _section(context, directory, signals=preset)
    report = run(
        section,
        task=task,
        random_labels=random_labels,
        seed=seed,
        steps=steps,
        show=_to_stderr if as_json else print,
        progress=not as_json and sys.stderr.isatty(),
    )
    _show(report, as_json)


@app.command()
def runs(context: typer.Context, directory: Directory = None, as_json: Json = False) -> None:
    """List the runs in the journals.

    Example: grokwatch runs --json
    """
    from grokwatch.monitor.commands.runs import runs as run

    _show(run(Path(_section(context, directory).directory)), as_json)


@app.command()
def replay(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or its beginning.")],
    predictor: Annotated[
        str | None, typer.Option(help="Who judges.", show_default="threshold:")
    ] = None,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Judge a past run again: when would it have warned?

    Example: grokwatch replay 3f2a --predictor baseline:after_memorization
    """
    from grokwatch.monitor.commands.replay import replay as run

    section = _section(context, directory, predictor=predictor)
    _show(run(Path(section.directory), name, predictor=section.predictor), as_json)


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

    _show(run(preset=preset, width=shutil.get_terminal_size().columns), as_json)


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

    section = _section(context, directory)
    _show(run(Path(section.directory), name, targets=section.sinks), as_json)


@app.command()
def validate(
    context: typer.Context,
    seeds: Annotated[
        str | None, typer.Option(help="Seeds, such as 10-29.", show_default="the trial's")
    ] = None,
    predictor: Annotated[
        str | None, typer.Option(help="Who is on trial.", show_default="threshold:")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes at a time.", show_default="one per core")
    ] = None,
    directory: Directory = None,
    as_json: Json = False,
) -> None:
    """Judge the warning rule on fresh seeds and on controls.

    Example: grokwatch validate --seeds 10-29
    """
    from grokwatch.monitor.commands.validate import validate as run

    section = _section(context, directory, predictor=predictor)
    root = Path(section.directory) / "trial"
    report = run(
        root,
        predictor=section.predictor,
        seeds=seeds,
        workers=workers,
        show=_to_stderr,
        progress=sys.stderr.isatty(),
    )
    _show(report, as_json)


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

    report = run(workload, blocks=blocks, show=_to_stderr, progress=sys.stderr.isatty())
    _show(report, as_json)


@app.command()
def bench(
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PART]...",
            help="costs, presets, curvature, accuracy, loggers, memory; all these by default. "
            "sweep, only when named.",
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
        show=_to_stderr,
        progress=sys.stderr.isatty(),
        width=shutil.get_terminal_size().columns,
    )
    _show(report, as_json)


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

    root = Path(_section(context, directory).directory)
    report = run(
        grid,
        root,
        workers=workers,
        engine=engine,
        address=address,
        device=device,
        show=_to_stderr,
        progress=sys.stderr.isatty(),
    )
    _show(report, as_json)


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

    root = Path(_section(context, directory).directory)
    report = run(
        name,
        root,
        pictures or root / "pictures",
        quick=quick,
        show=_to_stderr,
        progress=sys.stderr.isatty(),
        width=shutil.get_terminal_size().columns,
    )
    _show(report, as_json)


@corpus.command("build")
def corpus_build(
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
        Path(_section(context, directory).directory),
        grids=grids or run.GRIDS,
        folder=to or run.FOLDER,
        workers=workers,
        bits=bits,
        show=_to_stderr,
        progress=sys.stderr.isatty(),
    )
    _show(report, as_json)


@corpus.command("verify")
def corpus_verify(
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
        show=_to_stderr,
        progress=sys.stderr.isatty(),
    )
    _show(report, as_json)


@corpus.command("show")
def corpus_show(
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

    _show(run.show(folder=to or run.FOLDER, pictures=pictures), as_json)


@app.command()
def doctor(context: typer.Context, directory: Directory = None, as_json: Json = False) -> None:
    """Check this machine: versions, directory, port.

    Example: grokwatch doctor
    """
    from grokwatch.monitor.commands.doctor import doctor as run

    _show(run(Path(_section(context, directory).directory)), as_json)


def _section(
    context: typer.Context,
    directory: str | None,
    *,
    predictor: str | None = None,
    signals: str | None = None,
) -> "MonitorSection":
    from grokwatch.monitor.config import load

    given = {"directory": directory, "predictor": predictor, "signals": signals}
    return load(context.obj, arguments={"monitor": given}).monitor


def _show(report: "Report", as_json: bool) -> None:
    if as_json:
        encoded = msgspec.json.encode(report.data)
        print(msgspec.json.format(encoded, indent=2).decode())
    for line in () if as_json else report.lines:
        print(line)
    if not report.holds:
        raise typer.Exit(1)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
