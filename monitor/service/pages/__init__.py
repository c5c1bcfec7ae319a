"""The pages: every run at a glance, one run in depth, runs side by side, and the alerts.

Drawn on the server from what the store answers, so that they say what they have to say without a
script; scripts draw charts and keep pages fresh. Nothing is fetched from another host.
"""

import time
from collections.abc import Callable

from litestar import Router

from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.service.pages.alerts_page import alerts_route
from grokwatch.monitor.service.pages.assets import addresses, read_assets, static_route
from grokwatch.monitor.service.pages.compare_page import compare_route
from grokwatch.monitor.service.pages.error_pages import make_draw_error
from grokwatch.monitor.service.pages.list_page import list_route
from grokwatch.monitor.service.pages.rendering import Renderer
from grokwatch.monitor.service.pages.run_page import run_route
from grokwatch.monitor.service.ports import Courier, Reader


def make_renderer(clock: Callable[[], float] = time.time) -> Renderer:
    """Build what draws pages."""
    return Renderer(addresses(read_assets()), clock=clock)


def make_error_pages() -> Callable[[int, str], bytes]:
    """Build what draws the application's error pages."""
    return make_draw_error(make_renderer())


def make_pages(
    reader: Reader,
    courier: Courier | None,
    section: ServiceSection,
    *,
    clock: Callable[[], float] = time.time,
) -> list[Router]:
    """Build the routes of all pages and of their static files.

    Args:
        reader: answers what is shown.
        courier: carries messages to hooks; without one nothing can be sent again.
        section: says where runs are pushed to.
        clock: seconds since the epoch.

    Returns:
        Routers for the application's `route_handlers`.
    """
    render = make_renderer(clock)
    can_resend = courier is not None
    handlers = [
        list_route(reader, render, section),
        run_route(reader, render, can_resend=can_resend),
        compare_route(reader, render),
        alerts_route(reader, render, can_resend=can_resend),
        static_route(read_assets()),
    ]
    return [Router("/", route_handlers=handlers)]
