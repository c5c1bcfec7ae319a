import contextlib
import logging
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from grokwatch.monitor.errors import ConfigurationError, SinkError
from grokwatch.monitor.records import (
    AnyRecord,
    Assessment,
    Evaluation,
    HyperParameter,
    Observation,
    RunStarted,
    WeightFrame,
)
from grokwatch.monitor.sinks.posting import MOST_ANSWER_BYTES, Patience
from grokwatch.monitor.sinks.remote import MOST_REMEMBERED, RemoteSink, connect
from grokwatch.monitor.vocabulary import Stage
from tests.receivers import Receiver

TOKEN = "canary" * 8
LIMIT_SECONDS = 0.5
RECORD = Observation(run_id="a", seq=1, step=1, time=0.0, train_loss=0.5)
RECEIPT = b'{"stored":1,"duplicates":0,"late":0,"held":0,"ignored":0,"seq":1}'


def said(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in (*headers, f"Content-Length: {len(body)}"))
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def fault(status: str, detail: str, *headers: str) -> bytes:
    return said(status, msgspec.json.encode({"detail": detail}), *headers)


FINE = said("201 Created", RECEIPT)


def hang(connection: socket.socket) -> None:
    connection.settimeout(10)
    connection.recv(1)  # nothing comes but the end


def drip(head: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(b"x")
                time.sleep(0.02)

    return answer


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(b" " * 65_536)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def echo(connection: socket.socket) -> None:
    connection.sendall(fault("400 Bad Request", f"Expected less, got Bearer {TOKEN}."))


ANSWERS: dict[str, tuple[bytes | Callable[[socket.socket], None], str]] = {
    "500": (fault("500 Oops", "Something failed."), "500: Something failed. Try again"),
    "503": (
        fault("503 Busy", "Too much waits.", "Retry-After: 5"),
        r"503: Too much waits \(come again in 5 s\). Try again",
    ),
    "hangs": (hang, "no answer within 0.5 seconds. Try `grokwatch serve`"),
    "slow head": (drip(b"HTTP/1.1 200 OK\r\nX: "), "no answer within 0.5 seconds"),
    "slow body": (
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"),
        "no answer within 0.5 seconds",
    ),
    "resets": (reset, "ConnectionResetError|RemoteDisconnected"),
    "hangs up": (lambda _: None, "RemoteDisconnected"),
    "breaks off": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "IncompleteRead|no receipt"),
    "no HTTP": (b"\x16\x03\x01 who are you?\r\n\r\n", "BadStatusLine"),
    "409": (
        fault("409 Conflict", "Expected one writer for run a, got another. Try another run_id."),
        "Try another run_id, or end the other writer",
    ),
    "401": (fault("401 No", "Expected the service's token."), "GROKWATCH_TOKEN_FILE"),
    "403": (fault("403 No", "Expected a read."), "GROKWATCH_TOKEN_FILE"),
    "413": (fault("413 Large", "Expected less."), "Try fewer values in a record"),
    "HTML": (said("200 OK", b"<html>log in</html>", "Content-Type: text/html"), "no receipt of a"),
    "HTML 502": (said("502 Bad", b"<html>\x1b[31m</html>"), "502: no words of a service's"),
    "nothing": (said("204 No Content"), "204: no receipt of a service of ours. Try again"),
    "other JSON": (said("200 OK", b'{"ok":true}'), "no receipt of a service"),
    "no JSON": (said("200 OK", b"\xff{{{{"), "no receipt of a service"),
    "deep JSON": (said("200 OK", b"[" * 60_000), "no receipt of a service"),
    "flood": (flood, "200: no receipt of a service"),
    "control characters": (fault("400 Bad", "a\n\x1b[31mb"), r"400: a \[31mb\. Try again"),
    "echo": (echo, r"Bearer \(token\)"),
}


class Hasty:
    """Refuses a request for its size, without reading all of it."""

    def __init__(self, listener: socket.socket) -> None:
        self._thread = threading.Thread(target=self._refuse, args=(listener,))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _refuse(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(fault("413 Large", "Expected less."))
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(5)
            while connection.recv(65_536):  # so that the kernel resets nothing
                pass


@pytest.fixture
def server() -> Iterator[Receiver]:
    with Receiver(FINE) as receiver:
        yield receiver


def sink_at(server: Receiver, token: str | None = TOKEN) -> RemoteSink:
    environment = {} if token is None else {"GROKWATCH_TOKEN": token}
    patience = Patience(seconds=LIMIT_SECONDS)
    return RemoteSink(f"http://{server.authority}", environment, patience=patience)


def pushed(server: Receiver) -> list[dict[str, Any]]:
    return [msgspec.msgpack.decode(request.body) for request in server.requests]


def numbered(*seqs: int, run_id: str = "a", **rest: Any) -> list[AnyRecord]:
    return [Evaluation(run_id=run_id, seq=seq, step=seq, time=0.0, **rest) for seq in seqs]


@pytest.mark.parametrize("name", ANSWERS)
def test_every_bad_answer_is_an_error_that_says_what_to_do_and_heals(
    name: str, server: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer, told = ANSWERS[name]
    sink = sink_at(server)
    began = time.monotonic()
    with pytest.raises(SinkError, match=told) as caught:
        sink.write([RECORD])
    assert time.monotonic() - began < LIMIT_SECONDS + 2.0
    assert TOKEN not in f"{caught.value!r} {sink!r} {caplog.text} {caught.value.__cause__}"
    assert str(caught.value).isprintable()

    server.answer = FINE
    sink.write([RECORD])
    assert [push["after"] for push in pushed(server)] == [None, None]
    sink.close()


def test_a_service_that_is_down_refuses_at_once() -> None:
    with Receiver(FINE) as receiver:
        sink = sink_at(receiver)
    with pytest.raises(
        SinkError, match=r"got ConnectionRefusedError \(Connection refused\). Try `"
    ):
        sink.write([RECORD])


def test_a_name_that_is_nobodys_is_an_error_of_the_sink() -> None:
    with pytest.raises(SinkError, match=r"Expected a service at http://nobody\.invalid:1, got gai"):
        RemoteSink("http://nobody.invalid:1", {}).write([RECORD])


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(server: Receiver) -> None:
    with Receiver(FINE) as elsewhere:
        for status in ("301 Moved", "302 Found", "307 Temporary", "308 Permanent"):
            server.answer = said(status, b"", f"Location: http://{elsewhere.authority}/v1/records")
            with pytest.raises(SinkError, match=r"Redirects are not followed\. Try the address"):
                sink_at(server).write([RECORD])
        assert elsewhere.num_connections == 0


def test_no_proxy_of_the_environment_is_asked(
    server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    sink_at(server).write([RECORD])
    assert len(server.requests) == 1


def test_a_large_answer_is_read_up_to_its_beginning(server: Receiver) -> None:
    server.answer = said("201 Created", RECEIPT + b" " * (2 * MOST_ANSWER_BYTES))
    sink_at(server).write([RECORD])
    server.answer = said("201 Created", b" " * (2 * MOST_ANSWER_BYTES) + RECEIPT)
    with pytest.raises(SinkError, match="no receipt of a service"):
        sink_at(server).write([RECORD])


def test_what_is_said_before_all_was_sent_is_heard() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sink = RemoteSink(address, {}, patience=Patience(seconds=5.0))
        with Hasty(listener):
            large = Observation(run_id="a", seq=1, step=1, time=0.0, train_loss=0.5)
            values = {f"signal-{number}": 0.5 for number in range(200_000)}
            with pytest.raises(SinkError, match=r"413: Expected less\. Try fewer values"):
                sink.write([msgspec.structs.replace(large, values=values)])


def test_the_token_is_sent_in_a_header_and_read_anew_each_time(
    server: Receiver, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    sink = RemoteSink(f"http://{server.authority}/", {"GROKWATCH_TOKEN_FILE": str(file)})
    with pytest.raises(SinkError, match="Expected a secret in the file"):
        sink.write([RECORD])
    for token in ("first" * 8, "second" * 8):
        file.write_text(f"{token}\n")
        sink.write([RECORD])
        assert server.requests[-1].headers["authorization"] == f"Bearer {token}"
        assert server.requests[-1].headers["x-grokwatch"] == "1"


def test_without_a_token_none_is_sent(server: Receiver) -> None:
    sink_at(server, None).write([RECORD])
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("token", ["canary\nX-Evil: 1", "canary canary", "canäry"])
def test_a_token_that_no_header_holds_is_refused_and_not_told(token: str, server: Receiver) -> None:
    with pytest.raises(SinkError, match="Expected a token of ASCII letters and digits") as caught:
        sink_at(server, token).write([RECORD])
    assert "can" not in str(caught.value).replace("Expected", "")
    assert server.num_connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1:8420",
        "ftp://127.0.0.1",
        "http://",
        "http://ann:hunter2@127.0.0.1",
        "http://:hunter2@127.0.0.1",
        "http://127.0.0.1:port",
        "http://127.0.0.1:0",
        "http://[::1",
        "http://127.0.0.1/?x=1",
        "http://127.0.0.1/#x",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nX: b",
        "",
    ],
)
def test_what_is_no_address_of_a_service_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="Expected the address of a service") as caught:
        connect(address)
    assert "hunter2" not in str(caught.value)


def test_a_service_may_be_served_below_a_path(server: Receiver) -> None:
    RemoteSink(f"http://{server.authority}/watch", {}).write([RECORD])
    assert server.requests[0].line == "POST /watch/v1/records HTTP/1.1"


def test_what_the_service_makes_itself_is_not_pushed(server: Receiver) -> None:
    judged = Assessment(
        run_id="a", seq=2, step=1, time=0.0, predictor="p", stage=Stage.PLATEAU, reason="none"
    )
    frame = WeightFrame(run_id="a", seq=3, step=1, role="r", shape=(1,), data=bytes(4))
    sink_at(server).write([judged, frame])
    assert server.num_connections == 0
    sink_at(server).write([RECORD, judged, frame, *numbered(4)])
    assert [record["seq"] for record in pushed(server)[0]["records"]] == [1, 4]


def test_each_push_says_what_was_sent_before_it_also_over_failures(server: Receiver) -> None:
    sink = sink_at(server)
    sink.write(numbered(1, 2))
    server.answer = said("500 Oops")
    with pytest.raises(SinkError, match="got 500"):
        sink.write(numbered(3, 4))
    server.answer = FINE
    sink.write(numbered(3, 4))
    sink.write(numbered(7))
    sink.write(numbered(1, run_id="b"))
    sink.write(numbered(3, 4))
    assert [push["after"] for push in pushed(server)] == [None, 2, 2, 4, None, None]


def test_runs_are_pushed_apart_and_in_order(server: Receiver) -> None:
    sink_at(server).write([*numbered(1, 2), *numbered(1, run_id="b"), *numbered(3)])
    seen = [(push["records"][0]["run_id"], len(push["records"])) for push in pushed(server)]
    assert seen == [("a", 2), ("b", 1), ("a", 1)]


def test_batches_are_split_by_size(server: Receiver) -> None:
    parameters: dict[str, HyperParameter] = {"text": "x" * 100_000}
    records: list[AnyRecord] = [
        RunStarted(run_id="a", seq=seq, time=0.0, hyper_parameters=parameters)
        for seq in range(1, 21)
    ]
    sink_at(server).write(records)
    pushes = pushed(server)
    assert [push["after"] for push in pushes] == [None, 8, 16]
    assert [record["seq"] for push in pushes for record in push["records"]] == list(range(1, 21))
    assert max(len(request.body) for request in server.requests) < 2**20


def test_a_record_that_no_bytes_exist_for_is_left_out(server: Receiver) -> None:
    odd = RunStarted(run_id="a", seq=2, time=0.0, name="\ud800")
    sink_at(server).write([RECORD, odd, *numbered(3)])
    assert [record["seq"] for record in pushed(server)[0]["records"]] == [1, 3]
    sink_at(server).write([odd])
    assert len(server.requests) == 1


def test_numbers_of_other_libraries_are_pushed_as_numbers(server: Receiver) -> None:
    loss: Any = np.float32(0.25)
    sink_at(server).write(numbered(1, test_loss=loss))
    assert pushed(server)[0]["records"][0]["test_loss"] == 0.25


def test_it_remembers_so_many_runs_and_no_more(server: Receiver) -> None:
    sink = sink_at(server)
    for number in range(MOST_REMEMBERED + 100):
        sink.write(numbered(1, run_id=f"run-{number}"))
    (remembered,) = (each for each in vars(sink).values() if isinstance(each, OrderedDict))
    assert len(remembered) == MOST_REMEMBERED
    sink.write(numbered(2, run_id=f"run-{MOST_REMEMBERED + 99}"))
    sink.write(numbered(2, run_id="run-0"))
    assert [push["after"] for push in pushed(server)[-2:]] == [1, None]
