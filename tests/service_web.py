"""Asks the service's web side, with or without a socket; what several test files need."""

import asyncio
import contextlib
import socket
import threading
import urllib.parse
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, cast

import httpx
from litestar import Router

from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import Alert, AnyRecord, Evaluation, Observation, RunStarted
from grokwatch.monitor.records import SignalInfo as Info
from grokwatch.monitor.service.app import Application, make_app
from grokwatch.monitor.service.guard.bodies import Limits
from grokwatch.monitor.service.guard.error_pages import DrawError
from grokwatch.monitor.service.ports import Reader
from grokwatch.monitor.service.serving import bind, make_server
from grokwatch.monitor.service.views import Batch
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity
from tests.service_stand_in import StandIn, StandInCourier, StandInIntake

TOKEN = "0123456789abcdef0123456789abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
WRITE = {**BEARER, "X-Grokwatch": "1"}
ALERT_ID = "1f" * 16


def started(run_id: str = "a", name: str = "", **rest: Any) -> RunStarted:
    signals = (Info(name="entropy", unit="nats", summary="Flat\nor <not>."),)
    return RunStarted(run_id=run_id, seq=1, time=0.0, name=name, signals=signals, **rest)


def observed(run_id: str = "a", seq: int = 2, **rest: Any) -> Observation:
    values = {"entropy@input": 2.0, "weight_norm": 3.0, **rest.pop("values", {})}
    loss = rest.pop("train_loss", 0.5)
    return Observation(
        run_id=run_id, seq=seq, step=seq, time=1.0, train_loss=loss, values=values, **rest
    )


def stocked() -> StandIn:
    """A store with a run that has values of every kind, and an alert of it."""
    store = StandIn()
    put(store, started(), observed(), observed(seq=3, train_loss=float("nan")))
    put(store, Evaluation(run_id="a", seq=4, step=3, time=2.0, test_accuracy=0.5))
    store.notices[ALERT_ID] = Notice(alert=alert_of("a"), name="a")
    return store


def put(store: StandIn, *records: AnyRecord) -> None:
    store.store(Batch(records=records))


def alert_of(run_id: str) -> Alert:
    return Alert(
        run_id=run_id,
        id=ALERT_ID,
        code=AlertCode.COLLAPSE,
        episode=1,
        severity=Severity.WARNING,
        state=AlertState.FIRING,
        step=3,
        time=float("inf"),
        message="a: collapsing",
    )


def app_of(
    store: StandIn,
    *,
    token: str | None = TOKEN,
    limits: Limits | None = None,
    reader: Reader | None = None,
    pages: Sequence[Router] = (),
    draw_error: DrawError | None = None,
    **settings: Any,
) -> Application:
    return make_app(
        reader=reader or store,
        intake=StandInIntake(store),
        courier=StandInCourier(store),
        section=ServiceSection(**{"requests_per_second": 100_000.0, **settings}),
        token=token,
        limits=limits or Limits(),
        pages=pages,
        draw_error=draw_error,
    )


def ask(app: object, method: str, path: str, **rest: Any) -> httpx.Response:
    """One request, without a socket."""
    return ask_all(app, [{"method": method, "url": path, **rest}])[0]


def ask_all(app: object, requests: Sequence[dict[str, Any]]) -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(cast("Any", app))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [await client.request(**request) for request in requests]

    return asyncio.run(run())


def ask_raw(app: Application, paths: Sequence[str], authorization: str = "") -> list[int]:
    """Statuses of paths exactly as they are spelled, which a client would tidy up."""
    headers = [(b"host", b"localhost"), (b"authorization", authorization.encode())]
    headers = headers if authorization else headers[:1]

    async def run() -> list[int]:
        return [await _status(app, path, headers) for path in paths]

    return asyncio.run(run())


async def _status(app: Application, target: str, headers: list[tuple[bytes, bytes]]) -> int:
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": urllib.parse.unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return statuses[0]


@contextlib.contextmanager
def serving(app: Application) -> Iterator[tuple[str, int]]:
    """A real server on a free port, until the end of the block."""
    listener = bind("127.0.0.1", 0)
    server = make_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
        assert not thread.is_alive()


def exchange(address: tuple[str, int], *parts: bytes) -> bytes:
    """Send bytes as they are, and read until the server closes."""
    with socket.create_connection(address, timeout=20) as raw:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                raw.sendall(part)
        received = bytearray()
        with contextlib.suppress(ConnectionError):
            while part := raw.recv(65536):
                received += part
    return bytes(received)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])
