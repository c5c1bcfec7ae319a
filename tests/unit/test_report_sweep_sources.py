from pathlib import Path

import pytest
from typer.testing import CliRunner

from grokwatch.experiments.reproduce import parity_sweep
from grokwatch.experiments.sweep import write_chunk
from grokwatch.experiments.sweep.engine import SWEEPS
from grokwatch.experiments.sweep.folder import find_sweep, read_folder
from grokwatch.monitor import cli
from grokwatch.monitor.commands.report_sweep import SweepReported, report_sweep
from grokwatch.monitor.errors import ConfigurationError, SourceError
from grokwatch.monitor.report.sweep_data import UNTIMED, phase_of, report_of
from grokwatch.monitor.report.sweep_table import read_table
from grokwatch.monitor.segment import frame
from tests.report_sweeps import records_of

DATA = Path(__file__).parents[2] / "experiments" / "data"


def told(source: Path, root: Path, out: Path) -> SweepReported:
    said: list[str] = []
    report = report_sweep(source, root, out, predictor=None, show=said.append, progress=False)
    assert isinstance(report.data, SweepReported)
    return report.data


@pytest.mark.parametrize("name", ["parity_sweep", "pair_sparse_parity_sweep"])
def test_a_table_of_losses_has_the_phases_that_its_losses_tell(name: str) -> None:
    runs = read_table(DATA / f"{name}.csv")
    counts = parity_sweep.counts(parity_sweep.ours() or ())
    published = parity_sweep.published()
    expected = sum((counts if name == "parity_sweep" else published).values())
    assert len(runs) == 1_125
    assert sum(phase_of(run) == UNTIMED for run in runs) == expected
    report = report_of(name, runs)
    assert report.kind == "loss"
    assert [len(axis.values) for axis in report.axes] == [5, 5, 5]
    assert any("nobody can tell from them whether" in sentence for sentence in report.missing)


def test_a_table_of_phases_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_text("phase,seed,decay\ngrokking,1,0.1\nnonsense,x,\n")
    runs = read_table(path)
    assert [(run.phase, run.seed) for run in runs] == [("grokking", 1), (None, None)]
    assert [run.hyper_parameters for run in runs] == [{"decay": 0.1}, {"decay": None}]
    report = report_of("s", runs)
    assert (report.kind, report.runs.phases) == ("none", [1, -1])
    assert "The table keeps the phase of each run alone" in report.missing[1]


def test_losses_that_are_no_numbers_tell_nothing(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    path.write_text("min_train_loss,min_test_loss,a\nnan,inf,1\n0.01,nan,2\n0.01,0.5,3\n0.5,0.5,4")
    assert [phase_of(run) for run in read_table(path)] == [
        None, None, "memorization", "confusion",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "min_train_loss\n0.1\n"])
def test_another_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(SourceError, match="Expected rows with a column phase, or min_train_loss"):
        read_table(path)


def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Expected a CSV table of outcomes, got"):
        read_table(tmp_path / "missing.csv")
    path = tmp_path / "bytes.csv"
    path.write_bytes(b"phase\n\xff\xfe")
    with pytest.raises(SourceError, match="Expected a CSV table of outcomes, got"):
        read_table(path)


def test_a_sweep_is_found_by_its_folder_and_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / SWEEPS / "small"
    folder.mkdir(parents=True)
    write_chunk(folder / "a.chunk", [records_of("one")])
    assert find_sweep(folder, Path("elsewhere")) == folder
    assert find_sweep(Path("small"), tmp_path) == folder
    for missing in (tmp_path, Path("nothing"), tmp_path / "no" / "where"):
        with pytest.raises(ConfigurationError, match=r"Expected a folder with \.chunk files of a"):
            find_sweep(missing, tmp_path)


def test_a_broken_chunk_is_left_out_and_said(tmp_path: Path) -> None:
    for name, runs in (("a", ["one", "two"]), ("b", ["two", "three"]), ("c", ["four"])):
        write_chunk(tmp_path / f"{name}.chunk", [records_of(run) for run in runs])
    whole = (tmp_path / "c.chunk").read_bytes()
    (tmp_path / "c.chunk").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "d.chunk.broken").write_bytes(whole)
    said: list[str] = []
    read = list(read_folder(tmp_path, said.append))
    assert [run[0].run_id for run in read] == ["one", "two", "three"]
    assert said == [
        "Not read: chunk files that a sweep has put aside as broken, 1 of them.",
        "c.chunk is not whole: its runs are left out.",
    ]
    found = told(tmp_path, tmp_path, tmp_path / "page.html")
    assert (found.num_runs, found.remarks) == (3, tuple(said))
    assert "c.chunk is not whole" in (tmp_path / "page.html").read_text()
    assert (tmp_path / "c.chunk").exists()


def test_a_chunk_of_a_newer_version_is_left_out_and_said(tmp_path: Path) -> None:
    write_chunk(tmp_path / "a.chunk", [records_of("one")])
    (tmp_path / "b.chunk").write_bytes(frame(b"\x81\xa6schema\xa499.0") + frame(b"x"))
    said: list[str] = []
    assert len(list(read_folder(tmp_path, said.append))) == 1
    assert said == ["b.chunk is of a version that this one cannot read: its runs are left out."]


def test_a_sweep_without_a_whole_chunk_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.chunk").write_bytes(b"nothing")
    with pytest.raises(ConfigurationError, match="a sweep with at least one whole chunk, got none"):
        told(tmp_path, tmp_path, tmp_path / "page.html")


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    found = told(DATA / "parity_sweep.csv", tmp_path, out)
    assert (found.path, found.num_runs, found.num_judged) == (str(out), 1_125, 0)
    assert found.num_bytes == out.stat().st_size < 4 * 1024 * 1024


def test_the_command_line_writes_a_sweep(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    words = ["report", "--sweep", str(DATA / "parity_sweep.csv"), "--out", str(out)]
    shown = CliRunner().invoke(cli.app, words)
    assert shown.exit_code == 0, shown.output
    assert "page.html, 1.7 MB: 1,125 runs, 0 judged" in shown.stdout
    assert "parity_sweep" in out.read_text()


@pytest.mark.parametrize(
    ("words", "came"), [([], "neither"), (["a", "--sweep", "b"], "both")], ids=["none", "both"]
)
def test_the_command_line_wants_a_run_or_a_sweep(words: list[str], came: str) -> None:
    shown = CliRunner().invoke(cli.app, ["report", *words])
    assert isinstance(shown.exception, ConfigurationError)
    assert f"Expected a RUN or --sweep, got {came}. Try" in str(shown.exception)
