import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from grokwatch.monitor import cli
from grokwatch.monitor.commands.opening import open_run
from grokwatch.monitor.commands.report import report
from grokwatch.monitor.errors import ConfigurationError, SourceError
from grokwatch.monitor.journal import Journal, run_directory
from grokwatch.monitor.records import AnyRecord, Assessment
from grokwatch.monitor.report.page import PLOTLY
from grokwatch.monitor.service.sources import service_run
from tests.report_runs import RUN, grokked


@pytest.fixture
def root(tmp_path: Path) -> Path:
    numbered: list[AnyRecord] = [
        msgspec.structs.replace(record, seq=at) for at, record in enumerate(grokked(), 1)
    ]
    with Journal.open(tmp_path, RUN) as journal:
        journal.append(numbered)
    return tmp_path


def test_a_run_is_found_by_the_beginning_of_its_id_and_by_its_folder(root: Path) -> None:
    for at, name in enumerate(("a", str(run_directory(root, RUN)))):
        out = root / f"{at}.html"
        found = report(root, name, out=out, predictor="threshold:")
        assert "generalised at 7,600" in out.read_text(encoding="utf-8")
        assert found.lines[0] == "memorised at step 300"
        assert found.lines[-1].startswith(f"{out}, 1.")


def test_the_command_says_where_the_file_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    told = CliRunner().invoke(cli.app, ["report", "a1", "--directory", str(root), "--json"])
    assert told.exit_code == 0
    written = json.loads(told.stdout)
    assert written == {
        "path": "a1.html",
        "num_bytes": (root / "a1.html").stat().st_size,
        "run_id": RUN,
    }
    assert written["num_bytes"] < 4_000_000
    assert PLOTLY not in (root / "a1.html").read_text(encoding="utf-8")


def test_the_page_is_opened_where_it_is_asked_for(root: Path) -> None:
    opened: list[str] = []
    report(root, RUN, out=root / "a b.html", predictor="threshold:", browse=opened.append)
    assert opened == [(root / "a b.html").resolve().as_uri()]


def test_a_journal_with_a_torn_end_is_shown_and_called_torn(root: Path) -> None:
    (segment,) = run_directory(root, RUN).glob("*.journal")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-5])
    found = report(root, RUN, out=root / "a.html", predictor="threshold:")
    assert any("of a record that was never finished" in line for line in found.lines)
    assert "of a record that was never finished" in (root / "a.html").read_text(encoding="utf-8")


def test_a_journal_that_is_broken_inside_says_so(root: Path) -> None:
    (segment,) = run_directory(root, RUN).glob("*.journal")
    whole = bytearray(segment.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    segment.write_bytes(whole)
    remarks = open_run(root, RUN, names={}).remarks
    assert remarks == (
        "The journal is broken in 1 place, which no kill explains. What stood there is not here.",
    )


def test_a_run_that_nobody_judged_is_judged_now_and_says_so(tmp_path: Path) -> None:
    rows = ["step,train_loss,train_acc,val_acc"]
    rows += [f"{step},{10 / step},{min(1.0, step / 300)},0.03" for step in range(100, 4000, 100)]
    log = tmp_path / "log <b>.csv"
    log.write_text("\n".join(rows))
    found = report(tmp_path, str(log), out=tmp_path / "a.html", predictor="threshold:")
    assert any(line.startswith("Nobody judged this run while it trained") for line in found.lines)
    assert not any(
        isinstance(r, Assessment) for r in open_run(tmp_path, str(log), names={}).records
    )


def test_what_is_no_run_is_refused(root: Path) -> None:
    (root / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="Expected a folder that holds a journal"):
        report(root, str(root / "empty"), out=None, predictor="threshold:")
    with pytest.raises(ConfigurationError, match="Expected the id of a run in"):
        report(root, "zzz", out=None, predictor="threshold:")
    with Journal.open(root, "silent"):
        pass
    with pytest.raises(ConfigurationError, match="Expected records in the run 'silent'"):
        report(root, "silent", out=None, predictor="threshold:")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("service:", "Expected the address of a run of a service"),
        ("service:ftp://host/a", "Expected the address of a run of a service"),
        ("http://[::1/runs/a", "Expected the address of a run of a service"),
        ("http://ann:secret@host/runs/a", "without a user"),
        ("http://host", "Expected the id of a run at the end of the address"),
    ],
)
def test_an_address_that_leads_to_no_run_is_refused(target: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected) as refused:
        service_run.parse(target)
    assert "secret" not in str(refused.value)


def test_a_service_that_is_away_is_told() -> None:
    with pytest.raises(
        SourceError, match=r"Expected the service at http://127\.0\.0\.1:1 to tell of"
    ):
        service_run.past("http://127.0.0.1:1/runs/a", environment={})
