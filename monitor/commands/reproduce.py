"""`grokwatch reproduce`: an experiment of the article, trained, drawn and compared."""

import textwrap
from collections.abc import Callable
from pathlib import Path

from grokwatch.experiments.counting import counting
from grokwatch.experiments.reproduce.reproduction import Finding, Reproduction
from grokwatch.experiments.reproduce.table import REPRODUCTIONS
from grokwatch.experiments.reproduce.workshop import Workshop
from grokwatch.monitor.commands import Report, table
from grokwatch.monitor.errors import ConfigurationError


def reproduce(
    name: str | None,
    root: Path,
    pictures: Path,
    *,
    quick: bool,
    show: Callable[[str], None],
    progress: bool,
    width: int = 80,
) -> Report:
    """Run one reproduction, or list them.

    Args:
        name: in the table; None lists all.
        root: the folder of all of grokwatch's files.
        pictures: the folder of pictures.
        quick: seconds instead of minutes; the figures mean little.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.
        width: characters in a line, for a person.

    Returns:
        What was found; `holds` where the published result was found again.

    Raises:
        ConfigurationError: no such reproduction.
    """
    if name is None:
        return _listed(width)
    if name not in REPRODUCTIONS:
        msg = (
            f"Expected one of {', '.join(REPRODUCTIONS)}, got {name!r}. Try 'grokwatch reproduce'."
        )
        raise ConfigurationError(msg)
    chosen = REPRODUCTIONS[name]
    count = counting(show, progress=progress)
    workshop = Workshop(root=root, pictures=pictures, quick=quick, count=count, show=show)
    finding = chosen.run(workshop)
    lines = _lines(chosen, finding, pictures, width)
    return Report(data=finding, lines=lines, holds=finding.holds)


def _listed(width: int) -> Report:
    """Names and questions."""
    rows = [(name, each.question) for name, each in REPRODUCTIONS.items()]
    return Report(data=[list(row) for row in rows], lines=table(("name", "question"), rows))


def _lines(chosen: Reproduction, finding: Finding, folder: Path, width: int) -> tuple[str, ...]:
    """Question, table, verdict and files."""
    shown = table(finding.columns, finding.rows) if finding.columns else ()
    return (
        *textwrap.wrap(chosen.question, width),
        *textwrap.wrap(f"Published: {chosen.published} ({chosen.source})", width),
        *(("", *shown, "") if shown else ()),
        *textwrap.wrap(f"Here: {finding.sentence}", width),
        *(f"Drawn: {folder / name}" for name in finding.pictures),
    )
