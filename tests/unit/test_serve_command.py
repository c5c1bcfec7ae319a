import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from grokwatch.monitor.cli import app
from grokwatch.monitor.commands import serve as command
from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.errors import ConfigurationError, StoreError
from tests.mlflow_player import Player, as_json
from tests.service_process import ServiceProcess, free_port

TOKEN = "t" * 40


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mlflow() -> Iterator[Player]:
    player = Player()
    yield player
    player.close()


def configured(**settings: object) -> None:
    lines = {"port": 0, "store": "sqlite:///service.db", **settings}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    Path("grokwatch.toml").write_text(f"[service]\n{text}")


def checked(*words: str, token: str | None = TOKEN) -> Result:
    return CliRunner(env={"GROKWATCH_TOKEN": token}).invoke(app, ["serve", "--check", *words])


def failures(answer: Result) -> dict[str, str]:
    """Part -> detail of what failed."""
    return {part["name"]: part["detail"] for part in json.loads(answer.stdout) if not part["holds"]}


def test_links_to_runs_of_two_servers_cannot_begin_with_the_address_of_one(mlflow: Player) -> None:
    mlflow.answer = lambda path, _: as_json({"experiments": []})
    sources = [f"mlflow:{mlflow.address}", f"mlflow:{mlflow.address}/parity"]
    configured(sources=sources[:1], mlflow_public_url="http://127.0.0.1:5000")
    assert "links to runs of MLflow begin with http://127.0.0.1:5000" in checked("--json").stdout
    configured(sources=[*sources, "mlflow:http://other"], mlflow_public_url="http://127.0.0.1:5000")
    found = failures(checked("--json"))["mlflow_public_url"]
    assert found.startswith("Expected sources of one server beside mlflow_public_url, got http://")
    assert "http://other. Try without it" in found


def test_every_part_that_holds_is_shown_with_what_it_means(mlflow: Player) -> None:
    mlflow.answer = lambda path, _: as_json({"experiment": {"experiment_id": "7"}})
    configured(hooks=["log:"], sources=[f"mlflow:{mlflow.address}/parity"])
    answer = checked()
    assert answer.exit_code == 0
    rows = [line.split(maxsplit=1)[0] for line in answer.stdout.splitlines()]
    assert rows == ["part", "token", "address", "store", "predictor", "hook", "source"]
    assert "FAILED" not in answer.stdout
    assert "experiment 7 is there" in answer.stdout
    assert "service.db opened, its schema up to date" in answer.stdout
    assert "made; to fire it: grokwatch alerts test" in answer.stdout


def test_without_a_token_reads_alone_are_served_on_this_machine() -> None:
    configured()
    answer = checked(token=None)
    assert answer.exit_code == 0
    assert "none: reads only, from this machine only" in answer.stdout


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "watch.example.com"])
def test_another_address_without_a_token_is_refused_with_the_way_to_set_one(host: str) -> None:
    configured(host=host)
    answer = checked("--json", token=None)
    told = failures(answer)["token"]
    assert answer.exit_code == 1
    assert "Try GROKWATCH_TOKEN or GROKWATCH_TOKEN_FILE with what 'openssl rand -hex 32'" in told
    with pytest.raises(ConfigurationError, match="Expected a token to listen on"):
        command.serve(ServiceSection(host=host, port=0), environment={}, show=print)
    assert not Path(".grokwatch").exists()


def test_a_short_token_is_refused_and_not_told() -> None:
    configured()
    answer = checked("--json", token="hunter2")
    assert "Expected a token of at least 32 ASCII characters" in failures(answer)["token"]
    assert "hunter2" not in answer.stdout


def test_a_token_file_that_is_not_there_is_named() -> None:
    configured()
    runner = CliRunner(env={"GROKWATCH_TOKEN_FILE": "nowhere.txt"})
    answer = runner.invoke(app, ["serve", "--check", "--json"])
    assert "Expected a secret in the file nowhere.txt" in failures(answer)["token"]


def test_an_address_that_is_taken_is_told() -> None:
    configured()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = failures(checked("--json", "--port", port))
        assert f"Expected a free address to serve at, got 127.0.0.1:{port}" in told["address"]
        with pytest.raises(ConfigurationError, match="Try another port, or 0 for a free one"):
            command.serve(ServiceSection(port=int(port)), environment={}, show=print)


@pytest.mark.parametrize(
    ("key", "value", "name", "told"),
    [
        ("store", "mysql://u:hunter2@host/x", "store", "Expected a store as sqlite:///PATH"),
        (
            "store",
            "sqlite:////dev/null/x/service.db",
            "store",
            "Expected a store's file that can be written, got",
        ),
        ("store", "postgresql://host:port/x", "store", "Expected a store as sqlite:///PATH"),
        ("store", "env:NOWHERE", "store", "Expected the environment variable NOWHERE"),
        ("predictor", "oracle:", "predictor", "Expected a predictor among"),
        ("predictor", "hazard:only=nonsense", "predictor", "Expected"),
        ("hooks", ["slack:#general"], "hook slack:#general", "Expected an alert hook among"),
        (
            "hooks",
            ["webhook:http://example.com/x,secret=env:NOWHERE"],
            "hook webhook:http://example.com#",
            "Try",
        ),
        ("sources", ["wandb:x"], "source wandb:x", "Expected an MLflow server to read from"),
        (
            "sources",
            ["mlflow:http://127.0.0.1:9/x"],
            "source mlflow:http://127.0.0.1:9/x",
            "Expected MLflow at http://127.0.0.1:9 to answer, got",
        ),
        ("sources", ["mlflow:http://[::1"], "source mlflow:", "Expected an MLflow server to read"),
        ("sources", ["mlflow:http://a:b"], "source mlflow:", "Expected an MLflow server to read"),
        ("sources", ["mlflow:env:NOWHERE"], "source mlflow:env:NOWHERE", "export NOWHERE="),
    ],
)
def test_a_part_that_cannot_work_fails_with_its_remedy(
    key: str, value: object, name: str, told: str
) -> None:
    if key == "store" and "hunter2" in str(value):
        answer = checked("--json", "--port", "0", "--store", str(value))
    else:
        configured(**{key: value})
        answer = checked("--json")
    found = failures(answer)
    assert answer.exit_code == 1
    (failed,) = found
    assert failed.startswith(name)
    assert told in found[failed]
    assert "Try" in found[failed]
    assert "hunter2" not in answer.stdout


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    configured()
    assert checked().exit_code == 0
    with sqlite3.connect(tmp_path / "service.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    told = failures(checked("--json"))["store"]
    assert "Expected a store of schema" in told
    assert "got 9999. Try the version of grokwatch that wrote it" in told


def test_what_cannot_be_opened_stops_serving_before_anybody_is_answered(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"not a database" * 100)
    section = ServiceSection(port=0, store="sqlite:///broken.db")
    with pytest.raises(StoreError, match="Expected the store to answer, got"):
        command.serve(section, environment={}, show=print)


def test_an_error_is_one_line_and_an_exit_code_of_two_where_the_question_was_wrong(
    tmp_path: Path,
) -> None:
    configured(predictor="oracle:")
    words = [sys.executable, "-m", "grokwatch.monitor.cli", "serve"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("grokwatch: Expected a predictor among")
    assert ended.stderr.count("\n") == 1


@pytest.mark.network
def test_it_says_where_it_serves_and_stops_when_told(tmp_path: Path) -> None:
    service = ServiceProcess(tmp_path, free_port())
    try:
        service.start()
        assert service.stop() == 0
    finally:
        service.kill()
    assert f"serving {service.address}, listening at {service.address}\n" in service.log
    assert "stopped; what was taken is stored\n" in service.log
