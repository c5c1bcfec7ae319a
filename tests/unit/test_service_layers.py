import asyncio
import logging
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import pytest

from grokwatch.monitor.service.guard.asgi import App, Receive, Scope, Send
from grokwatch.monitor.service.guard.boundary import FAULT, Boundary
from grokwatch.monitor.service.guard.layers import guarded
from grokwatch.monitor.service.requests import RequestCounter

START = {"type": "http.response.start", "status": 200, "headers": []}
HTTP = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}


def sent_by(app: App, scope: dict[str, Any]) -> list[MutableMapping[str, Any]]:
    """What an application sends for a scope."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    return sent


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    await send(dict(START))
    await send({"type": "http.response.body", "body": b""})


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("secret")


async def failing_late(scope: Scope, receive: Receive, send: Send) -> None:
    await send(dict(START))
    raise RuntimeError("secret")


async def listening(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "seen", "scope": scope["type"]})


def behind_guard(app: App) -> App:
    return guarded(app, token=None, hosts=frozenset({"localhost"}), requests_per_second=100.0)


def test_a_web_socket_is_closed() -> None:
    sent = sent_by(behind_guard(listening), {**HTTP, "type": "websocket"})
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_the_start_and_the_stop_of_a_server_pass() -> None:
    sent = sent_by(behind_guard(listening), {"type": "lifespan"})
    assert sent == [{"type": "seen", "scope": "lifespan"}]


def test_what_nobody_caught_is_a_constant_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        sent = sent_by(behind_guard(failing), dict(HTTP))
    assert sent[0]["status"] == 500
    assert FAULT.encode() in sent[1]["body"]
    assert b"secret" not in sent[1]["body"]
    assert "secret" in caplog.text


def test_an_answer_that_began_is_broken_off() -> None:
    with pytest.raises(RuntimeError, match="secret"):
        sent_by(Boundary(failing_late), dict(HTTP))


def test_a_client_that_goes_away_while_it_writes_is_not_answered() -> None:
    headers = [(b"host", b"localhost"), (b"x-grokwatch", b"1"), (b"authorization", b"Bearer x")]
    app = guarded(listening, token="x", hosts=frozenset({"localhost"}), requests_per_second=100.0)
    assert sent_by(app, {**HTTP, "method": "POST", "headers": headers}) == []


def test_answers_are_counted_by_route() -> None:
    counts: Counter[tuple[str, int]] = Counter()
    app = RequestCounter(answering, counts)
    sent_by(app, {**HTTP, "path_template": "/a/{b}"})
    sent_by(app, dict(HTTP))
    assert counts == {("/a/:b", 200): 1, ("-", 200): 1}
