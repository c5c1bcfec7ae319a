"""`grokwatch report`: one run as an interactive page in one file, from wherever the run lies."""

import os
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from grokwatch.monitor import watcher
from grokwatch.monitor.commands import Report
from grokwatch.monitor.commands.opening import Opened, open_run
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import AnyRecord, Assessment
from grokwatch.monitor.report.run import write
from grokwatch.monitor.service.sources import service_run
from grokwatch.monitor.story import read_story, tell

_JUDGED_NOW = "Nobody judged this run while it trained: {predictor} judged it for this report."


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A report that was written."""

    path: str
    num_bytes: int
    run_id: str


def report(
    root: Path,
    name: str,
    *,
    out: Path | None,
    predictor: str,
    names: Mapping[str, str] | None = None,
    environment: Mapping[str, str] = os.environ,
    browse: Callable[[str], object] | None = None,
) -> Report:
    """Write the report of one run.

    Args:
        root: the directory that holds the journals.
        name: of the run, see `open_run`; or the address of its page on a service.
        out: the file; `RUN_ID.html` where none is named.
        predictor: target of the predictor, for a run that nobody judged.
        names: what the metrics of others mean, their name -> ours; else guessed.
        environment: holds the service's token.
        browse: opens an address; None leaves the page closed.

    Returns:
        Where it is, and what it tells in short; `holds` is always True.

    Raises:
        ConfigurationError: no such run, or no such file.
    """
    opened = _open(root, name, names or {}, environment)
    if not opened.records:
        msg = f"Expected records in the run {name!r}, got none. Try 'grokwatch runs'."
        raise ConfigurationError(msg)
    records, remarks = _judged(opened, predictor)
    run_id = records[0].run_id
    path = write(records, out or Path(f"{Path(run_id).name}.html"), remarks=remarks)
    if browse is not None:
        browse(path.resolve().as_uri())
    written = Written(path=str(path), num_bytes=path.stat().st_size, run_id=run_id)
    size = f"{written.num_bytes / 1e6:.1f} MB"
    return Report(data=written, lines=(*tell(read_story(records)), *remarks, f"{path}, {size}"))


def browser(address: str) -> bool:
    """Open an address in the user's browser; False where there is none."""
    return webbrowser.open(address)


def _open(
    root: Path, name: str, names: Mapping[str, str], environment: Mapping[str, str]
) -> Opened:
    if service_run.is_service(name):
        return Opened(records=service_run.past(name, environment=environment))
    return open_run(root, name, names=names)


def _judged(opened: Opened, predictor: str) -> tuple[list[AnyRecord], tuple[str, ...]]:
    """A run with judgements: those it has, else those of today."""
    if any(isinstance(record, Assessment) for record in opened.records):
        return opened.records, opened.remarks
    judged = [*opened.records, *watcher.replay(opened.records, predictor=predictor)]
    told = next((r.predictor for r in judged if isinstance(r, Assessment)), None)
    remarks = [] if told is None else [_JUDGED_NOW.format(predictor=told)]
    return judged, (*opened.remarks, *remarks)
