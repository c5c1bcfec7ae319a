"""Counts requests by route and status; what was asked for in other words is one route, `-`."""

from collections import Counter

from grokwatch.monitor.service.guard.asgi import App, Message, Receive, Scope, Send

UNROUTED = "-"


class RequestCounter:
    """Counts what an application answers.

    Args:
        app: what answers.

    Attributes:
        counts: how many, by (route's template, status).
    """

    def __init__(self, app: App, counts: Counter[tuple[str, int]]) -> None:
        self._app = app
        self.counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and count."""

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The template, never the path: a client must not choose our labels.
                route = scope.get("path_template") or UNROUTED
                route = route.replace("{", ":").replace("}", "")  # braces are no label's
                self.counts[route, message["status"]] += 1
            await send(message)

        await self._app(scope, receive, send_counted)
