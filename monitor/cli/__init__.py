"""The command line: the composition root, and the one place that prints.

Each command imports what it needs when it is called, so `grokwatch --help` loads neither torch nor
Lightning nor MLflow. Every command that lists or measures takes `--json`. The exit code is 0 where
what was asked holds, 1 where it does not, and 2 where the question was wrong; errors go to stderr
in one sentence.
"""

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from grokwatch.monitor.cli import corpus, experiments, report, service, validation, watching
from grokwatch.monitor.errors import ConfigurationError, GrokwatchError

app = typer.Typer(
    name="grokwatch",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

for part in (watching.app, report.app, service.app, experiments.app, validation.app, corpus.app):
    app.add_typer(part)

_OF_SERVICE = frozenset({"alembic", "apprise", "jinja2", "litestar", "plotly", "psycopg"}) | {
    "sqlalchemy",
    "standardwebhooks",
    "uvicorn",
}

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
        extra = "service" if error.name in _OF_SERVICE else "train"
        remedy = f"Try: pip install 'grokwatch[{extra}]'"
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
