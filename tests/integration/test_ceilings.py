"""Forests in place of the hazard, on two slices of the corpus."""

from pathlib import Path
from typing import cast

import pytest

from grokwatch.experiments.fitting.ceilings import (
    CARRIED,
    EVERYTHING,
    READINGS,
    SETTINGS_ALONE,
    Ceiling,
)
from grokwatch.monitor.commands.ceilings import ceilings

CORPUS = Path(__file__).parent.parent.parent / "experiments" / "data" / "corpus"
SLICES = ("add-17", "parity-16", "parity-16-random")


def test_forests_are_judged_on_folds_and_families_that_they_did_not_see() -> None:
    lines: list[str] = []
    report = ceilings(CORPUS, slices=SLICES, show=lines.append, progress=False)
    found = cast("list[Ceiling]", report.data)
    rows = {(row.what, row.family, row.at): row for row in found}
    assert {family for _, family, _ in rows} == {"cyclic", "parity"}
    told, everything = (rows[what, "parity", 2] for what in (READINGS, EVERYTHING))
    assert told.asked == everything.asked > told.groks > 5
    assert (told.auroc or 0) > 0.7
    assert (everything.auroc or 0) > 0.7
    # Runs of one cell share their hyper-parameters: nothing but a coin is left among them.
    alone = rows[SETTINGS_ALONE, "cyclic", 5]
    assert alone.pairs > 0
    assert alone.concordance == pytest.approx(0.5)
    assert (CARRIED, "parity", 2) in rows
    assert any("growing forests" in line for line in lines)
    assert report.lines[0].split()[:2] == ["family", "T_mem"]
