"""Whatever bytes come from outside: our errors or an answer, at once. `make fuzz` tries more."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from grokwatch.monitor import alerts, config, wire
from grokwatch.monitor.errors import GrokwatchError
from grokwatch.monitor.records import Observation, RunStarted
from grokwatch.monitor.service.api.batches import JSON, MESSAGE_PACK, read_batch
from grokwatch.monitor.service.exposition.text import announce, labelled, written
from grokwatch.monitor.service.sources._rest import MlflowServer
from grokwatch.monitor.sinks import connect
from tests.mlflow_player import Player

SECONDS = 1.0
EXAMPLES = max(200, settings().max_examples)
often = settings(max_examples=EXAMPLES)

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
NAMES = st.sampled_from(
    ["records", "after", "type", "run_id", "seq", "attempt", "step", "time", "train_loss", "values"]
)
SOME = st.sampled_from(["observation", "run_started", "evaluation", "a", "nan", "-inf"])
RECORDS = st.dictionaries(NAMES, SOME | JSONS, max_size=10)
BATCHES = st.fixed_dictionaries({"records": st.lists(RECORDS | JSONS, max_size=4)})
GOOD = wire.encode(Observation(run_id="a", seq=1, step=1, time=0.0, train_loss=0.5))


@contextmanager
def ours_or_nothing() -> Iterator[None]:
    began = time.thread_time()
    with suppress(GrokwatchError):
        yield
    assert time.thread_time() - began < SECONDS


def as_json(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return repr(value).encode(errors="surrogatepass")


def as_message_pack(value: object) -> bytes:
    try:
        return msgspec.msgpack.encode(value)
    except (UnicodeEncodeError, OverflowError):
        return b""


@st.composite
def damaged(draw: st.DrawFn, whole: bytes = GOOD) -> bytes:
    """Good bytes of which some are others now, or are missing."""
    content = bytearray(whole)
    for at in draw(st.lists(st.integers(0, len(whole) - 1), max_size=6)):
        content[at] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(whole)))])


@often
@given(st.binary() | BATCHES.map(as_json) | JSONS.map(as_json))
def test_a_pushed_body_of_json(body: bytes) -> None:
    with ours_or_nothing():
        read_batch(JSON, body)


@often
@given(st.binary() | BATCHES.map(as_message_pack) | damaged(b"\x81\xa7records\x91" + GOOD))
def test_a_pushed_body_of_message_pack(body: bytes) -> None:
    with ours_or_nothing():
        read_batch(MESSAGE_PACK, body)


@often
@given(st.binary() | damaged() | RECORDS.map(as_message_pack))
def test_a_record_of_a_journal(data: bytes) -> None:
    for read in (wire.decode, wire.from_json, wire.check_header):
        with ours_or_nothing():
            read(data)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"records":' * 100_000,
        b'{"records": [' + b"9" * 1_000_000 + b"]}",
        b'{"records": [{"type": "observation", "values": {' + b'"a":1,' * 100_000 + b"}}]}",
        b'"' + b"\\" * 1_000_000,
    ],
    ids=["lists", "objects", "integer", "keys", "text"],
)
def test_a_body_that_is_a_bomb(body: bytes) -> None:
    for kind in (JSON, MESSAGE_PACK):
        with ours_or_nothing():
            read_batch(kind, body)
    with ours_or_nothing():
        wire.decode(b"\x91" * 1_000_000)


LINES = st.lists(
    st.sampled_from(["[service]", "[monitor]", "[[service]]", "port = 0", "hooks = [", "]"])
    | st.builds("{} = {}".format, st.sampled_from(["port", "hooks", "store", "sinks"]), st.text())
    | st.text(),
    max_size=8,
)


@often
@given(LINES.map("\n".join))
def test_a_configuration(text: str) -> None:
    file = FILES / "grokwatch.toml"
    file.write_bytes(text.encode(errors="surrogatepass"))
    with ours_or_nothing():
        config.load(file, environment={})


@often
@given(st.dictionaries(st.sampled_from(["PORT", "HOOKS", "STORE", "KEEP_DAYS"]), st.text()))
def test_a_configuration_by_variables(given_texts: dict[str, str]) -> None:
    variables = {f"GROKWATCH_SERVICE_{key}": text for key, text in given_texts.items()}
    with ours_or_nothing():
        config.load(environment=variables)


MODULES = st.sampled_from(["webhook", "alertmanager", "log", "command", "function", "slack", ""])
ADDRESSES = st.sampled_from(
    ["http://", "https://a.example", "http://[", "http://a:b", "//", '["', "[", "env:", "a.b:c"]
)
OPTIONS = st.sampled_from([",secret=", ",timeout=", ",allow=private", ",x=", ",", "?", "#", "@"])


@often
@given(MODULES, ADDRESSES | st.text(), st.lists(OPTIONS | st.text(), max_size=4))
def test_a_target_of_a_hook_or_a_sink(module: str, address: str, options: list[str]) -> None:
    rest = address + "".join(options)
    with ours_or_nothing():
        alerts.connect(f"{module}:{rest}")
    with ours_or_nothing():
        connect(f"remote:{rest}")
    alerts.hook_name(f"{module}:{rest}")


@often
@given(st.text(), st.floats())
def test_any_name_is_one_sample_and_reads_back(name: str, value: float) -> None:
    page = announce("up", "gauge", "Is up.") + f"{labelled('up', {'run': name})}{written(value)}\n"
    (family,) = text_string_to_metric_families(page)
    (sample,) = family.samples
    assert sample.labels.keys() == {"run"}
    assert sample.value == value or value != value


FILES = Path()


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    globals()["FILES"] = tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    player = Player()
    yield player
    player.close()


RUNS = st.fixed_dictionaries(
    {"runs": st.lists(st.fixed_dictionaries({"info": JSONS, "data": JSONS}) | JSONS, max_size=3)}
)


ASKED: tuple[Callable[[MlflowServer], Any], ...] = (
    MlflowServer.experiments,
    lambda server: list(server.runs(("1",))),
    lambda server: server.run("a"),
    lambda server: server.history("a", "loss", ""),
    lambda server: server.experiment("a"),
)


@pytest.fixture(scope="module")
def server(player: Player) -> Iterator[MlflowServer]:
    server = MlflowServer(player.address, environment={})
    yield server
    server.close()


@often
@given(ask=st.sampled_from(ASKED), content=st.binary() | (JSONS | RUNS).map(as_json))
def test_an_answer_of_mlflow(
    ask: Callable[[MlflowServer], Any], content: bytes, server: MlflowServer, player: Player
) -> None:
    player.answer = lambda *_: (200, content)
    with ours_or_nothing():
        ask(server)


def test_what_is_good_is_read() -> None:
    assert wire.decode(GOOD).seq == 1
    batch = as_message_pack(
        {"records": [msgspec.to_builtins(RunStarted(run_id="a", seq=1, time=0.0))]}
    )
    assert read_batch(MESSAGE_PACK, batch).records[0].run_id == "a"
