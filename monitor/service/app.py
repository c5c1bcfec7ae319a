"""The service's web side: the API, the metrics and the pages, behind one guard."""

import importlib.metadata
from collections import Counter
from collections.abc import Sequence
from typing import cast

from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler

from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.service.api.alerts import Alerts
from grokwatch.monitor.service.api.answers import EXCEPTION_HANDLERS, JsonResponse
from grokwatch.monitor.service.api.description import Description
from grokwatch.monitor.service.api.events import Streams
from grokwatch.monitor.service.api.health import Condition
from grokwatch.monitor.service.api.records import Records
from grokwatch.monitor.service.api.runs import Runs
from grokwatch.monitor.service.exposition.page import Exposition
from grokwatch.monitor.service.guard.asgi import App, Receive, Scope, Send
from grokwatch.monitor.service.guard.bodies import Limits
from grokwatch.monitor.service.guard.error_pages import DrawError
from grokwatch.monitor.service.guard.hosts import allowed_hosts
from grokwatch.monitor.service.guard.layers import guarded
from grokwatch.monitor.service.guard.tokens import check_token
from grokwatch.monitor.service.ports import Courier, Intake, Reader
from grokwatch.monitor.service.requests import RequestCounter

_LIMITS = Limits()


class Application:
    """What a server is given; `close` ends the streams that would keep it from stopping.

    Args:
        app: answers.
        routes: every route's template and its methods.
        streams: of changes.

    Attributes:
        routes: every route's template and its methods, for tests to walk.
        streams: of changes.
    """

    def __init__(
        self, app: App, routes: Sequence[tuple[str, frozenset[str]]], streams: Streams
    ) -> None:
        self._app = app
        self.routes = tuple(routes)
        self.streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await self._app(scope, receive, send)

    def close(self) -> None:
        """End every stream; called from the server's loop when it stops."""
        self.streams.close()


def make_app(
    *,
    reader: Reader,
    intake: Intake,
    courier: Courier,
    section: ServiceSection,
    token: str | None,
    pages: Sequence[HTTPRouteHandler | Router] = (),
    draw_error: DrawError | None = None,
    limits: Limits = _LIMITS,
) -> Application:
    """Put the web side together.

    Args:
        reader: of the store.
        intake: into it.
        courier: to hooks.
        section: the configuration.
        token: what requests must bear; None for reads alone, on loopback alone.
        pages: routes for people.
        draw_error: draws error pages for people.
        limits: what a body may be.

    Returns:
        The application to serve.

    Raises:
        ConfigurationError: the token is short, or missing where others can reach the address.
    """
    check_token(token, section.host)
    requests: Counter[tuple[str, int]] = Counter()
    streams = Streams(reader)
    described: list[HTTPRouteHandler] = [
        *Records(intake).handlers(),
        *Runs(reader).handlers(),
        *Alerts(reader, courier).handlers(),
        *streams.handlers(),
        *Condition(reader, intake).handlers(),
        *Exposition(reader, intake, courier, requests, top=section.top_runs).handlers(),
    ]
    description = Description(described, importlib.metadata.version("grokwatch"))
    routed = _routed([*described, *description.handlers(), *pages])
    app = guarded(
        cast("App", routed),
        token=token,
        hosts=allowed_hosts(section.host, section.public_url, section.hosts),
        requests_per_second=section.requests_per_second,
        limits=limits,
        draw_error=draw_error,
    )
    routes = [(route.path, frozenset(getattr(route, "methods", ()))) for route in routed.routes]
    return Application(RequestCounter(app, requests), routes, streams)


def _routed(handlers: Sequence[HTTPRouteHandler | Router]) -> Litestar:
    return Litestar(
        handlers,
        response_class=JsonResponse,
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=None,
        logging_config=None,
        debug=False,
        request_max_body_size=_LIMITS.inflated,
    )
