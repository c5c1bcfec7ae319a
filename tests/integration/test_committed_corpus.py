"""The committed corpus is as its manifest says, and its labels follow from what was seen."""

import pytest

from grokwatch.monitor.commands.corpus import show, verify


@pytest.mark.slow
def test_files_counts_labels_and_splits_are_as_written_down() -> None:
    report = verify(show=print, progress=False)
    assert report.holds, report.lines


def test_every_cell_has_its_nine_seeds_and_enough_are_mixed() -> None:
    found = {bar["what"]: bar for bar in show().data.bars}  # type: ignore[attr-defined]
    for name in ("cells of at least 9 seeds", "mixed cells", "size"):
        assert found[name]["met"], found[name]
