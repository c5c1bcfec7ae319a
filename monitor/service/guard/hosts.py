"""Which names the service answers to, so that no foreign page reads it through its own name."""

import ipaddress
import re
import urllib.parse
from collections.abc import Iterable
from http import HTTPStatus

from grokwatch.monitor.service.guard.asgi import Refusal, Scope, values_of

LOOPBACK = ("localhost", "127.0.0.1", "::1")

_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")


def split_host(text: str) -> tuple[str, int | None] | None:
    """Read `name[:port]`, as a Host header has it.

    Args:
        text: the header's value.

    Returns:
        The name in lower case without brackets, and the port; None where it is neither.

    Example:
        >>> split_host("[::1]:80"), split_host("LOCALHOST"), split_host("a@b")
        (('::1', 80), ('localhost', None), None)
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None or int(found[3] or 0) > 65535:
        return None
    return (found[1] or found[2]).lower(), int(found[3]) if found[3] else None


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0"), is_loopback("localhost")
        (True, False, True)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def allowed_hosts(host: str, public_url: str, hosts: Iterable[str]) -> frozenset[str]:
    """Names that requests may ask for.

    Args:
        host: address that the service listens on; one that stands for all is no name.
        public_url: address that people reach it by; may be empty.
        hosts: further names, as configured.

    Returns:
        The names in lower case, those of loopback among them.
    """
    public = urllib.parse.urlsplit(public_url).hostname or ""
    names = {name.lower().strip("[]") for name in (*LOOPBACK, host, public, *hosts)}
    return frozenset(names - {"", "0.0.0.0", "::", "*"})


class HostRule:
    """Refuses requests for other names, without a name, or with two.

    Args:
        names: what is allowed, in lower case.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def __call__(self, scope: Scope) -> Refusal | None:
        """Judge the Host header."""
        given = values_of(scope, b"host")
        host = split_host(given[0].decode("latin-1")) if len(given) == 1 else None
        if host is None:
            return Refusal(
                status=HTTPStatus.BAD_REQUEST,
                detail=f"Expected one Host header with a name and a port, got {len(given)} headers "
                "or another form. Try the address that the service prints when it starts.",
            )
        if host[0] in self._names:
            return None
        return Refusal(
            status=HTTPStatus.FORBIDDEN,
            detail=f"Expected a known Host, got {host[0][:100]!r}. "
            "Try adding it to hosts in [service], or to GROKWATCH_SERVICE_HOSTS.",
        )
