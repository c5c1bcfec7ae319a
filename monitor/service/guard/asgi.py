"""The few words of ASGI that the guard is written in, and how it refuses."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

READS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a request goes no further.

    Attributes:
        status: of the answer.
        detail: what was expected, what came, and what to try; holds no secret.
        headers: further ones of the answer.
    """

    status: HTTPStatus
    detail: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


def values_of(scope: Scope, name: bytes) -> list[bytes]:
    """Values of a header, one for each time it came.

    Args:
        scope: of the request.
        name: in lower case.

    Returns:
        The values, in order.
    """
    return [value for key, value in scope["headers"] if key.lower() == name]


async def refuse(send: Send, refusal: Refusal) -> None:
    """Answer with a refusal, and close the connection: more of the request may be under way.

    Args:
        send: of the request.
        refusal: what to say.
    """
    body = msgspec.json.encode({"detail": refusal.detail})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *refusal.headers,
    ]
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
