import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from grokwatch.monitor import cli, story
from grokwatch.monitor.commands import doctor, journals, number, table
from grokwatch.monitor.commands.seeds import parse_seeds
from grokwatch.monitor.commands.sync import connector
from grokwatch.monitor.dispatch import Dispatcher
from grokwatch.monitor.errors import ConfigurationError, SinkError
from grokwatch.monitor.journal import RUNS, Journal, run_directory
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Assessment,
    Chance,
    Evaluation,
    Observation,
    RunEnded,
    RunStarted,
)
from grokwatch.monitor.sinks import RecordingSink
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity, Stage

COMMANDS = (
    "demo", "runs", "replay", "report", "signals", "sync", "trial", "overhead", "bench", "sweep",
    "fit", "reproduce", "validate", "ceilings", "doctor", "corpus build", "corpus verify",
    "corpus show", "serve", "alerts list", "alerts show", "alerts resend", "alerts test",
)  # fmt: skip
GROKWATCH = Path(sys.executable).parent / "grokwatch"


def _record(run_id: str) -> Iterator[AnyRecord]:
    yield RunStarted(run_id=run_id, time=0.0, name="tiny")
    for step in range(100, 1100, 100):
        yield Observation(run_id=run_id, step=step, time=0.0, train_loss=0.1, train_accuracy=1.0)
        yield Evaluation(
            run_id=run_id, step=step, time=0.0, test_accuracy=0.1 if step < 800 else 1.0
        )
    chance = Chance(horizon_steps=1000, probability=0.75)
    judged = Assessment(
        run_id=run_id, step=1000, time=50.0, predictor="p@1", stage=Stage.CLEANUP, chances=(chance,)
    )
    yield judged
    yield Alert(
        run_id=run_id,
        id="a",
        code=AlertCode.LIKELY_GROKKING,
        episode=1,
        severity=Severity.WARNING,
        state=AlertState.FIRING,
        step=600,
        time=0.0,
        message="likely",
        assessment=judged,
    )
    yield RunEnded(run_id=run_id, step=1000, time=0.0, status=RunStatus.FINISHED)


def _write(root: Path, run_id: str, records: Iterator[AnyRecord]) -> None:
    journal = Journal.open(root, run_id)
    journal.append([msgspec.structs.replace(r, seq=n) for n, r in enumerate(records, 1)])
    journal.close()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path, "run-one", _record("run-one"))
    _write(tmp_path, "run-two", iter([RunStarted(run_id="run-two", time=0.0)]))
    return tmp_path


def _call(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=True)


def _shell(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GROKWATCH, *words], cwd=cwd, capture_output=True, text=True, check=False)


def test_help_loads_nothing_heavy_and_is_quick(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['grokwatch', '--help']\n"
        "from grokwatch.monitor.cli import main\n"
        "try: main()\n"
        "except SystemExit as done: assert not done.code, done.code\n"
        "heavy = {'torch', 'pytorch_lightning', 'lightning', 'mlflow', 'numpy', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert time.perf_counter() - begin < 30, "a hang, whatever the machine"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_takes_json(command: str) -> None:
    shown = _call(*command.split(), "--help")
    assert shown.exit_code == 0
    assert f"Example: grokwatch {command}" in shown.stdout
    assert "--json" in shown.stdout


def test_the_commands_are_those() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    assert sorted(re.findall(r"^## grokwatch (.+)$", page, re.MULTILINE)) == sorted(COMMANDS)


def test_runs_lists_what_the_journals_hold(root: Path) -> None:
    shown = _call("runs", "--directory", root)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["run", "name", "step", "status", "stage", "probability", "alerts"]
    assert re.search(
        r"run-one +tiny +1,000 +finished +cleanup +0\.75 +GRK001 firing at 600", lines[1]
    )
    assert re.search(r"run-two +- +- +open +- +- +-", lines[2])


def test_runs_as_json_is_the_same_as_data(root: Path) -> None:
    one, two = json.loads(_call("runs", "--directory", root, "--json").stdout)
    assert (one["run_id"], one["last_step"], one["probability"]) == ("run-one", 1000, 0.75)
    assert (two["status"], two["num_records"]) == ("open", 1)


def test_runs_says_where_a_journal_is_broken(root: Path) -> None:
    segment = next(run_directory(root, "run-one").glob("*.journal"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.write_bytes(content)
    shown = _call("runs", "--directory", root)
    assert shown.exit_code == 1
    assert re.search(rf"run-one: .*{segment.name} at byte \d+: ", shown.stdout)
    assert "finished" in shown.stdout


def test_no_runs_is_no_error(tmp_path: Path) -> None:
    shown = _call("runs", "--directory", tmp_path / "nowhere")
    assert shown.exit_code == 0
    assert "No runs in" in shown.stdout
    assert not (tmp_path / "nowhere").exists()


def test_replay_judges_again(root: Path) -> None:
    words = ("replay", "run-o", "--directory", root, "--predictor", "baseline:always")
    shown = _call(*words)
    assert shown.exit_code == 0, shown.output
    assert "run run-one, judged again by baseline:always on " in shown.stdout
    assert "passed 95 % at step 800" in shown.stdout
    found = json.loads(_call(*words, "--json").stdout)
    assert found["outcome"]["grokking_step"] == 800
    assert found["warned_step"] is not None
    assert found["warned_step"] <= 500


def test_replay_forgets_what_was_said_then(root: Path) -> None:
    words = ("replay", "run-one", "--directory", root, "--predictor", "baseline:never", "--json")
    assert json.loads(_call(*words).stdout)["warned_step"] is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("run-", r"Expected the id of one run, got 'run-'. Try one of: run-"),
        ("run-onee", r"Expected the id of a run in .*, got 'run-onee'. Try one of: run-one"),
    ],
)
def test_a_run_that_cannot_be_meant_is_named(root: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        journals.choose(root, name)


def test_where_there_are_no_runs_another_directory_is_proposed(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"got 'x'. Try another --directory"):
        journals.choose(tmp_path, "x")


def test_a_rewind_replaces_what_it_trained_again() -> None:
    def at(attempt: int, step: int) -> Observation:
        return Observation(run_id="r", attempt=attempt, step=step, time=0.0, train_loss=1.0)

    started = RunStarted(run_id="r", attempt=2, time=0.0)
    records: list[AnyRecord] = [at(1, 10), at(1, 20), at(1, 30), started, at(2, 20), at(2, 25)]
    assert story.newest(records) == [at(1, 10), started, at(2, 20), at(2, 25)]


def test_an_attempt_that_ended_before_its_first_batch_takes_nothing_back() -> None:
    first = Observation(run_id="r", step=10, time=0.0, train_loss=1.0)
    started = RunStarted(run_id="r", attempt=2, time=0.0)
    ended = RunEnded(run_id="r", attempt=2, step=0, time=0.0, status=RunStatus.FAILED)
    assert story.newest([first, started, ended]) == [first, started, ended]


def test_files_beside_the_runs_are_not_runs(root: Path) -> None:
    (root / RUNS / "notes.txt").write_text("mine")
    (root / RUNS / "empty").mkdir()
    assert set(journals.run_ids(root)) == {"run-one", "run-two"}


def test_signals_lists_every_signal() -> None:
    from grokwatch.monitor.signals import ALL

    found = json.loads(_call("signals", "--json").stdout)
    assert [row["name"] for row in found] == [signal.name for signal in ALL]
    for row, signal in zip(found, ALL, strict=True):
        assert (row["cost"], row["access"]) == (signal.cost.value, signal.access.value)
        assert set(row["needs"]) == {need.value for need in signal.needs}
        assert row["presets"][-1] == "full"


def test_signals_can_be_those_of_a_preset() -> None:
    found = json.loads(_call("signals", "--preset", "cheap", "--json").stdout)
    assert {row["cost"] for row in found} == {"cheap"}
    refused = _call("signals", "--preset", "cheep")
    assert isinstance(refused.exception, ConfigurationError)
    assert "Expected a preset among cheap, standard, full or a signal, got 'cheep'. Try" in str(
        refused.exception
    )


@pytest.mark.parametrize("width", [80, 120])
def test_the_list_of_signals_says_everything_within_the_terminal(width: int) -> None:
    from grokwatch.monitor.commands.signals import families, rows

    shown = CliRunner().invoke(cli.app, ["signals"], env={"COLUMNS": str(width)}).stdout
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    assert max(map(len, lines)) > width - 20, "the width is used"
    flat = " ".join(shown.split())
    for family in families(rows()):
        assert f"{family.heading}: {family.about}".rstrip(": ") in flat
        for row in family.rows:
            start = lines.index(next(line for line in lines if line.split()[:1] == [row.name]))
            block = " ".join(" ".join([*lines[start:], ""]).split())
            block = block[: block.index(row.source) + len(row.source)]
            said = (row.cost, row.access, row.range, row.summary, ", ".join(row.presets))
            assert all(text in block for text in said), row.name
            assert all(need in block for need in family.further_needs(row))
        assert all(need in flat for need in family.needs)


def test_a_long_name_and_a_long_unit_fit_eighty_columns() -> None:
    from grokwatch.monitor.commands.signals import Family, SignalRow, section

    row = SignalRow(
        name="a_name_of_a_signal_that_is_longer_than_its_column",
        family="none",
        unit="degrees",
        least="-inf",
        greatest="inf",
        cost="moderate",
        access="unlabelled",
        presets=("cheap", "standard", "full"),
        needs=("nothing at all",),
        summary="Something that is wide " * 6,
        source="somebody else " * 9,
    )
    family = Family(heading="None", about="", needs=(), rows=(row,))
    lines = list(section(family, 80))
    assert max(map(len, lines)) <= 80
    assert any(line.endswith("moderate  unlabelled  -inf to inf degrees") for line in lines)
    assert "    Also needs nothing at all." in lines


def test_the_demo_takes_a_preset_and_the_file_may_choose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(**given: Any) -> None:
        asked.append(given["watching"].signals)

    asked: list[str] = []
    monkeypatch.setattr("grokwatch.experiments.demo.demo", told)
    file = tmp_path / "mine.toml"
    file.write_text("[monitor]\nsignals = 'standard'\n")
    for words in (["demo"], ["demo", "--signals", "full"], ["--config", str(file), "demo"]):
        assert _call(*words).exit_code == 0
    assert asked == ["cheap", "full", "standard"]


def test_sync_with_nothing_left_says_so(root: Path) -> None:
    shown = _call("sync", "--directory", root)
    assert shown.exit_code == 0, shown.output
    assert "Nothing left to send" in shown.stdout
    assert json.loads(_call("sync", "run-one", "--directory", root, "--json").stdout) == []


def _left_behind(root: Path, target: str) -> None:
    """A run whose sink was down: its cursor stands before the first record."""

    class Down(RecordingSink):
        def write(self, records: Sequence[AnyRecord], /) -> None:
            raise SinkError("down")

    journal = Journal.open(root, "run-left")
    dispatcher = Dispatcher(journal, {target: Down()})
    dispatcher.submit(list(_record("run-left")))
    dispatcher.close(1.0)


def test_sync_logs_what_a_hook_of_a_dead_process_missed(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _left_behind(root, "hook:Announcer:0")
    shown = _call("sync", "--directory", root)
    assert shown.exit_code == 0, shown.output
    assert re.search(r"run-left +hook:Announcer:0 +\d+ +sent", shown.stdout)
    assert "likely" in caplog.text
    assert "Nothing left to send" in _call("sync", "--directory", root).stdout


def test_sync_reports_a_sink_that_is_still_down(root: Path) -> None:
    _left_behind(root, "nowhere:x")
    shown = _call("sync", "--directory", root)
    assert shown.exit_code == 1
    assert re.search(r"run-left +nowhere:x +0 +ConfigurationError: Expected a sink", shown.stdout)


def test_sync_finds_passwords_in_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER", "http://ada:se@cret@127.0.0.1:9")
    given: list[str] = []
    monkeypatch.setattr("grokwatch.monitor.sinks.connect", given.append)
    connector(["mlflow:env:TRACKER"])("mlflow:http://127.0.0.1:9")
    assert given == ["mlflow:http://ada:se@cret@127.0.0.1:9"]


def test_errors_are_one_sentence_on_stderr_and_a_code(root: Path) -> None:
    done = _shell("replay", "nobody", "--directory", root, cwd=root)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"grokwatch: Expected the id of a run in .*\n", done.stderr)


def test_the_configuration_file_can_be_named(root: Path) -> None:
    file = root / "mine.toml"
    file.write_text(f"[monitor]\ndirectory = '{root}'\n")
    done = _shell("--config", file, "runs", cwd=Path(os.sep))
    assert "run-one" in done.stdout
    file.write_text("[monitor]\ndirectori = 'x'\n")
    done = _shell("--config", file, "runs", cwd=root)
    assert done.returncode == 2
    assert "Did you mean 'directory'?" in done.stderr


def test_a_missing_library_is_one_sentence_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "grokwatch.monitor.commands.signals", None)
    monkeypatch.setattr(sys, "argv", ["grokwatch", "signals"])
    with pytest.raises(ModuleNotFoundError):
        cli.main()
    monkeypatch.delitem(sys.modules, "grokwatch.monitor.commands.signals")
    monkeypatch.delitem(sys.modules, "grokwatch.monitor.signals", raising=False)
    monkeypatch.delitem(sys.modules, "grokwatch.monitor.snapshot", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    wanted = (
        "grokwatch: Expected the library torch, got none. Try: pip install 'grokwatch[train]'\n"
    )
    assert capsys.readouterr().err == wanted


def test_a_closed_pipe_is_no_traceback(root: Path) -> None:
    done = subprocess.run(
        f"{GROKWATCH} signals --json | head -c 1", shell=True, capture_output=True, cwd=root
    )
    assert (done.stdout, done.stderr) == (b"[", b"")


def test_the_version_is_shown() -> None:
    assert re.fullmatch(r"grokwatch \d+\.\d+\.\d+\n", _call("--version").stdout)


def test_doctor_looks_at_this_machine(tmp_path: Path) -> None:
    found = json.loads(_call("doctor", "--directory", tmp_path, "--json").stdout)
    assert {"python", "torch", "mlflow", "directory", "port"} <= {check["name"] for check in found}
    assert all(check["holds"] for check in found)


@pytest.mark.parametrize(
    ("name", "version", "holds", "detail"),
    [
        ("torch", "2.9.1", False, r"2\.9\.1, expected 2\.10 or newer"),
        ("torch", "2.13.0+cpu", True, r"2\.13\.0\+cpu"),
        ("torch", None, False, r"not installed; try: pip install grokwatch\[train\]"),
        ("lightning", None, True, "not installed, and not needed"),
        ("pytorch-lightning", "2.6.3", False, "was compromised"),
    ],
)
def test_doctor_knows_versions(name: str, version: str | None, holds: bool, detail: str) -> None:
    check = doctor.check_version(name, version)
    assert check.holds is holds
    assert re.search(detail, check.detail)


def test_doctor_finds_a_directory_that_cannot_be_written() -> None:
    assert not doctor.check_directory(Path("/proc/grokwatch")).holds
    assert _call("doctor", "--directory", "/proc/grokwatch").exit_code == 1


def test_doctor_says_that_a_taken_port_does_not_matter() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        check = doctor.check_port("127.0.0.1", taken.getsockname()[1])
    assert check.holds
    assert "is taken" in check.detail


@pytest.mark.parametrize("text", ["", "a", "1-", "5-3", "1;2"])
def test_seeds_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected seeds such as .*got '.*Try whole"):
        parse_seeds(text)


def test_tables_and_numbers_are_for_people() -> None:
    assert table(("a", "b"), [("10", "x")]) == ("a   b", "10  x")
    assert (number(26400), number(None)) == ("26,400", "-")


def test_a_name_cannot_break_the_table_or_the_terminal() -> None:
    assert table(("name",), [("a\n\x1b[31mé",)]) == ("name", r"a\n\x1b[31mé")


def test_a_demo_of_no_steps_is_refused() -> None:
    shown = _call("demo", "--steps", "0")
    assert shown.exit_code == 2
    assert "--steps" in shown.output
