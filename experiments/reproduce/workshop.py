"""Where a reproduction works: what it trains, where pictures go, who is told how far it is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from grokwatch.experiments.counting import Counting
from grokwatch.experiments.drawing import Compose, draw
from grokwatch.experiments.sweep import Grid, read_grid, sweep
from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.story import Story, read_story

Changes = Mapping[str, Mapping[str, object]]

_NO_CHANGES: Changes = {}


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What a reproduction is given.

    Attributes:
        root: the folder of all of grokwatch's files; what was trained is found again there.
        pictures: the folder of pictures.
        quick: show that everything works, in seconds; the figures mean little.
        count: shows progress.
        show: takes a line now and then.
    """

    root: Path
    pictures: Path
    quick: bool
    count: Counting
    show: Callable[[str], None]

    def grid(self, name: str, quick: Changes = _NO_CHANGES) -> Grid:
        """The grid `experiments/grids/reproduce/NAME.toml`.

        Args:
            name: of the file.
            quick: section -> key -> what to put there where `quick` is asked for.
        """
        folder = resources.files("grokwatch.experiments").joinpath("grids", "reproduce")
        with resources.as_file(folder.joinpath(f"{name}.toml")) as path:
            return read_grid(path, quick if self.quick else _NO_CHANGES)

    def sweep(self, grid: Grid) -> Iterator[tuple[AnyRecord, ...]]:
        """The records of each run of a grid, trained now unless they were before."""
        return sweep(grid, self.root, self.count, self.show)

    def stories(self, name: str, quick: Changes = _NO_CHANGES) -> list[Story]:
        """What became of each run of a grid, trained now unless they were before.

        Args:
            name: of the grid's file.
            quick: as for `grid`.
        """
        return [read_story(records) for records in self.sweep(self.grid(name, quick))]

    def draw(
        self, name: str, compose: Compose, *, size: tuple[float, float] = (10.0, 6.0)
    ) -> tuple[str, ...]:
        """Draw a picture for light and for dark pages, as `draw` does, into the folder."""
        return draw(self.pictures, name, compose, size=size)
