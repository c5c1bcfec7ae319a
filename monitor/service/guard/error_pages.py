"""Answers a browser with a page where a program gets JSON: refusals and failures of every kind."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from grokwatch.monitor.service.guard.asgi import App, Message, Receive, Scope, Send, values_of

DrawError: TypeAlias = Callable[[int, str], bytes]
"""Draws the page of a status, given what the answer says of it."""

_KIND = b"content-type"
_REPLACED = frozenset({_KIND, b"content-length"})


class ErrorPages:
    """Turns errors in JSON into pages for those who ask for pages; their other headers stay.

    Args:
        app: what answers.
        draw: draws the pages.
    """

    def __init__(self, app: App, draw: DrawError) -> None:
        self._app = app
        self._draw = draw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with a page where one is asked for."""
        is_person = scope["type"] == "http" and wants_page(scope)
        await self._app(scope, receive, _Turning(send, self._draw) if is_person else send)


class _Turning:
    """Sends one answer on; an error waits until it is whole."""

    def __init__(self, send: Send, draw: DrawError) -> None:
        self._send = send
        self._draw = draw
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_error(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        page = self._draw(start["status"], _detail(self._body))
        kept = [each for each in start["headers"] if each[0].lower() not in _REPLACED]
        kind = [(_KIND, b"text/html; charset=utf-8"), (b"content-length", str(len(page)).encode())]
        await self._send({**start, "headers": [*kept, *kind]})
        await self._send({"type": "http.response.body", "body": page, "more_body": False})


def wants_page(scope: Scope) -> bool:
    """Whether a person asks with a browser, rather than a program."""
    return any(b"text/html" in value for value in values_of(scope, b"accept"))


def _is_error(start: Message) -> bool:
    kinds = [value for name, value in start.get("headers", ()) if name.lower() == _KIND]
    return start["status"] >= 400 and any(b"json" in kind for kind in kinds)


def _detail(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict[str, object]).get("detail", ""))
    except msgspec.DecodeError:
        return ""
