"""What an experiment is as a command: a question, what was published, and what we find."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from grokwatch.experiments.reproduce.workshop import Workshop


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a reproduction showed.

    Attributes:
        sentence: how it compares with what was published, in figures.
        columns: headings of `rows`; empty where there is no table.
        rows: a table for a person.
        figures: the numbers behind sentence and table, by name.
        pictures: names of the files that were drawn.
        holds: whether it was found again; also True where a quick run cannot say.
    """

    sentence: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    figures: dict[str, float]
    pictures: tuple[str, ...]
    holds: bool = True


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """One experiment of the table.

    Attributes:
        question: that it answers, one short sentence.
        published: what the source found, one sentence with its figures.
        source: author, year, section or figure.
        run: trains, draws and compares.
    """

    question: str
    published: str
    source: str
    run: Callable[[Workshop], Finding]
