"""The golden runs through every predictor, pinned; and a whole validation of them, twice."""

import json
import pkgutil
from pathlib import Path

from grokwatch.experiments.corpus import read_slice
from grokwatch.experiments.counting import Counting, counting
from grokwatch.experiments.validation import validate
from grokwatch.experiments.validation.bootstrap import Drawing
from grokwatch.experiments.validation.golden import NAME, SLICES, make_golden
from grokwatch.experiments.validation.replaying import replay_run
from grokwatch.experiments.validation.report import write_report
from grokwatch.experiments.validation.results import Validation
from grokwatch.experiments.validation.thresholds import alarm_step
from grokwatch.monitor import predictors
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors import load
from grokwatch.monitor.records import RunStarted
from tests.conftest import Golden
from tests.validation_cases import threshold

FOLDER = Path(__file__).parent.parent / "golden"
GOLDEN = FOLDER / "validation"
CORPUS = Path(__file__).parent.parent.parent / "experiments" / "data" / "corpus"
DUMMIES = ("baseline:never", "baseline:always", "baseline:after_memorization")
FEW = Drawing(40)


def targets() -> tuple[str, ...]:
    """Every predictor that can be made by its name alone, and the dummies."""
    names = sorted(m.name for m in pkgutil.iter_modules(predictors.__path__))
    return (*(f"{name}:" for name in names if _can_be_made(name)), *DUMMIES)


def _can_be_made(name: str) -> bool:
    try:
        load(f"{name}:", RunStarted(run_id="a", time=0.0))
    except ConfigurationError:
        return False
    return True


def test_golden_validation_alarms(golden: Golden) -> None:
    runs = list(read_slice(GOLDEN, NAME).runs())
    table = {}
    for target in targets():
        found = {}
        for run in runs:
            trace = replay_run(run, target)
            fired = {code.value: step for code, step in trace.fired.items()}
            found[run.row.run_id] = {**fired, ">= .5": alarm_step(trace, threshold(0.5))}
        table[target] = found
    golden("validation/alarms.json", json.dumps(table, indent=1, sort_keys=True) + "\n")


def test_the_golden_runs_are_of_the_train_split_and_of_many_kinds() -> None:
    rows = read_slice(GOLDEN, NAME).rows
    assert len(rows) == sum(SLICES.values())
    assert {row.split for row in rows} == {"train"}
    assert len({row.outcome.phase for row in rows}) >= 3
    assert any(row.random_labels for row in rows)
    assert len({row.family for row in rows}) == 3


def test_the_golden_runs_are_cut_out_of_the_corpus(tmp_path: Path) -> None:
    make_golden(CORPUS, tmp_path, slices=[("s4", 2)])
    known = {row.run_id: row for row in read_slice(GOLDEN, NAME).rows}
    for run in read_slice(tmp_path, NAME).runs():
        assert known[run.row.run_id].outcome == run.row.outcome
        assert 20 < len(run.observations) < 60


def judged(
    kept: Path, count: Counting, *, frozen: Path | None = None, freeze_to: Path | None = None
) -> Validation:
    return validate(
        GOLDEN,
        ["threshold:"],
        judged="train",
        kept=kept,
        count=count,
        frozen=frozen,
        freeze_to=freeze_to,
        drawing=FEW,
    )


def test_a_second_validation_replays_nothing_and_says_the_same(tmp_path: Path) -> None:
    lines: list[str] = []
    kept = tmp_path / "kept"
    count = counting(lines.append, progress=False)
    first = judged(kept, count, freeze_to=tmp_path / "frozen.json")
    assert any("golden" in line for line in lines)
    lines.clear()
    second = judged(kept, count, frozen=tmp_path / "frozen.json")
    assert not any("replaying" in line for line in lines)
    assert any("judging" in line for line in lines)
    assert second.rankings == first.rankings
    assert second.alarms == first.alarms
    assert second.frozen == first.frozen


def test_the_page_has_every_table_the_dummies_and_pictures(tmp_path: Path) -> None:
    found = judged(tmp_path / "kept", counting(lambda line: None, progress=False))
    page = tmp_path / "validation.md"
    write_report(found, page, tmp_path / "pictures")
    text = page.read_text()
    for heading in ("Bars", "P2", "P1", "P5", "Calibration", "Alarms", "What stopping", "Null"):
        assert f"## {heading}" in text
    for name in (*DUMMIES, "B0 base rate", "B1 hyper-parameters, trees", "B8 fall of test loss"):
        assert name in text
    assert "Predictors were fitted on these runs" in text
    assert all((tmp_path / "pictures" / f"{n}-dark.png").exists() for n in ("leads", "landmarks"))
    assert "nan" not in text
