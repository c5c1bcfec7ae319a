"""Writes come from programs, or from the service's own pages: never from a foreign page.

A form or an image cannot set `X-Grokwatch`; a script elsewhere that sets it is stopped by its
browser, which asks first and is given no leave. What browsers say of themselves is checked too.
"""

from http import HTTPStatus

from grokwatch.monitor.service.guard.asgi import READS, Refusal, Scope, values_of
from grokwatch.monitor.service.guard.hosts import split_host

WRITE_HEADER = "X-Grokwatch"
WRITE_VALUE = "1"

_PORTS = {"http": 80, "https": 443}
_NO_HEADER = Refusal(
    status=HTTPStatus.FORBIDDEN,
    detail=f"Expected the header '{WRITE_HEADER}: {WRITE_VALUE}' on a write, got none. "
    "Try adding it; it shows that no foreign page sent this.",
)
_FOREIGN = Refusal(
    status=HTTPStatus.FORBIDDEN,
    detail="Expected a write from a program or from the service's own page, got one from another "
    "origin. Try the service's own page.",
)


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an Origin names the host that was asked.

    The scheme may differ: a proxy may speak TLS for the service.

    Args:
        origin: value of the Origin header.
        host: value of the Host header.

    Returns:
        True for the same name and port.

    Example:
        >>> is_same_origin("https://a.test", "a.test:443"), is_same_origin("null", "null")
        (True, False)
    """
    scheme, separator, authority = origin.partition("://")
    theirs, ours = split_host(authority), split_host(host)
    if not separator or scheme not in _PORTS or theirs is None or ours is None:
        return False
    port = _PORTS[scheme]
    return (theirs[0], theirs[1] or port) == (ours[0], ours[1] or port)


def check_write(scope: Scope) -> Refusal | None:
    """Refuse a write without the header, or from another origin."""
    if scope["method"] in READS:
        return None
    if values_of(scope, WRITE_HEADER.lower().encode()) != [WRITE_VALUE.encode()]:
        return _NO_HEADER
    sites = values_of(scope, b"sec-fetch-site")
    if any(site != b"same-origin" for site in sites):
        return _FOREIGN
    host = values_of(scope, b"host")[0].decode("latin-1")
    origins = [value.decode("latin-1") for value in values_of(scope, b"origin")]
    return None if all(is_same_origin(origin, host) for origin in origins) else _FOREIGN
