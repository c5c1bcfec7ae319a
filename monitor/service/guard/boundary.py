"""The last net: what nobody caught becomes a 500 of constant text, and a line in the log."""

import logging
from http import HTTPStatus

from grokwatch.monitor.service.guard.asgi import App, Message, Receive, Refusal, Scope, Send, refuse

FAULT = "The service failed; its log says why. Try again later."

_LOG = logging.getLogger(__name__)


class Boundary:
    """Answers for an application that raised.

    Args:
        app: what may raise.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, whatever happens."""
        has_started = False

        async def send_noting(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception:
            if scope["type"] != "http" or has_started:
                raise
            _LOG.exception("A request to %s failed", scope.get("path_template", "an unknown route"))
            await refuse(send, Refusal(status=HTTPStatus.INTERNAL_SERVER_ERROR, detail=FAULT))
