"""Asks one rule after the other; a request goes on when none refuses it."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from grokwatch.monitor.service.guard.asgi import App, Receive, Refusal, Scope, Send, refuse

Rule: TypeAlias = Callable[[Scope], Refusal | None]


class Gate:
    """Lets through what no rule refuses; web sockets are refused always.

    Args:
        app: what stands behind the gate.
        rules: asked in order; the first refusal is told.
    """

    def __init__(self, app: App, rules: Sequence[Rule]) -> None:
        self._app = app
        self._rules = tuple(rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            refusals = (rule(scope) for rule in self._rules)
            refusal = next((found for found in refusals if found), None)
            if refusal:
                await refuse(send, refusal)
                return
        await self._app(scope, receive, send)
