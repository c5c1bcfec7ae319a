"""`grokwatch report --sweep`: one page on all runs of a sweep, from its folder or from a table."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from grokwatch.experiments.counting import counting
from grokwatch.monitor.commands import Report, number
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.report import sweep
from grokwatch.monitor.report.sweep_run import SweepRun, run_of
from grokwatch.monitor.report.sweep_table import read_table

TABLE = ".csv"


class SweepReported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written; `remarks` say what could not be read."""

    path: str
    num_bytes: int
    num_runs: int
    num_judged: int
    remarks: tuple[str, ...]


def report_sweep(
    source: Path,
    root: Path,
    out: Path | None = None,
    *,
    predictor: str | None,
    browse: Callable[[str], object] | None = None,
    show: Callable[[str], None],
    progress: bool,
) -> Report:
    """Write the report of a sweep.

    Args:
        source: folder of a sweep, its name, or a CSV table of outcomes.
        root: the folder of all of grokwatch's files.
        out: of the page; by default named after the sweep, where the command is called.
        predictor: judges runs that nobody judged; None leaves them so.
        browse: opens an address; None leaves the page closed.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.

    Returns:
        What was written; `holds` always.

    Raises:
        ConfigurationError: there is no such sweep, it holds no run, or the page cannot be written.
        SourceError: the table is not to be had.
    """
    remarks: list[str] = []
    if source.suffix.lower() == TABLE:
        name, runs, predictor = source.stem, read_table(source), None
    else:
        name, runs = _swept(source, root, predictor, remarks.append, show, progress)
    path = out or Path(f"{name}.html")
    sweep.write(name, runs, path, predictor=predictor, remarks=remarks)
    if browse is not None:
        browse(path.resolve().as_uri())
    found = SweepReported(
        path=str(path),
        num_bytes=path.stat().st_size,
        num_runs=len(runs),
        num_judged=sum(run.is_judged for run in runs),
        remarks=tuple(remarks),
    )
    counted = f"{number(found.num_runs)} runs, {number(found.num_judged)} judged"
    line = f"{path}, {found.num_bytes / 1e6:.1f} MB: {counted}"
    return Report(data=found, lines=(*remarks, line))


def _swept(
    source: Path,
    root: Path,
    predictor: str | None,
    remark: Callable[[str], None],
    show: Callable[[str], None],
    progress: bool,
) -> tuple[str, list[SweepRun]]:
    """Name and runs of the folder of a sweep.

    Raises:
        ConfigurationError: there is no such folder, or no whole chunk in it.
    """
    from grokwatch.experiments.sweep.folder import count_chunks, find_sweep, read_folder

    folder = find_sweep(source, root)
    with counting(show, progress=progress)(f"reading {folder.name}", count_chunks(folder)) as done:
        found = read_folder(folder, remark, done)
        runs = [run_of(records, predictor=predictor) for records in found]
    if not runs:
        msg = (
            f"Expected a sweep with at least one whole chunk, got none in {folder}. "
            "Try the same `grokwatch sweep` again, which trains what is broken anew."
        )
        raise ConfigurationError(msg)
    return folder.resolve().name, runs
