"""What an MLflow server may do to us, played by a small server of our own."""

import base64
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from typer.testing import CliRunner

from grokwatch.monitor import cli
from grokwatch.monitor.errors import ConfigurationError, SourceError, WireError
from grokwatch.monitor.records import AnyRecord, Observation
from grokwatch.monitor.service.sources._fetched import LEFT
from grokwatch.monitor.service.sources._rest import MlflowServer
from grokwatch.monitor.service.sources.mlflow import MlflowSource, connect
from tests.mlflow_player import Answer, Player, Tracker, as_json, run_of


@pytest.fixture
def player() -> Iterator[Player]:
    player = Player()
    yield player
    player.close()


@pytest.fixture
def source(player: Player) -> Iterator[MlflowSource]:
    source = connect(f"mlflow:{player.address}", names={}, environment={})
    yield source
    source.close()


def _poll(source: MlflowSource, memories: dict[str, bytes]) -> dict[str, list[AnyRecord]]:
    found: dict[str, list[AnyRecord]] = {}
    for fetched in source.poll(memories.get):
        found.setdefault(fetched.run_id, []).extend(fetched.batch.records)
        memories[fetched.run_id] = fetched.memory
    return found


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((500, b"oops"), "status 500"),
        ((302, b""), "status 302"),
        ((200, b"<html>"), "an answer that cannot be read"),
        ((200, b"\xff"), "an answer that cannot be read"),
        ((200, b"[" * 1_000_000), "an answer that cannot be read"),
        ((200, b'{"experiments":' * 100_000), "an answer that cannot be read"),
        ((200, b'{"experiments": 7}'), "an answer that cannot be read"),
        ((200, b'{"experiments": [{"experiment_id": {}}]}'), "an answer that cannot be read"),
        ((200, b" " * (33 * 2**20)), "more than 33554432 bytes"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_answer_that_is_none_is_an_error_in_one_sentence(
    player: Player, source: MlflowSource, answer: Answer, message: str
) -> None:
    player.answer = lambda path, query: answer
    player.extra = {"Location": "http://169.254.169.254/"} if answer[0] == 302 else {}
    with pytest.raises(SourceError, match=f"Expected MLflow at {player.address} to answer") as it:
        _poll(source, {})
    assert message in str(it.value)
    assert len(str(it.value)) < 500
    assert not it.value.is_away
    assert len(player.asked) == 1


def test_a_body_that_ends_too_soon_means_that_the_server_is_away(
    player: Player, source: MlflowSource
) -> None:
    player.answer, player.extra = Tracker(), {"Content-Length": "99999", "Connection": "close"}
    with pytest.raises(SourceError, match="to answer, got peer closed") as caught:
        _poll(source, {})
    assert caught.value.is_away


def test_a_server_that_was_away_is_caught_up_with() -> None:
    tracker, memories = Tracker(run_of("a", loss=1.0)), dict[str, bytes]()
    first = Player()
    first.answer = tracker
    source = connect(f"mlflow:{first.address}", names={}, environment={})
    assert list(_poll(source, memories)) == ["a"]
    first.close()
    tracker.runs.append(run_of("b", loss=1.0))
    for _ in range(2):
        with pytest.raises(SourceError, match=f"MLflow at {first.address} to answer, got") as it:
            _poll(source, memories)
        assert it.value.is_away
    second = Player(first.port)
    second.answer = tracker
    assert list(_poll(source, memories)) == ["b"]
    source.close()
    second.close()


def test_an_answer_without_end_is_given_up(player: Player) -> None:
    player.answer = Tracker()
    seconds = count(0, 100)
    server = MlflowServer(player.address, environment={}, clock=lambda: next(seconds))
    with pytest.raises(SourceError, match="got no end within 30 s"):
        server.experiments()
    server.close()


def test_who_is_not_let_in_is_told_what_to_set(player: Player, source: MlflowSource) -> None:
    player.answer = lambda path, query: (403, b"")
    with pytest.raises(
        SourceError, match=r"to let us read, got 403\. Try MLFLOW_TRACKING_USERNAME"
    ):
        _poll(source, {})


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": "t0"}, "Bearer t0"),
        (
            {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "s", "X": "y"},
            "Basic " + base64.b64encode(b"ann:s").decode(),
        ),
    ],
)
def test_credentials_of_the_environment_are_sent(
    player: Player, environment: dict[str, str], sent: str | None
) -> None:
    player.answer = Tracker()
    source = connect(f"mlflow:{player.address}", names={}, environment=environment)
    assert _poll(source, {}) == {}
    source.close()
    assert player.headers.get("Authorization") == sent
    assert player.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("target", ["mlflow:sqlite:///a.db", "http://host:5000", "mlflow:", "x:"])
def test_a_target_that_is_no_server_is_refused(target: str) -> None:
    with pytest.raises(ConfigurationError, match="Expected an MLflow server to read from, by http"):
        connect(target, names={}, environment={})


def test_a_password_in_the_address_is_refused_and_not_told() -> None:
    with pytest.raises(ConfigurationError, match="MLFLOW_TRACKING_PASSWORD") as caught:
        connect("mlflow:http://ann:hunt@er2@host:5000/x", names={}, environment={})
    assert "er2" not in str(caught.value)


def test_a_metric_that_is_mapped_to_nothing_of_ours_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="Expected a metric among train_loss"):
        connect("mlflow:http://host:5000", names={"a": "b"}, environment={})


def test_one_run_that_cannot_be_read_does_not_hide_the_others(
    player: Player, source: MlflowSource
) -> None:
    tracker = Tracker(run_of("bad", loss=1.0), run_of("good", loss=1.0))
    player.answer = lambda path, query: (
        (500, b"") if query.get("run_id") == "bad" else tracker(path, query)
    )
    memories: dict[str, bytes] = {}
    with pytest.raises(SourceError, match="status 500"):
        _poll(source, memories)
    assert list(memories) == ["good"]


def test_runs_whose_ids_are_no_ids_are_left_out(player: Player, source: MlflowSource) -> None:
    names = ("../x", "a b", "", ".a", "x" * 129, "fine-1")
    player.answer = Tracker(*(run_of(name, loss=1.0) for name in names))
    assert list(_poll(source, {})) == ["fine-1"]


def test_runs_that_mean_nothing_to_us_are_asked_about_once(
    player: Player, source: MlflowSource
) -> None:
    player.answer = Tracker(run_of("a", rouge=1.0))
    memories: dict[str, bytes] = {}
    assert _poll(source, memories) == {}
    player.asked.clear()
    assert _poll(source, memories) == {}
    assert {path for path, _ in player.asked} == {"experiments/search", "runs/search"}


def test_hundreds_of_runs_that_are_over_cost_a_few_questions(
    player: Player, source: MlflowSource
) -> None:
    tracker = Tracker(*(run_of(f"r{n}", loss=1.0) for n in range(250)))
    player.answer = tracker
    memories: dict[str, bytes] = {}
    assert len(_poll(source, memories)) == 250
    asked = []
    for _ in range(3):
        player.asked.clear()
        assert _poll(source, memories) == {}
        asked.append(len(player.asked))
    assert asked == [6, 3, 3]
    tracker.runs.insert(0, run_of("new", loss=2.0))
    tracker.runs.insert(200, run_of("late", status="RUNNING", loss=2.0))
    player.asked.clear()
    assert len(_poll(source, memories)["new"]) == 3
    assert [record.seq for record in _poll(source, memories)["late"]] == [1, 2]
    assert len(player.asked) < 12


def test_tokens_that_go_round_in_circles_come_to_an_end(
    player: Player, source: MlflowSource
) -> None:
    run = run_of("a", loss=1.0)

    def answer(path: str, query: dict[str, Any]) -> Answer:
        if path != "metrics/get-history":
            return Tracker(run)(path, query)
        token = int(query.get("page_token", 0))
        point = {"key": "loss", "value": token, "timestamp": token, "step": token}
        return as_json({"metrics": [point], "next_page_token": str((token + 1) % 3)})

    player.answer = answer
    pieces = [piece for piece, _ in zip(source.poll(lambda _: None), range(100), strict=False)]
    assert len(pieces) == 40


def test_values_and_steps_at_the_edges_come_through(player: Player, source: MlflowSource) -> None:
    run = run_of("a", loss=1.0)
    points = [("1.7976931348623157e308", 1), ("-1.7976931348623157e308", "2"), ("NaN", 2**63 - 1)]
    run["data"]["metrics"][0]["value"] = "NaN"

    def answer(path: str, query: dict[str, Any]) -> Answer:
        if path != "metrics/get-history":
            return Tracker(run)(path, query)
        metrics = [
            {"key": "loss", "value": value, "timestamp": -5, "step": step} for value, step in points
        ]
        return as_json({"metrics": metrics})

    player.answer = answer
    (records,) = _poll(source, {}).values()
    seen = [(r.step, str(r.train_loss)) for r in records if isinstance(r, Observation)]
    assert seen == [(1, "inf"), (2, "-inf"), (2**63 - 1, "nan")]


def _tagged(run_id: str) -> dict[str, Any]:
    run = run_of(run_id, loss=1.0)
    run["data"]["tags"] = [{"key": "grokwatch.run_id", "value": f"our-{run_id}"}]
    return run


def test_a_run_of_ours_that_nobody_pushes_is_read_after_a_minute(
    player: Player, source: MlflowSource
) -> None:
    player.answer = Tracker(_tagged("a"), run_of("theirs", loss=1.0))
    memories: dict[str, bytes] = {}
    looks = []
    for _ in range(7):
        found = list(source.poll(memories.get, lambda *_: False))
        memories |= {fetched.run_id: fetched.memory for fetched in found}
        looks.append({fetched.run_id for fetched in found})
    assert looks == [{"theirs"}, *[set[str]()] * 5, {"a"}]


def test_a_run_that_was_left_to_its_push_is_not_taken_up_once_that_is_forgotten(
    player: Player,
) -> None:
    player.answer = Tracker(_tagged("a"))
    asked: list[tuple[str, str, str]] = []

    def leave(ours: str, run_id: str, link: str) -> bool:
        asked.append((ours, run_id, link))
        return True

    source = connect(f"mlflow:{player.address}", names={}, environment={}, public_url="http://m/")
    assert not list(source.poll(lambda _: None, leave))
    source.close()
    assert asked == [("our-a", "a", "http://m/#/experiments/1/runs/a")]
    again = connect(f"mlflow:{player.address}", names={}, environment={})
    for _ in range(8):
        assert not list(again.poll(lambda _: LEFT, lambda *_: False))
    again.close()


def test_a_memory_that_is_none_is_refused(player: Player, source: MlflowSource) -> None:
    player.answer = Tracker(run_of("a", loss=1.0))
    with pytest.raises(WireError, match="Expected a state of kind SourceMemory"):
        list(source.poll(lambda run_id: b"junk"))


def test_names_of_runs_and_parameters_are_cut_and_made_printable(
    player: Player, source: MlflowSource
) -> None:
    run = run_of("a", loss=1.0)
    run["info"]["run_name"] = "\x1b[31m" + "n" * 1000
    run["data"]["params"] = [{"key": f"{n}" + "k" * 999, "value": "v" * 9999} for n in range(1200)]
    player.answer = Tracker(run)
    started: Any = _poll(source, {})["a"][0]
    assert started.name.startswith("_[31mnnn")
    assert len(started.name) == 256
    assert len(started.hyper_parameters) == 1000
    assert {len(value) for value in started.hyper_parameters.values()} == {500}


def test_replay_of_a_run_on_a_server_tells_when_it_would_have_warned(player: Player) -> None:
    player.answer = Tracker(run_of("a1", nll=1.0, accuracy=0.5))
    for target in (f"mlflow:{player.address}/x/a1", f"mlflow:{player.address}/#/y/1/runs/a1?o=1"):
        shown = CliRunner().invoke(cli.app, ["replay", target, "--map", "nll=train_loss"])
        assert shown.exit_code == 0, shown.output
        assert "`accuracy` is taken for train accuracy" in shown.stdout
        assert "run a1, judged again by hazard: on 1 observations" in shown.stdout


@pytest.mark.parametrize(
    ("run_id", "message"),
    [
        ("a1", "Expected metrics that mean something in the MLflow run, got none of them"),
        ("a2", "Expected the id of an MLflow run at the end of the target, got 'a2'"),
    ],
)
def test_replay_of_a_run_that_says_nothing_is_refused(
    player: Player, run_id: str, message: str
) -> None:
    player.answer = Tracker(run_of("a1", rouge=1.0))
    failure = CliRunner().invoke(cli.app, ["replay", f"mlflow:{player.address}/{run_id}"]).exception
    assert isinstance(failure, ConfigurationError)
    assert message in str(failure)
