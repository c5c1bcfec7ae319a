import json
import math
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from typer.testing import CliRunner, Result

from grokwatch.monitor import cli
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, RunEnded, RunStarted
from grokwatch.monitor.service.sources._values import hyper_parameter
from grokwatch.monitor.service.sources.files import past

STEPS = range(0, 1000, 100)
TRAIN = {step: min(100.0, 1.03 + step / 2) for step in STEPS}
TEST = {step: 1.0 if step < 700 else 99.0 for step in STEPS}


def _rows() -> list[dict[str, float]]:
    return [
        {"global_step": step, "loss": 1 / (step + 1), "acc": TRAIN[step], "val/acc": TEST[step]}
        for step in STEPS
    ]


def _written(folder: Path, ending: str) -> Path:
    rows, path = _rows(), folder / f"my run.{ending}"
    if ending == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif ending == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        comma = "\t" if ending == "tsv" else ","
        lines = [rows[0].keys(), *(map(str, row.values()) for row in rows)]
        path.write_text("\n".join(comma.join(line) for line in lines), encoding="utf-8-sig")
    return path


def _csv(folder: Path, text: str) -> Path:
    path = folder / "log.csv"
    path.write_text(text)
    return path


def _observed(records: list[AnyRecord]) -> list[Observation]:
    return [record for record in records if isinstance(record, Observation)]


def _started(records: list[AnyRecord]) -> RunStarted:
    assert isinstance(records[0], RunStarted)
    return records[0]


def _call(*words: object) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_a_file_becomes_the_records_of_its_run(tmp_path: Path, ending: str) -> None:
    records = past(_written(tmp_path, ending), names={})
    started = _started(records)
    assert (started.run_id, started.name) == (f"my_run.{ending}", f"my run.{ending}")
    assert started.guesses == (
        "`global_step` is taken for the step",
        "`loss` is taken for train loss",
        "`acc` is taken for train accuracy",
        "`val/acc` is taken for test accuracy",
        "`acc` is in percent, and divided by 100",
        "`val/acc` is in percent, and divided by 100",
    )
    assert [(o.step, o.train_accuracy) for o in _observed(records)] == [
        (step, TRAIN[step] / 100) for step in STEPS
    ]
    assert [e.test_accuracy for e in records if isinstance(e, Evaluation)] == [
        TEST[step] / 100 for step in STEPS
    ]
    assert isinstance(records[-1], RunEnded)
    assert [record.seq for record in records] == list(range(1, 23))


def test_rows_are_counted_where_no_column_counts_steps(tmp_path: Path) -> None:
    records = past(_csv(tmp_path, "loss\n3\n2\n"), names={})
    assert _started(records).guesses[0] == "no column counts steps, so rows are counted"
    assert [(o.step, o.train_loss) for o in _observed(records)] == [(0, 3.0), (1, 2.0)]


def test_rows_of_one_step_are_one_and_blanks_are_nothing(tmp_path: Path) -> None:
    text = "step,loss,acc,val_acc,note\n2,,0.5,,x\n1,3.0,,,\n2,inf,,90%,\n,7,,,\nnan,8,,,\n2,nan\n"
    records = past(_csv(tmp_path, text), names={})
    one, two = _observed(records)
    assert (one.step, one.train_loss, one.train_accuracy) == (1, 3.0, None)
    assert (two.step, two.train_accuracy) == (2, 0.005)
    assert math.isnan(two.train_loss)
    assert _started(records).guesses[-3:] == (
        "1 values came again at their step: the last of each is taken",
        "`acc` is in percent, and divided by 100",
        "`val_acc` is in percent, and divided by 100",
    )
    assert [e.test_accuracy for e in records if isinstance(e, Evaluation)] == [0.9]


def test_a_run_without_a_train_loss_says_so(tmp_path: Path) -> None:
    records = past(_csv(tmp_path, "step,acc\n1,0.5\n"), names={})
    assert [skipped.name for skipped in _started(records).skipped] == ["train_loss"]
    assert math.isnan(_observed(records)[0].train_loss)


def test_what_the_user_said_of_columns_holds(tmp_path: Path) -> None:
    path = _csv(tmp_path, "tick,step,nll,loss\n5,1,2.0,9.0\n")
    (seen,) = _observed(past(path, names={"tick": "step", "nll": "train_loss", "step": ""}))
    assert (seen.step, seen.train_loss) == (5, 2.0)


def test_parts_of_a_json_row_are_columns(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "train": {"loss": NaN, "acc": true}}\n\n[1]\n{"step": 2}\n')
    (seen,) = _observed(past(path, names={}))
    assert (seen.step, math.isnan(seen.train_loss), seen.train_accuracy) == (1, True, None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"lr,x\n1,2\n", r"Expected a column that means something in .*a.csv, got `lr`"),
        ("a.csv", b"", r"Expected a column that means something in .*, got none"),
        ("a.csv", b"\xff\xfe\x00", r"Expected a run in .*a.csv, got 'utf-8' codec"),
        ("a.csv", b"loss\n" + b"x" * 2_000_000, r"Expected a run in .*, got field larger than"),
        ("a.jsonl", b"{", r"Expected a run in .*a.jsonl, got Expecting property name"),
        ("a.jsonl", b"[" * 200_000, r"Expected a run in .*a.jsonl, got maximum recursion"),
        ("a.jsonl", b'{"step": ' + b"1" * 5000 + b"}", r"Expected a run in .*, got Exceeds"),
        ("a.parquet", b"PAR1", r"Expected a run in .*a.parquet, got "),
    ],
)
def test_a_file_that_holds_no_run_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=message):
        past(path, names={})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected a run in .*nowhere.csv, got .*No such"):
        past(tmp_path / "nowhere.csv", names={})


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "log.csv"
    path.write_bytes(b"loss,acc\n" + text.encode("utf-8", "replace"))
    try:
        records = past(path, names={})
    except ConfigurationError:
        return
    assert _started(records).signals == ()


@given(st.text())
def test_any_text_is_a_hyper_parameter(text: str) -> None:
    value = hyper_parameter(text)
    assert not isinstance(value, int) or -(2**63) <= value < 2**63
    assert not isinstance(value, float) or math.isfinite(value)


def test_replay_of_a_file_tells_when_it_would_have_warned(tmp_path: Path) -> None:
    path = _written(tmp_path, "csv")
    shown = _call("replay", path, "--predictor", "baseline:always")
    assert shown.exit_code == 0, shown.output
    assert "`val/acc` is taken for test accuracy" in shown.stdout
    assert "run my_run.csv, judged again by baseline:always on 10 observations" in shown.stdout
    assert "passed 95 % at step 700" in shown.stdout
    found = json.loads(_call("replay", path, "--map", "acc=", "--json").stdout)
    assert (found["warned_step"], found["outcome"]["train_step"]) == (None, None)
    assert "cannot see memorization" in found["reason"]


def test_replay_says_why_it_could_not_tell(tmp_path: Path) -> None:
    shown = _call("replay", _written(tmp_path, "parquet"))
    assert "it could not tell: " in shown.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["log.csv", "--map", "loss"], "Expected THEIRS=OURS for --map, got 'loss'"),
        (["log.csv", "--map", "loss=los"], "Expected a metric among train_loss"),
        (["a1", "--map", "loss=train_loss"], "Expected --map with a file or an MLflow run, got"),
        (["mlflow:sqlite:///mlflow.db"], "Expected an MLflow server to read from, by http"),
    ],
)
def test_a_replay_that_cannot_be_meant_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    _csv(tmp_path, "step,loss\n1,2\n")
    failure = _call("replay", *words).exception
    assert isinstance(failure, ConfigurationError)
    assert message in str(failure)
