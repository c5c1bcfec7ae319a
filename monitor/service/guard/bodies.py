"""Takes in the body of a write before anything else sees it: bounded in bytes and in time."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from grokwatch.monitor.service.guard.asgi import (
    READS,
    App,
    Message,
    Receive,
    Refusal,
    Scope,
    Send,
    refuse,
    values_of,
)
from grokwatch.monitor.service.guard.inflate import inflate

_PATIENCE = 9  # times the limit that is read and thrown away, so that a refusal reaches its reader
_SLOW = Refusal(
    status=HTTPStatus.REQUEST_TIMEOUT,
    detail="Expected the whole body in time, got a part of it. Try smaller batches.",
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a body may be.

    Attributes:
        body: bytes, as sent.
        inflated: bytes, unpacked.
        ratio: unpacked bytes for each sent one.
        seconds: for the whole of it to arrive.
    """

    body: int = 1 << 20
    inflated: int = 8 << 20
    ratio: int = 100
    seconds: float = 15.0


class Bodies:
    """Reads, bounds and unpacks the body of a write; reads have none.

    Args:
        app: what is given the whole body at once.
        limits: what a body may be.
    """

    def __init__(self, app: App, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body, or refuse it."""
        if scope["type"] != "http" or scope["method"] in READS:
            await self._app(scope, receive, send)
            return
        body = await self._take(scope, receive)
        if isinstance(body, Refusal):
            await refuse(send, body)
        elif body is not None:
            scope["headers"] = _headers_of(scope, body)
            await self._app(scope, _replay(body, receive), send)

    async def _take(self, scope: Scope, receive: Receive) -> bytes | Refusal | None:
        """The body, a refusal, or None where the client went away."""
        encodings = values_of(scope, b"content-encoding")
        is_packed = encodings == [b"gzip"]
        if encodings and encodings != [b"identity"] and not is_packed:
            return _unknown(encodings)
        if _declared(scope) > self._limits.body * _PATIENCE:
            return self._too_large()
        try:
            async with asyncio.timeout(self._limits.seconds):
                body = await self._read(receive)
        except TimeoutError:
            return _SLOW
        if not is_packed or not isinstance(body, bytes):
            return body
        limit, ratio = self._limits.inflated, self._limits.ratio
        return await asyncio.to_thread(inflate, body, limit=limit, ratio=ratio)

    async def _read(self, receive: Receive) -> bytes | Refusal | None:
        parts, size, limit = [], 0, self._limits.body
        while size <= limit * _PATIENCE:
            message = await receive()
            if message["type"] != "http.request":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size <= limit:
                parts.append(part)
            if not message.get("more_body", False):
                break
        return b"".join(parts) if size <= limit else self._too_large()

    def _too_large(self) -> Refusal:
        return Refusal(
            status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            detail=f"Expected a body of at most {self._limits.body} bytes, got more. "
            "Try smaller batches, or gzip.",
        )


def _unknown(encodings: list[bytes]) -> Refusal:
    named = b", ".join(encodings)[:40].decode("latin-1")
    return Refusal(
        status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        detail=f"Expected a body as it is or one gzip stream, got {named!r}. "
        "Try 'Content-Encoding: gzip'.",
    )


def _declared(scope: Scope) -> int:
    """Content-Length, 0 where it says none."""
    texts = values_of(scope, b"content-length")
    return int(texts[0]) if texts and texts[0].isdigit() and len(texts[0]) < 20 else 0


def _headers_of(scope: Scope, body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of the body as it is handed on."""
    stale = {b"content-encoding", b"content-length", b"transfer-encoding"}
    kept = [(name, value) for name, value in scope["headers"] if name.lower() not in stale]
    return [*kept, (b"content-length", str(len(body)).encode())]


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand out the body, then whatever comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
