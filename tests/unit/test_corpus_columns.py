"""Records as columns and back: what is rounded, what is not, what is missing."""

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from grokwatch.experiments.corpus.coding import error
from grokwatch.experiments.corpus.columns import Looks, joined, looks_of
from grokwatch.experiments.corpus.parquet import read_looks, read_texts, write_looks, write_texts
from grokwatch.experiments.corpus.reading import Slice
from grokwatch.experiments.corpus.relabeling import changed_labels
from grokwatch.experiments.corpus.rows import RunRow, row_of
from grokwatch.experiments.corpus.table import flat, row_from
from grokwatch.experiments.sweep import Run, read_grid
from grokwatch.monitor.errors import WireError
from grokwatch.monitor.records import (
    AnyRecord,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
    SignalInfo,
)
from grokwatch.monitor.vocabulary import Phase, RunStatus

GRID = '[task]\nname = "modular_addition"\nmodulus = 11\n[model]\nname = "circular_mlp"\n'
NAN = math.nan
INFO = SignalInfo(name="b", unit="1", summary="something.", access="solution")
TRAIN, TEST = 40, 300


def runs(folder: Path) -> tuple[Run, ...]:
    path = folder / "grid.toml"
    path.write_text(f"{GRID}[run]\nseeds = 2\nsteps = 900\n")
    return read_grid(path).runs


def records(run: Run, *, without: str = "") -> list[AnyRecord]:
    """A run that groks at step 500, with a value of each kind."""
    sizes = {"num_train": TRAIN, "num_test": TEST}
    found: list[AnyRecord] = [
        RunStarted(
            run_id=run.id,
            time=5.0,
            seq=1,
            signals=(INFO,),
            hyper_parameters={**run.settings(), **sizes},
        )
    ]
    for step in range(50, 901, 50):
        values = {"a": math.sin(step), "b": NAN if step == 100 else -1.0 / step, "c": math.inf}
        if step % 100:
            del values["a"]
        values.pop(without, None)
        seq = len(found)
        found += [
            Observation(
                run_id=run.id,
                seq=seq + 1,
                time=6.0,
                step=step,
                train_loss=1.0 / step,
                train_accuracy=min(step / 200, 1.0),
                values=values,
                errors={"d": "Error: no"} if step == 150 else {},
                cadence={"a": 100} if step == 200 else {},
            ),
            Evaluation(
                run_id=run.id,
                seq=seq + 2,
                time=6.0,
                step=step,
                test_loss=2.0 + step,
                test_accuracy=(30 if step < 500 else TEST) / TEST,
            ),
        ]
    return [*found, RunEnded(run_id=run.id, step=900, time=7.0, status=RunStatus.FINISHED)]


def row(run: Run, found: list[AnyRecord]) -> RunRow:
    return row_of(run, found, split="test", chunk="x", machine=0)


def gathered(folder: Path) -> tuple[Slice, list[list[AnyRecord]]]:
    """Two runs, the second without the key `c`, written and read."""
    both = runs(folder)
    given = [records(both[0]), records(both[1], without="c")]
    rows = tuple(row(run, found) for run, found in zip(both, given, strict=True))
    looks = joined([looks_of(at, rows[at], found) for at, found in enumerate(given)])
    write_looks(folder / "x.parquet", looks, 9)
    write_texts(folder / "x.runs.parquet", [flat(each) for each in rows])
    again = tuple(row_from(found, "x") for found in read_texts(folder / "x.runs.parquet"))
    assert again == rows
    return Slice("x", again, read_looks(folder / "x.parquet")), given


def assert_near(one: float | None, other: float | None, bits: int) -> None:
    if one is None or other is None or not math.isfinite(one):
        assert repr(one) == repr(other)
    else:
        assert one == pytest.approx(other, rel=error(bits), abs=0)


def test_records_come_back_as_they_were_but_for_rounding(tmp_path: Path) -> None:
    stored, given = gathered(tmp_path)
    for run, before in zip(stored.runs(), given, strict=True):
        seen = [r for r in before if isinstance(r, Observation)]
        tests = [r for r in before if isinstance(r, Evaluation)]
        assert run.row.start == msgspec.structs.replace(before[0], time=0.0)
        for one, other in zip(run.observations, seen, strict=True):
            changed = msgspec.structs.replace(
                other, time=0.0, train_loss=one.train_loss, values=one.values
            )
            assert one == changed
            assert one.values.keys() == other.values.keys()
            assert_near(one.train_loss, other.train_loss, 14)
            for key, value in one.values.items():
                assert_near(value, other.values[key], 9)
        for made, anew in zip(run.evaluations, tests, strict=True):
            assert made == msgspec.structs.replace(anew, time=0.0, test_loss=made.test_loss)
            assert_near(made.test_loss, anew.test_loss, 14)


def test_what_is_missing_is_not_what_is_no_number(tmp_path: Path) -> None:
    stored, _ = gathered(tmp_path)
    first, second = (stored.run(place).observations for place in (0, 1))
    assert "a" not in first[0].values
    assert math.isnan(first[1].values["b"])
    assert not any("c" in seen.values for seen in second)
    column = stored.looks.values["c"]
    assert np.isinf(column.values[: stored.bounds[1]]).all()
    assert np.isnan(column.values[stored.bounds[1] :]).all()


def test_columns_are_the_same_numbers(tmp_path: Path) -> None:
    stored, _ = gathered(tmp_path)
    assert stored.bounds.tolist() == [0, 18, 36]
    evaluations = [e for run in stored.runs() for e in run.evaluations]
    assert stored.test_accuracy.tolist() == [e.test_accuracy for e in evaluations]
    observations = [o for run in stored.runs() for o in run.observations]
    assert stored.train_accuracy.tolist() == [o.train_accuracy for o in observations]
    assert stored.looks.train_loss.values.tolist() == [o.train_loss for o in observations]


def test_a_run_that_was_left_has_a_look_without_accuracies(tmp_path: Path) -> None:
    run = runs(tmp_path)[0]
    start, seen, *_ = records(run)
    last = Observation(run_id=run.id, step=60, time=0.0, train_loss=NAN, errors={"training": "no"})
    end = RunEnded(run_id=run.id, step=60, time=0.0, status=RunStatus.FAILED, message="no")
    found = [start, seen, last, end]
    only = row(run, found)
    assert only.diverged
    write_looks(tmp_path / "x.parquet", looks_of(0, only, found), 9)
    again = Slice("x", (only,), read_looks(tmp_path / "x.parquet")).run(0)
    assert again.observations[1].train_accuracy is None
    assert math.isnan(again.observations[1].train_loss)
    assert again.observations[1].errors == {"training": "no"}
    assert again.evaluations == ()


def test_a_label_is_that_of_the_records_and_stays(tmp_path: Path) -> None:
    stored, _ = gathered(tmp_path)
    assert stored.rows[0].outcome.phase is Phase.GROKKING
    assert stored.rows[0].outcome.grokking_step == 500
    assert changed_labels(stored) == []


def test_a_label_that_the_accuracies_do_not_give_is_named(tmp_path: Path) -> None:
    stored, _ = gathered(tmp_path)
    wrong = msgspec.structs.replace(stored.rows[1].outcome, grokking_step=550)
    rows = (stored.rows[0], msgspec.structs.replace(stored.rows[1], outcome=wrong))
    [problem] = changed_labels(replace(stored, rows=rows))
    assert f"Expected grokking_step of run {rows[1].run_id} in slice x as 500" in problem
    assert problem.endswith("got 550.")


def test_an_accuracy_that_is_no_share_is_refused(tmp_path: Path) -> None:
    run = runs(tmp_path)[0]
    found = records(run)
    only = row(run, found)
    seen = found[1]
    assert isinstance(seen, Observation)
    with pytest.raises(WireError, match=r"as shares of 40 examples, got 0\.333"):
        looks_of(0, only, [msgspec.structs.replace(seen, train_accuracy=0.333)])


def test_an_evaluation_alone_is_refused(tmp_path: Path) -> None:
    run = runs(tmp_path)[0]
    found = records(run)
    with pytest.raises(WireError, match=r"Expected an observation at each step that was evaluated"):
        looks_of(0, row(run, found), found[2:3])


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    gathered(tmp_path)
    path = tmp_path / "x.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(WireError, match=r"Expected a whole Parquet file, got .*x\.parquet"):
        read_looks(path)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    gathered(tmp_path)
    with pytest.raises(WireError, match=r"Expected looks at runs in .*got no 'run'"):
        read_looks(tmp_path / "x.runs.parquet")
    found = {**read_texts(tmp_path / "x.runs.parquet")[0]}
    del found["phase"]
    with pytest.raises(WireError, match=r"Expected runs with all their columns in x, got 'phase'"):
        row_from(found, "x")


def test_equal_columns_give_equal_bytes(tmp_path: Path) -> None:
    looks: Looks = gathered(tmp_path)[0].looks
    write_looks(tmp_path / "one.parquet", looks, 9)
    write_looks(tmp_path / "two.parquet", looks, 9)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
