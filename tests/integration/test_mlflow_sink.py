"""Points arrive in a real MLflow, over HTTP and in SQLite, and an outage loses and doubles none."""

import math
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from pytest_benchmark.fixture import BenchmarkFixture

from grokwatch.monitor.errors import SinkError
from grokwatch.monitor.records import Evaluation, Observation, RunEnded, RunStarted
from grokwatch.monitor.sinks import connect
from grokwatch.monitor.sinks.tracking_uri import Place
from grokwatch.monitor.vocabulary import RunStatus
from tests.mlflow_runs import TIME, assessed, ended, observations, only_run, started
from tests.mlflow_server import Server


def history(client: MlflowClient, run: Run, key: str) -> list[tuple[int, int, float]]:
    points = client.get_metric_history(run.info.run_id, key)
    return sorted((point.step, point.timestamp, point.value) for point in points)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'mlflow.db'}"


@pytest.mark.network
@pytest.mark.slow
def test_points_arrive_and_an_outage_neither_loses_nor_doubles_any(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    sink = connect(f"mlflow:{server.uri}/outage")
    before, after = observations("a", 40)[:20], observations("a", 40)[20:]
    sink.write([started("a"), *before])
    server.stop()
    began = time.monotonic()
    with pytest.raises(SinkError, match=f"Expected an MLflow server at {server.uri}, got"):
        sink.write(after)
    assert time.monotonic() - began < 6.0
    server.start()
    for _ in range(2):
        sink.write(after)
    sink.write([*before, *after, ended("a")])
    sink.close()
    client = MlflowClient(tracking_uri=server.uri)
    run = only_run(client, "outage")
    assert history(client, run, "grokwatch/train_loss") == [
        (10 * n, round(TIME + n) * 1000, 1.0 / (n + 1)) for n in range(40)
    ]
    assert len(history(client, run, "grokwatch signals/signal_2.embedding")) == 40
    assert run.info.status == "FINISHED"
    assert run.info.end_time == round(TIME + 99) * 1000
    assert capfd.readouterr() == ("", "")


@pytest.mark.network
def test_a_server_that_never_answers_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sink = connect(f"mlflow:http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(SinkError, match="TimeoutError"):
            sink.write([started("a")])
        assert time.monotonic() - began < 10.0


@pytest.mark.network
def test_a_server_that_speaks_no_tls_is_left_to_the_client_to_complain_about(
    server: Server,
) -> None:
    Place(server.uri.replace("http", "https"), "any").reach()


@pytest.mark.network
@pytest.mark.slow
def test_the_largest_requests_fit(server: Server) -> None:
    sink = connect(f"mlflow:{server.uri}/large")
    longest = {f"{n:04d}{'k' * 400}": n / 7 for n in range(1500)}
    texts = {f"{n:04d}{'p' * 400}": "\U0001f600" * 1000 for n in range(150)}
    sink.write([
        started("a", hyper_parameters=texts),
        Observation(run_id="a", step=1, time=TIME, train_loss=1.0, values=longest),
    ])  # fmt: skip
    run = only_run(MlflowClient(tracking_uri=server.uri), "large")
    assert (len(run.data.metrics), len(run.data.params)) == (1502, 150)


def test_the_default_file_is_made_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sink = connect("mlflow:")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.chdir("/")
    sink.write([started("a"), *observations("a", 3), ended("a")])
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]
    assert capfd.readouterr() == ("", "")


def test_a_run_joins_the_mlflow_run_of_its_id(sqlite: str) -> None:
    client = MlflowClient(tracking_uri=sqlite)
    theirs = client.create_run(client.create_experiment("theirs"), run_name="their name")
    run_id = theirs.info.run_id
    client.log_param(run_id, "learning_rate", "0.1")
    sink = connect(f"mlflow:{sqlite}#ours")
    settings = {"learning_rate": 0.2, "depth": 1}
    sink.write([started(run_id, hyper_parameters=settings), *observations(run_id, 2)])
    sink.write([ended(run_id, RunStatus.FAILED)])
    run = client.get_run(run_id)
    assert run.data.metrics["grokwatch/train_loss"] == 0.5
    assert run.data.params == {"learning_rate": "0.1"}
    assert (run.info.status, run.info.run_name) == ("RUNNING", "their name")
    assert run.data.tags["grokwatch.status"] == "failed"


def test_a_resumed_run_is_found_reopened_and_keeps_its_parameters(sqlite: str) -> None:
    first = connect(f"mlflow:{sqlite}#resumed")
    first.write([started("a", hyper_parameters={"lr": 1, "wd": 2}), *observations("a", 2)])
    first.write([ended("a", RunStatus.INTERRUPTED)])
    client = MlflowClient(tracking_uri=sqlite)
    assert only_run(client, "resumed").info.status == "KILLED"
    second = connect(f"mlflow:{sqlite}#resumed")
    second.write([started("a", attempt=2, hyper_parameters={"lr": 1, "wd": 3, "new": 4})])
    run = only_run(client, "resumed")
    assert (run.info.status, run.info.run_name) == ("RUNNING", "mod 67")
    assert run.data.params == {"lr": "1", "wd": "2", "new": "4"}
    assert run.data.tags["grokwatch.changed.wd"] == "3"
    assert run.data.tags["grokwatch.attempt"] == "2"


def test_an_assessment_sent_by_another_process_has_the_same_point(sqlite: str) -> None:
    records = observations("a", 2)
    first = connect(f"mlflow:{sqlite}#split")
    first.write([*records, assessed("a", 10)])
    for step in (10, 10, 0):
        connect(f"mlflow:{sqlite}#split").write([assessed("a", step)])
    client = MlflowClient(tracking_uri=sqlite)
    run = only_run(client, "split")
    assert history(client, run, "grokwatch/probability") == [
        (0, round(TIME) * 1000, 0.75),
        (10, round(TIME + 1) * 1000, 0.75),
    ]
    assert run.info.run_name == "a"


def test_values_that_mlflow_would_change_are_left_out_and_counted(sqlite: str) -> None:
    sink = connect(f"mlflow:{sqlite}#finite")
    values = {"a": math.nan, "b": math.inf, "c": 1.0}
    sink.write([Observation(run_id="a", step=1, time=TIME, train_loss=-math.inf, values=values)])
    run = only_run(MlflowClient(tracking_uri=sqlite), "finite")
    assert run.data.metrics == {
        "grokwatch signals/c": 1.0,
        "grokwatch cost/non_finite_values": 3.0,
        "grokwatch cost/observation_cost_seconds": 0.0,
    }
    assert getattr(sink, "num_non_finite", None) == 3


def test_a_record_that_mlflow_cannot_place_holds_up_none_behind_it(sqlite: str) -> None:
    sink = connect(f"mlflow:{sqlite}#odd-times")
    odd = [(1, math.nan), (1, -1.0), (1, 1e300), (2**64 - 1, TIME)]
    sink.write([
        RunStarted(run_id="a", time=math.nan),
        *(Observation(run_id="a", step=s, time=t, train_loss=9.0, train_accuracy=0.5)
          for s, t in odd),
        *(Evaluation(run_id="a", step=s, time=t, test_accuracy=0.5) for s, t in odd),
        *observations("a", 2),
        RunEnded(run_id="a", step=9, time=math.inf, status=RunStatus.FINISHED),
    ])  # fmt: skip
    run = only_run(MlflowClient(tracking_uri=sqlite), "odd-times")
    assert run.data.metrics["grokwatch/train_loss"] == 0.5
    assert "grokwatch/test_accuracy" not in run.data.metrics
    assert run.info.status == "FINISHED"


def test_a_run_id_that_could_end_a_filter_is_refused(sqlite: str) -> None:
    sink = connect(f"mlflow:{sqlite}#odd")
    with pytest.raises(SinkError, match="Expected a run id of letters, digits"):
        sink.write([started("a' OR '1' = '1")])


def test_a_run_deleted_by_hand_is_a_sink_error_in_one_sentence(sqlite: str) -> None:
    client = MlflowClient(tracking_uri=sqlite)
    theirs = client.create_run(client.create_experiment("deleted"))
    client.delete_run(theirs.info.run_id)
    sink = connect(f"mlflow:{sqlite}#deleted")
    with pytest.raises(SinkError, match="must be in the 'active' state") as caught:
        sink.write(observations(theirs.info.run_id, 1))
    assert "\n" not in str(caught.value)


def test_a_broken_database_is_a_sink_error_in_one_sentence(tmp_path: Path) -> None:
    sink = connect(f"mlflow:sqlite:///{tmp_path / 'mlflow.db'}")
    sink.write([started("a")])
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("ALTER TABLE runs RENAME TO moved")
    database.close()
    with pytest.raises(SinkError, match=r"to take records, got .*no such table: runs") as caught:
        sink.write([started("b")])
    assert "\n" not in str(caught.value)


def test_the_users_asynchronous_logging_and_active_run_are_left_alone(sqlite: str) -> None:
    client = MlflowClient(tracking_uri=sqlite)
    theirs = client.create_run(client.create_experiment("async"))
    client.log_metric(theirs.info.run_id, "loss", 1.0, synchronous=False)
    sink = connect(f"mlflow:{sqlite}#async")
    sink.write([started("a"), ended("a")])
    waiting = client.log_metric(theirs.info.run_id, "loss", 2.0, step=1, synchronous=False)
    assert waiting is not None
    waiting.wait()  # type: ignore[no-untyped-call]
    assert len(client.get_metric_history(theirs.info.run_id, "loss")) == 2


@pytest.mark.bench
@pytest.mark.network
@pytest.mark.slow
def test_drain_rate(server: Server, benchmark: BenchmarkFixture) -> None:
    sink = connect(f"mlflow:{server.uri}/rate")
    sink.write([started("a")])
    records = observations("a", 250, values=98)
    parts = iter([records[start : start + 50] for start in range(0, 250, 50)])
    benchmark.extra_info["points"] = 5_000
    benchmark.pedantic(lambda: sink.write(next(parts)), rounds=5)  # type: ignore[no-untyped-call]
    run = only_run(MlflowClient(tracking_uri=server.uri), "rate")
    assert len(run.data.metrics) == 100
