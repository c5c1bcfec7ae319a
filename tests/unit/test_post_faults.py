"""A receiver that is slow, hostile, gone or not there: delivered, or an error that says why."""

import base64
import logging
import socket
import ssl
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grokwatch.monitor.alerts._post import MOST_ANSWER_BYTES, Network
from grokwatch.monitor.alerts.webhook import connect
from grokwatch.monitor.errors import HookError
from tests.receivers import FINE, NOTICE, Names, Receiver, Wires, certificates

CANARY = "c4n4ry"
KEY = f"whsec_{base64.b64encode(bytes([2]) * 32).decode()}"
Answer = bytes | Callable[[socket.socket], None]


def tell(receiver: Receiver, options: str = "", **variables: str) -> None:
    target = f"http://{receiver.authority}/{CANARY},allow=private{options}"
    connect(target, environment=variables).fire(NOTICE)


def silent(connection: socket.socket) -> None:
    """Say nothing until the other side hangs up."""
    connection.recv(1)


def dripping(start: bytes) -> Callable[[socket.socket], None]:
    """Say a little now and then, for ever."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"x")
            time.sleep(0.01)

    return drip


def reset(start: bytes) -> Callable[[socket.socket], None]:
    """Say something, then hang up rudely."""

    def hang_up(connection: socket.socket) -> None:
        connection.sendall(start)
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    return hang_up


def endless(connection: socket.socket) -> None:
    """Say that it is being worked on, for ever."""
    while True:
        connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\n")
        time.sleep(0.01)


LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
DELIVERED: dict[str, Answer] = {
    "204": FINE,
    "200 with a body": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "2xx, then a reset": reset(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx"),
    "2xx with a body that never ends": dripping(LARGE),
    "2xx with a truncated body": b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nx",
    "2xx after 102": b"HTTP/1.1 102 Processing\r\n\r\n" + FINE,
    "2xx with a body in bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}
FAILED: dict[str, tuple[Answer, str]] = {
    "silence": (silent, "no answer within 0.2 seconds"),
    "a head that never ends": (dripping(b"HTTP/1.1 200 OK\r\nX: "), "no answer within 0.2 seconds"),
    "102 for ever": (endless, "no answer within 0.2 seconds"),
    "500": (b"HTTP/1.1 500 Oops\r\n\r\n", r"got 500\. It is tried again"),
    "404": (b"HTTP/1.1 404 Not Found\r\n\r\n", r"got 404\. Try the receiver's log"),
    "a truncated head": (b"HTTP/1.1 200 OK\r\nConte", "not HTTP, or that breaks off"),
    "nothing": (b"", "not HTTP, or that breaks off"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not HTTP, or that breaks off"),
    "a reset": (reset(b""), "breaks off|a connection that broke off"),
    "huge headers": (
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        "not HTTP, or that breaks off",
    ),
    "its own secret, as a status": (f"{CANARY}\r\n\r\n".encode(), "not HTTP"),
}


@pytest.mark.parametrize("mode", DELIVERED)
def test_a_status_of_2xx_is_all_that_is_asked_for(mode: str) -> None:
    with Receiver(DELIVERED[mode]) as receiver:
        tell(receiver)
        assert receiver.num_connections == 1


@pytest.mark.parametrize("mode", FAILED)
def test_what_is_not_delivered_is_said_in_words_of_ours(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer, message = FAILED[mode]
    with Receiver(answer) as receiver, caplog.at_level(logging.DEBUG):
        timeout = ",timeout=0.2" if "0.2" in message else ""
        with pytest.raises(HookError, match=message) as caught:
            tell(receiver, f"{timeout},secret=env:S", S=KEY)
        assert receiver.num_connections <= 1
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    for hidden in (CANARY, KEY, KEY.removeprefix("whsec_")):
        assert hidden not in shown
    assert f"Expected http://{receiver.authority} to take the alert" in str(caught.value)
    assert (caught.value.retry_after_seconds, caught.value.is_gone) == (None, False)


def test_of_a_huge_body_little_is_read() -> None:
    sent: list[int] = []

    def flood(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        connection.sendall(LARGE)
        while len(sent) < 16_000:
            sent.append(connection.send(b"x" * MOST_ANSWER_BYTES))

    with Receiver(flood) as receiver:
        tell(receiver)
    assert sum(sent) < 100_000_000


def test_a_receiver_that_fails_ten_times_and_recovers_gets_one_name() -> None:
    with Receiver(b"HTTP/1.1 500 Oops\r\n\r\n") as receiver:
        for _ in range(10):
            with pytest.raises(HookError, match="got 500"):
                tell(receiver)
        receiver.answer = FINE
        tell(receiver)
        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
        assert len(receiver.requests) == 11


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0),
        ("Sun, 06 Nov 2033 08:49:37 GMT", 2014879777.0 - 2_000_000_000.0),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("9" * 50, None),
        ("Sun, 99 Nov 2033 08:49:37 GMT", None),
        ("", None),
    ],
)
def test_a_busy_receiver_says_how_long_to_wait(
    status: int, value: str, seconds: float | None
) -> None:
    answer = f"HTTP/1.1 {status} Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n"
    with Receiver(answer.encode()) as receiver:
        network = Network(now=lambda: 2_000_000_000.0)
        hook = connect(f"http://{receiver.authority}/,allow=private", network=network)
        with pytest.raises(HookError, match=f"got {status}") as caught:
            hook.fire(NOTICE)
    assert caught.value.retry_after_seconds == seconds


def test_a_receiver_that_is_gone_is_gone() -> None:
    gone = b"HTTP/1.1 410 Gone\r\nRetry-After: 5\r\n\r\n"
    message = "nothing more is sent to this one"
    with Receiver(gone) as receiver, pytest.raises(HookError, match=message) as caught:
        tell(receiver)
    assert caught.value.is_gone
    assert caught.value.retry_after_seconds is None


def test_a_refused_connection_says_so() -> None:
    with Receiver() as receiver:
        pass
    with pytest.raises(HookError, match=r"no connection \(.*[Rr]efused") as caught:
        tell(receiver)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("names", [Names([]), lambda host, port: []])
def test_a_name_without_address_says_so(names: Any) -> None:
    hook = connect(f"https://hooks.example/{CANARY}", network=Network(resolve=names))
    with pytest.raises(HookError, match=r"no connection \(the host has no address\)") as caught:
        hook.fire(NOTICE)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_name_that_cannot_be_asked_for_says_so() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise UnicodeError(host, port)

    hook = connect("https://hooks.example/", network=Network(resolve=resolve))
    with pytest.raises(HookError, match="the host has no address"):
        hook.fire(NOTICE)


def trusting(receiver: Receiver, trust: ssl.SSLContext) -> Network:
    wires = Wires(receiver.port)
    return Network(resolve=Names(["1.1.1.1"]), backend=wires, trust=lambda: trust)


@pytest.mark.parametrize("fault", ["unknown authority", "another name", "no TLS"])
def test_a_receiver_that_cannot_prove_its_name_gets_nothing(fault: str, tmp_path: Path) -> None:
    other = fault == "another name"
    server, client = certificates(tmp_path, "other.example" if other else "hooks.example")
    trust = ssl.create_default_context() if fault == "unknown authority" else client
    with Receiver(tls=None if fault == "no TLS" else server) as receiver:
        network = trusting(receiver, trust)
        hook = connect(f"https://hooks.example/{CANARY},timeout=5", network=network)
        with pytest.raises(HookError, match=r"no connection|no answer") as caught:
            hook.fire(NOTICE)
        assert receiver.requests == []
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_clock_that_jumps_ends_the_wait() -> None:
    now = iter(range(0, 100_000, 1000))
    with Receiver() as receiver:
        network = Network(clock=lambda: float(next(now)))
        hook = connect(f"http://{receiver.authority}/,allow=private", network=network)
        with pytest.raises(HookError, match="no answer within 20 seconds"):
            hook.fire(NOTICE)
