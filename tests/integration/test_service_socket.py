import asyncio
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from grokwatch.monitor.errors import ConfigurationError, StoreError
from grokwatch.monitor.service import serving as serving_module
from grokwatch.monitor.service.api.events import Streams
from grokwatch.monitor.service.app import Application
from grokwatch.monitor.service.guard.bodies import Limits
from grokwatch.monitor.service.serving import bind
from tests.service_stand_in import StandIn
from tests.service_web import (
    TOKEN,
    WRITE,
    app_of,
    exchange,
    observed,
    put,
    serving,
    status_of,
    stocked,
)

pytestmark = pytest.mark.network

AUTHORIZED = f"Authorization: Bearer {TOKEN}\r\n".encode()
WRITING = AUTHORIZED + b"X-Grokwatch: 1\r\nContent-Type: application/json\r\n"
PUSH = b"POST /v1/records HTTP/1.1\r\nHost: localhost\r\n" + WRITING


@pytest.fixture(scope="module")
def store() -> StandIn:
    return stocked()


@pytest.fixture(scope="module")
def address(store: StandIn) -> Iterator[tuple[str, int]]:
    with serving(app_of(store)) as found:
        yield found


def get(address: tuple[str, int], target: bytes, *hosts: bytes) -> int:
    head = b"".join(b"Host: " + host + b"\r\n" for host in hosts)
    request = b"GET " + target + b" HTTP/1.1\r\n" + head + AUTHORIZED + b"Connection: close\r\n\r\n"
    return status_of(exchange(address, request))


@pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1:8420", b"[::1]:1", b"LOCALHOST:80"])
def test_a_name_of_loopback_is_served(address: tuple[str, int], host: bytes) -> None:
    assert get(address, b"/v1/runs", host) == 200


@pytest.mark.parametrize(
    "hosts",
    [
        (b"evil.test",),
        (b"evil.test:8420",),
        (b"192.168.0.1",),
        (b"[::2]",),
        (b"localhost.evil.test",),
        (b"localhost@evil.test",),
        (b"",),
        (b":80",),
        (),
        (b"localhost", b"evil.test"),
        (b"localhost", b"localhost"),
    ],
)
def test_any_other_name_is_refused(address: tuple[str, int], hosts: tuple[bytes, ...]) -> None:
    assert get(address, b"/healthz", *hosts) in {400, 403}
    assert get(address, b"/v1/runs", *hosts) in {400, 403}


@pytest.mark.parametrize(
    "target",
    [
        b"http://evil.test/healthz",
        b"http://localhost/healthz",
        b"*",
        b"//evil.test/healthz",
        b"/healthz%00",
        b"/%2e%2e/healthz",
        b"/healthz/../v1/runs",
        b"/healthz/",
    ],
)
def test_a_target_in_another_form_is_refused(address: tuple[str, int], target: bytes) -> None:
    assert get(address, target, b"localhost") == 400


def test_nothing_is_upgraded(address: tuple[str, int]) -> None:
    answer = exchange(
        address,
        b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n",
    )
    assert status_of(answer) == 401
    assert b"server:" not in answer.lower()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


def test_a_body_without_end_is_cut_off_and_others_are_served(address: tuple[str, int]) -> None:
    part = chunk(b" " * (1 << 20))
    endless = [PUSH + b"Transfer-Encoding: chunked\r\n\r\n", *[part] * 1000]
    answer = exchange(address, *endless)
    assert not answer or status_of(answer) == 413
    assert get(address, b"/healthz", b"localhost") == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b" " * (3 << 20), b"", 413),
        (gzip.compress(b"\0" * (200 << 20), 9), b"Content-Encoding: gzip\r\n", 413),
        (b"[" * 10**6, b"", 400),
        (b'{"records": ' + b"9" * 10**6 + b"}", b"", 400),
        (b"{" + b",".join(b'"%d":1' % n for n in range(90_000)) + b"}", b"", 400),
    ],
    ids=["large", "bomb", "deep", "digits", "keys"],
)
def test_a_bomb_is_refused(
    address: tuple[str, int], body: bytes, headers: bytes, status: int
) -> None:
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
    assert status_of(exchange(address, PUSH + headers + length, body)) == status


def test_a_declared_body_that_is_far_too_large_is_refused_at_once(
    address: tuple[str, int],
) -> None:
    answer = exchange(address, PUSH + b"Content-Length: 1000000000000\r\n\r\n")
    assert status_of(answer) == 413


def test_headers_without_end_are_cut_off(address: tuple[str, int]) -> None:
    answer = exchange(address, b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 100_000)
    assert not answer or status_of(answer) == 400


def test_a_body_that_comes_too_slowly_is_given_up(store: StandIn) -> None:
    app = app_of(store, limits=Limits(seconds=0.2))
    with serving(app) as address:
        answer = exchange(address, PUSH + b"Content-Length: 100\r\n\r\n{")
    assert status_of(answer) == 408
    assert b"Expected the whole body in time" in answer


@pytest.mark.parametrize("start", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_head_that_comes_too_slowly_is_given_up(
    store: StandIn, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_module, "HEAD_SECONDS", 0.2)
    with serving(app_of(store)) as address:
        assert exchange(address, start) == b""
        with socket.create_connection(address, timeout=20) as raw:
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status_of(raw.recv(65536)) == 200
            raw.sendall(start or b"G")
            while raw.recv(65536):
                pass


def test_many_slow_clients_keep_nobody_else_out(address: tuple[str, int]) -> None:
    slow = [socket.create_connection(address, timeout=10) for _ in range(300)]
    for each in slow:
        each.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
    assert get(address, b"/v1/runs", b"localhost") == 200
    for each in slow:
        each.close()


def test_a_run_id_that_is_a_path_comes_nowhere(address: tuple[str, int], store: StandIn) -> None:
    before = store.changes
    body = json.dumps(
        {"records": [{"type": "evaluation", "run_id": "../x", "seq": 1, "step": 1, "time": 0}]}
    ).encode()
    answer = exchange(
        address, PUSH + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body), body
    )
    assert status_of(answer) == 400
    assert get(address, b"/v1/runs/../x", b"localhost") == 400
    assert store.changes == before


def follow(address: tuple[str, int], run: str = "") -> Iterator[str]:
    """Lines of a stream of events, until the server ends it."""
    url = f"http://127.0.0.1:{address[1]}/v1/events"
    parameters = {"run": run} if run else {}
    with httpx.stream("GET", url, headers=WRITE, params=parameters, timeout=20) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield from answer.iter_lines()


def test_a_page_hears_of_changes_and_the_stream_ends_with_the_service() -> None:
    store = stocked()
    lines: list[str] = []
    with serving(app_of(store)) as address:
        stream = follow(address, "a")
        lines += [next(stream) for _ in range(3)]
        put(store, observed("a", seq=9))
        lines += [next(stream) for _ in range(3)]
        rest = threading.Thread(target=lambda: lines.extend(stream))
        rest.start()
    rest.join(20)
    assert not rest.is_alive()
    assert lines == ["event: changed", "data: 2", "", "event: changed", "data: 3", ""]


def test_a_client_that_goes_away_frees_its_place() -> None:
    app = app_of(stocked())
    with serving(app) as address:
        stream = follow(address)
        assert next(stream) == "event: changed"
        assert app.streams.num_open == 1
        stream.close()  # type: ignore[attr-defined]
        deadline = time.monotonic() + 20
        while app.streams.num_open and time.monotonic() < deadline:
            time.sleep(0.05)
        assert app.streams.num_open == 0


def collected(streams: Streams, number: int) -> list[bytes]:
    async def run() -> list[bytes]:
        found: list[bytes] = []
        stream = streams.follow(None)
        while len(found) < number:
            found.append(await anext(stream))
        await stream.aclose()  # type: ignore[attr-defined]
        return found

    return asyncio.run(run())


def test_silence_is_broken_by_heartbeats_and_a_failing_store_ends_no_stream() -> None:
    store = stocked()
    streams = Streams(store, poll_seconds=0.01, heartbeat_seconds=0.02)
    assert collected(streams, 3)[1:] == [b": still here\n\n"] * 2
    store.failure = StoreError("Expected a store, got none. Try later.")
    streams = Streams(store, poll_seconds=0.01, heartbeat_seconds=0.02)
    assert collected(streams, 1) == [b": still here\n\n"]
    assert streams.num_open == 0


def test_streams_of_one_run_share_one_look_at_the_store() -> None:
    store = stocked()
    streams = Streams(store, poll_seconds=60.0)

    async def run() -> tuple[list[bytes], int]:
        both = [streams.follow("a"), streams.follow("a")]
        first = await anext(both[0])
        store.failure = StoreError("Expected a store, got none. Try later.")
        found = [first, await anext(both[1])]
        await both[0].aclose()  # type: ignore[attr-defined]
        left = streams.num_open
        await both[1].aclose()  # type: ignore[attr-defined]
        return found, left

    assert asyncio.run(run()) == ([b"event: changed\ndata: 2\n\n"] * 2, 1)
    assert streams.num_open == 0


def test_streams_are_counted_and_bounded(store: StandIn) -> None:
    app: Application = app_of(store)
    app.streams.num_open = 100
    with serving(app) as address:
        answer = httpx.get(f"http://127.0.0.1:{address[1]}/v1/events", headers=WRITE)
        app.streams.num_open = 0
    assert answer.status_code == 429
    assert answer.json()["detail"].startswith("Expected at most 100 open streams")


def test_a_taken_port_is_said() -> None:
    with (
        bind("127.0.0.1", 0) as listener,
        pytest.raises(ConfigurationError, match="Expected a free address to serve at"),
    ):
        bind("127.0.0.1", listener.getsockname()[1])
