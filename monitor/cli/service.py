"""Commands of the service: serving, and what it announced."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from grokwatch.monitor.cli.options import Json, show, to_stderr

if TYPE_CHECKING:
    from grokwatch.monitor.config import ServiceSection

app = typer.Typer()
alerts = typer.Typer(name="alerts", no_args_is_help=True, help="What the service announced.")
app.add_typer(alerts)

Store = Annotated[
    str | None,
    typer.Option(help="Where history is kept.", show_default="sqlite:///.grokwatch/service.db"),
]
Hook = Annotated[str | None, typer.Option(help="Only to this hook.")]


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on.", show_default="8420")
    ] = None,
    store: Store = None,
    check: Annotated[
        bool, typer.Option("--check", help="Try the configuration, and say what it means.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Watch many runs: judge, keep history, show a page, tell people.

    Example: grokwatch serve --port 8420
    """
    section = _section(context, host=host, port=port, store=store)
    if check:
        from grokwatch.monitor.commands.serve_check import check as try_

        show(try_(section, environment=os.environ), as_json)
    else:
        from grokwatch.monitor.cli.service_log import set_up
        from grokwatch.monitor.commands.serve import serve as run

        set_up(sys.stderr, environment=os.environ)
        show(run(section, environment=os.environ, show=to_stderr), as_json)


@alerts.command(name="list")
def list_(
    context: typer.Context,
    run: Annotated[str | None, typer.Option(help="Only of this run.")] = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="Only those whose delivery was given up.")
    ] = False,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """List alerts, the newest first.

    Example: grokwatch alerts list --dead
    """
    from grokwatch.monitor.commands.alerts import listed

    section = _section(context, store=store)
    show(listed(section, environment=os.environ, run_id=run, only_dead=dead), as_json)


@alerts.command(name="show")
def show_(
    context: typer.Context,
    alert: Annotated[str, typer.Argument(help="Id of the alert, or its beginning.")],
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Show an alert, its deliveries, and what hooks are told.

    Example: grokwatch alerts show 1f3a
    """
    from grokwatch.monitor.commands.alerts import shown

    show(shown(_section(context, store=store), alert, environment=os.environ), as_json)


@alerts.command()
def resend(
    context: typer.Context,
    alert: Annotated[str, typer.Argument(help="Id of the alert, or its beginning.")],
    hook: Hook = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Send an alert again under its own name.

    Example: grokwatch alerts resend 1f3a
    """
    from grokwatch.monitor.commands.alerts import resent

    section = _section(context, store=store)
    show(resent(section, alert, environment=os.environ, hook=hook), as_json)


@alerts.command(name="test")
def fire(
    context: typer.Context, hook: Hook = None, store: Store = None, as_json: Json = False
) -> None:
    """Fire a test at the hooks.

    Example: grokwatch alerts test
    """
    from grokwatch.monitor.commands.alerts import tried

    show(tried(_section(context, store=store), environment=os.environ, hook=hook), as_json)


def _section(context: typer.Context, **given: str | int | None) -> "ServiceSection":
    """The configuration, with what was given on the command line."""
    from grokwatch.monitor.config import load

    return load(context.obj, arguments={"service": given}).service
