import subprocess
import sys
from pathlib import Path

import pytest

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import Evaluation
from grokwatch.monitor.sinks import RecordingSink, connect, known
from grokwatch.monitor.sinks.exporter_settings import Settings
from grokwatch.monitor.sinks.tracking_uri import Place


def test_known_sinks_are_the_modules_that_connect() -> None:
    assert known() == ("mlflow", "prometheus", "remote")


@pytest.mark.parametrize("target", ["csv:out.csv", "names:", "", "os.path:x"])
def test_an_unknown_sink_is_refused_with_the_known_ones(target: str) -> None:
    with pytest.raises(
        ConfigurationError, match="Expected a sink among mlflow, prometheus, remote, got"
    ):
        connect(target)


def test_a_refused_target_does_not_tell_its_password() -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect("influx://ada:hunt@er2@host")
    assert "er2" not in str(caught.value)


def test_connecting_imports_no_client_library_of_mlflow_and_no_torch() -> None:
    code = (
        "import sys; from grokwatch.monitor.sinks import connect;"
        "connect('mlflow:http://127.0.0.1:1/x'); connect('prometheus:');"
        "assert not {'mlflow', 'torch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_recording_sink_keeps_unnumbered_records_each_time() -> None:
    sink = RecordingSink(live=True)
    record = Evaluation(run_id="a", step=1, time=0.0)
    sink.write([record, record])
    assert (sink.live, len(sink.records)) == (True, 2)


@pytest.mark.parametrize(
    ("argument", "uri", "experiment"),
    [
        ("http://h:5000", "http://h:5000", "grokwatch"),
        ("http://h:5000/", "http://h:5000", "grokwatch"),
        ("http://h:5000/my%20runs", "http://h:5000", "my runs"),
        ("https://h/prefix/more/#runs", "https://h/prefix/more", "runs"),
        ("sqlite:////x/m.db#runs", "sqlite:////x/m.db", "runs"),
        ("sqlite:///:memory:", "sqlite:///:memory:", "grokwatch"),
        ("postgresql://u:p@h/db#a", "postgresql://u:p@h/db", "a"),
        ("databricks", "databricks", "grokwatch"),
    ],
)
def test_mlflow_targets(argument: str, uri: str, experiment: str) -> None:
    assert Place.parse(argument) == Place(uri, experiment)


@pytest.mark.parametrize("argument", ["", "sqlite:///mlflow.db"])
def test_an_sqlite_file_is_found_again_from_another_folder(
    argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Place.parse(argument).uri == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("file:./mlruns", "Expected an MLflow tracking URI with a scheme, got 'file:./mlruns'"),
        ("mlruns", "Expected an MLflow tracking URI with a scheme, got 'mlruns'"),
        ("sqlite://", "Expected a file in an SQLite address, got 'sqlite://'"),
        ("http://h/a/b", r"Expected one experiment after the host, got 'a/b'.*#experiment"),
        ("http://", "Expected an MLflow address such as"),
        ("http://h:99999/x", "Expected an MLflow address such as"),
        ("http://h/x?a=b", "Expected an MLflow address such as"),
        ("http://ada:hunter2@h/x", "MLFLOW_TRACKING_PASSWORD"),
    ],
)
def test_mlflow_targets_that_cannot_work(argument: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        connect(f"mlflow:{argument}")
    assert "er2" not in str(caught.value)


@pytest.mark.parametrize(
    ("argument", "host", "port"),
    [
        ("", "127.0.0.1", 9109),
        ("127.0.0.1:9200", "127.0.0.1", 9200),
        (":9200", "127.0.0.1", 9200),
        ("localhost:0", "localhost", 0),
        ("[::1]:9200", "::1", 9200),
        ("[::1]", "::1", 9109),
    ],
)
def test_prometheus_targets(argument: str, host: str, port: int) -> None:
    settings = Settings.parse(argument)
    assert (settings.host, settings.port) == (host, port)


def test_prometheus_options(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x" * 32 + "\n")
    options = f"targets={tmp_path}&grace=1.5&runs=2&series=30&token_file={token}"
    settings = Settings.parse(f"0.0.0.0:9109?{options}")
    assert settings.targets == tmp_path
    assert (settings.grace, settings.runs, settings.series) == (1.5, 2, 30)
    assert settings.token() == "x" * 32
    assert Settings.parse("").token() == ""


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("127.0.0.1:http", "Expected '<host>:<port>' and options among targets, grace"),
        ("127.0.0.1:70000", "Expected '<host>:<port>'"),
        (":9109?grace=long", "Expected '<host>:<port>'"),
        (":9109?nosuch=1", "Expected '<host>:<port>'"),
        (":9109?grace=nan", "Expected grace of at least 0"),
        (":9109?runs=0", "runs and series of at least 1"),
        ("0.0.0.0:9109", "Expected a loopback address or a token, got '0.0.0.0' and none"),
        ("example.org:9109", "Expected a loopback address or a token"),
        (":9109?token_file=/no/such", "Expected a token in /no/such, got"),
        (":9109?token_file=/dev/null", "Expected at least 32 characters in /dev/null, got fewer"),
    ],
)
def test_prometheus_targets_that_cannot_work(argument: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        connect(f"prometheus:{argument}")
