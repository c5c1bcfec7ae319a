"""Every experiment of the table runs as a command, in its quick form, and draws what it says."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from grokwatch.experiments.reproduce.reproduction import Finding
from grokwatch.experiments.reproduce.table import REPRODUCTIONS
from grokwatch.monitor.commands.reproduce import reproduce
from grokwatch.monitor.errors import ConfigurationError

PAGE = Path(__file__).parents[2] / "docs" / "reproductions.md"


@pytest.mark.slow
@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_a_quick_run_says_and_draws_what_it_found(name: str, tmp_path: Path) -> None:
    told: list[str] = []
    pictures = tmp_path / "pictures"
    report = reproduce(name, tmp_path, pictures, quick=True, show=told.append, progress=False)
    finding = report.data
    assert isinstance(finding, Finding)
    assert finding.sentence.endswith(".")
    assert finding.figures
    assert all(len(row) == len(finding.columns) for row in finding.rows)
    assert {path.name for path in pictures.glob("*.png")} == set(finding.pictures)
    for file in finding.pictures:
        assert float(np.std(imread(pictures / file)[..., :3])) > 0.02, file
    lines = " ".join(report.lines)
    assert finding.sentence.split()[-1] in lines
    assert all(f"Drawn: {pictures / file}" in lines for file in finding.pictures)


def test_without_a_name_all_are_listed(tmp_path: Path) -> None:
    report = reproduce(None, tmp_path, tmp_path, quick=False, show=print, progress=False)
    assert [line.split()[0] for line in report.lines] == ["name", *REPRODUCTIONS]


def test_a_name_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected one of modular-addition, .* got 'x'"):
        reproduce("x", tmp_path, tmp_path, quick=True, show=print, progress=False)


def test_the_page_has_a_section_for_each() -> None:
    sections = [line[3:] for line in PAGE.read_text().splitlines() if line.startswith("## ")]
    assert sections == list(REPRODUCTIONS)
