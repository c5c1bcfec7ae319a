"""Who belongs together: twins with siblings, one trajectory in one fold, folds in one part."""

import json
from pathlib import Path

import pytest

from grokwatch.experiments.corpus.folds import architecture_of, family_of, fold_of, twin_of
from grokwatch.experiments.corpus.splits import FILE, freeze, read_splits, split_of
from grokwatch.experiments.models import MODELS
from grokwatch.experiments.sweep import Run, read_grid
from grokwatch.experiments.sweep.runs import digest
from grokwatch.experiments.tasks import TASKS
from grokwatch.monitor.errors import WireError

GRID = """
[task]
name = "{task}"
modulus = 11
{more}
[model]
name = "circular_mlp"
[optimizer]
lr = {lr}
[run]
steps = {steps}
per_decade = {per_decade}
loss = "{loss}"
seeds = 2
"""
GIVEN = {
    "task": "modular_arithmetic",
    "more": "",
    "lr": "0.1",
    "steps": "30",
    "per_decade": "10",
    "loss": "cross_entropy",
}


def run(folder: Path, **changes: str) -> Run:
    path = folder / "grid.toml"
    path.write_text(GRID.format(**{**GIVEN, **changes}))
    return read_grid(path).runs[1]


@pytest.mark.parametrize(
    "change",
    [
        {"more": "random_labels = true"},
        {"steps": "60"},
        {"per_decade": "20"},
        {"task": "modular_addition"},
    ],
)
def test_what_is_nearly_the_same_run_is_in_the_same_fold(
    tmp_path: Path, change: dict[str, str]
) -> None:
    one, other = run(tmp_path), run(tmp_path, **change)
    assert one.id != other.id
    assert fold_of(one.cell) == fold_of(other.cell)


@pytest.mark.parametrize(
    "change", [{"lr": "0.2"}, {"more": "label_noise = 0.1"}, {"loss": "stablemax"}]
)
def test_another_setting_is_another_fold(tmp_path: Path, change: dict[str, str]) -> None:
    assert fold_of(run(tmp_path).cell) != fold_of(run(tmp_path, **change).cell)


def test_a_twin_is_found_from_either_side(tmp_path: Path) -> None:
    real, random = run(tmp_path), run(tmp_path, more="random_labels = true")
    assert twin_of(real) == random.id
    assert twin_of(random) == real.id


def test_every_task_and_model_has_its_place() -> None:
    assert {family_of(task) for task in TASKS} == {"cyclic", "parity", "permutations", "measured"}
    assert {architecture_of(model) for model in MODELS} == {"mlp", "transformer"}


def test_the_parts_have_their_shares_for_ever() -> None:
    drawn = [split_of(digest(number)) for number in range(4000)]
    assert drawn.count("test") / 4000 == pytest.approx(0.40, abs=0.03)
    assert drawn.count("calibration") / 4000 == pytest.approx(0.15, abs=0.02)
    first = " ".join(split_of(digest(number)) for number in range(9))
    assert first == "calibration train test calibration test train test calibration test"


def test_what_is_written_stays_and_new_folds_are_added(tmp_path: Path) -> None:
    first = freeze(tmp_path, ["a", "b"])
    before = (tmp_path / FILE).read_bytes()
    assert freeze(tmp_path, ["b"]) == first
    assert (tmp_path / FILE).read_bytes() == before
    more = freeze(tmp_path, ["c"])
    assert more == {**first, "c": split_of("c")} == read_splits(tmp_path)


def test_an_edited_entry_is_refused(tmp_path: Path) -> None:
    splits = freeze(tmp_path, ["a"])
    other = "train" if splits["a"] == "test" else "test"
    (tmp_path / FILE).write_text(json.dumps({"a": other}))
    with pytest.raises(WireError, match=r"which was drawn before the first fit, got"):
        freeze(tmp_path, ["b"])
    assert json.loads((tmp_path / FILE).read_text()) == {"a": other}


def test_broken_splits_are_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[1")
    with pytest.raises(WireError, match=r"Expected a part for each fold in .*splits\.json"):
        read_splits(tmp_path)
