"""`grokwatch ceilings`: how much the train side of the corpus's runs tells at all."""

from collections.abc import Callable, Sequence
from pathlib import Path

from grokwatch.experiments.counting import counting
from grokwatch.experiments.fitting.ceilings import Ceiling
from grokwatch.experiments.fitting.ceilings import ceilings as found_by
from grokwatch.monitor.commands import Report, number, table


def ceilings(
    corpus: Path,
    *,
    slices: Sequence[str] | None = None,
    show: Callable[[str], None],
    progress: bool,
) -> Report:
    """Grow forests on the train split, and judge them on folds and families left out.

    Args:
        corpus: its folder.
        slices: names; None for all of the corpus.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.

    Returns:
        One row for each kind of forest, family and landmark; `holds` is always True.

    Raises:
        ConfigurationError: there is no corpus.
        WireError: a file of it is broken.
    """
    found = found_by(corpus, counting(show, progress=progress), slices=slices)
    columns = ("family", "T_mem", "groks / asked", "forest of", "AUROC", "apart", "same cell")
    return Report(data=found, lines=table(columns, [_row(each) for each in found]))


def _row(each: Ceiling) -> tuple[str, ...]:
    pairs = f" ({number(each.pairs)})" if each.pairs else ""
    return (
        each.family,
        str(each.at),
        f"{each.groks} / {each.asked}",
        each.what,
        _share(each.auroc),
        _share(each.apart),
        _share(each.concordance) + pairs,
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
