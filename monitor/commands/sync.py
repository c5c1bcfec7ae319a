"""`grokwatch sync`: send on what a finished or killed process left in its journal."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from grokwatch.monitor import alerts, config, sinks
from grokwatch.monitor.commands import Report, number, table
from grokwatch.monitor.commands.journals import choose
from grokwatch.monitor.credentials import strip_credentials
from grokwatch.monitor.dispatch import drain
from grokwatch.monitor.protocols import Sink

_COLUMNS = ("run", "target", "records", "result")
_HOOK = "hook"


def sync(root: Path, name: str | None = None, *, targets: Sequence[str] = ()) -> Report:
    """Drain the journals below `root` into the sinks that have not taken everything yet.

    Args:
        root: the directory that holds the journals.
        name: id of one run, or the beginning of it; all runs by default.
        targets: as configured; a journal names its sinks without passwords, these still have them.

    Returns:
        One row per run and sink that lacked something; `holds` is False where a sink could not
        take its records.

    Raises:
        ConfigurationError: no such run, or a target whose secret is not set.
    """
    run_id = None if name is None else choose(root, name)
    drained = drain(root, connector(targets), run_id=run_id)
    behind = [done for done in drained if done.num_records or done.error]
    cells = [
        (done.run_id, done.target, number(done.num_records), done.error or "sent")
        for done in behind
    ]
    lines = table(_COLUMNS, cells) if behind else (f"Nothing left to send in {root}.",)
    return Report(data=behind, lines=lines, holds=all(done.error is None for done in behind))


def connector(targets: Sequence[str]) -> Callable[[str], Sink]:
    """Make sinks from the targets that a journal's cursors name.

    Args:
        targets: as configured, possibly with `env:NAME`.

    Returns:
        A function of a target without password. Alerts that were meant for a hook object of the
        process that is gone are logged instead.
    """
    resolved = [config.resolve(target) for target in targets]
    complete = {strip_credentials(target): target for target in resolved}

    def connect(target: str) -> Sink:
        kind, _, hook = target.partition(":")
        if kind != _HOOK:
            return sinks.connect(complete.get(target, target))
        is_module = find_spec(f"{alerts.__name__}.{hook.partition(':')[0]}") is not None
        return alerts.HookSink(alerts.connect(hook if is_module else "log:"))

    return connect
