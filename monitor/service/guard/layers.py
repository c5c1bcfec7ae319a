"""Puts the guard together, from the outside in."""

import time
from collections.abc import Callable

from grokwatch.monitor.service.guard.asgi import App
from grokwatch.monitor.service.guard.bodies import Bodies, Limits
from grokwatch.monitor.service.guard.boundary import Boundary
from grokwatch.monitor.service.guard.error_pages import DrawError, ErrorPages
from grokwatch.monitor.service.guard.gate import Gate
from grokwatch.monitor.service.guard.headers import SecurityHeaders
from grokwatch.monitor.service.guard.hosts import HostRule
from grokwatch.monitor.service.guard.paths import check_path
from grokwatch.monitor.service.guard.rates import Buckets, RateRule
from grokwatch.monitor.service.guard.tokens import TokenRule
from grokwatch.monitor.service.guard.writes import check_write

_LIMITS = Limits()


def guarded(
    app: App,
    *,
    token: str | None,
    hosts: frozenset[str],
    requests_per_second: float,
    limits: Limits = _LIMITS,
    draw_error: DrawError | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> App:
    """Put an application behind the guard.

    Args:
        app: what is protected; everything in it, whatever its path.
        token: what requests must bear; None for reads alone, on loopback alone.
        hosts: names that requests may ask for.
        requests_per_second: what one address may ask for.
        limits: what a body may be.
        draw_error: draws error pages for browsers; without it they get JSON, as programs do.
        clock: monotonic seconds.

    Returns:
        The application to serve.
    """
    rules = (
        check_path,
        HostRule(hosts),
        RateRule(Buckets(requests_per_second, clock)),
        TokenRule(token),
        check_write,
    )
    answering: App = Boundary(Gate(Bodies(app, limits), rules))
    return SecurityHeaders(ErrorPages(answering, draw_error) if draw_error else answering)
