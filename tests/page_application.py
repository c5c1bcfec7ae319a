"""The whole web side, pages and API behind the guard, over a stand-in of the store."""

from typing import Any

import httpx

from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.service.app import Application
from grokwatch.monitor.service.pages import make_error_pages, make_pages
from grokwatch.monitor.service.ports import Reader
from tests.page_stories import NOW
from tests.service_stand_in import StandIn, StandInCourier
from tests.service_web import BEARER, app_of, ask

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


def page_app(
    reader: Reader, store: StandIn | None = None, *, can_resend: bool = True, **settings: Any
) -> Application:
    """The web side as it is served; `store` takes what is written, and notes what is sent."""
    store = store or StandIn()
    pages = make_pages(
        reader, StandInCourier(store) if can_resend else None, ServiceSection(), clock=lambda: NOW
    )
    return app_of(store, reader=reader, pages=pages, draw_error=make_error_pages(), **settings)


class Visitor:
    """Asks as a browser does whose user gave the token.

    Args:
        app: is asked.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    def get(
        self, path: str, *, headers: dict[str, str] | None = None, **rest: Any
    ) -> httpx.Response:
        """What is at an address."""
        return ask(self._app, "GET", path, headers={**BEARER, **BROWSER, **(headers or {})}, **rest)
