"""One spelling of every path: what is written any other way is refused before it is routed.

No address of the service needs an escaped character, so there is nothing to decode, and nobody can
decode it differently.
"""

import re
from http import HTTPStatus

from grokwatch.monitor.service.guard.asgi import Refusal, Scope

_PLAIN = re.compile(rb"/|(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,255}){1,12}")
_REFUSAL = Refusal(
    status=HTTPStatus.BAD_REQUEST,
    detail="Expected a path of letters, digits and '. _ ~ -' between single slashes, got another. "
    "Try it without escapes, empty segments, leading dots or a slash at its end.",
)


def is_plain(path: bytes) -> bool:
    """Whether a path is spelled the one way that is allowed.

    Args:
        path: as it came, undecoded and without the query.

    Returns:
        True where every reader of it sees the same path.

    Example:
        >>> is_plain(b"/v1/runs"), is_plain(b"/v1//runs"), is_plain(b"/v1/%2e%2e/runs")
        (True, False, False)
    """
    return _PLAIN.fullmatch(path) is not None


def check_path(scope: Scope) -> Refusal | None:
    """Refuse a path that is not plain, or that was decoded to another one."""
    path: str = scope["path"]
    raw = scope.get("raw_path") or path.encode("utf-8", "replace")
    is_same = raw == path.encode("utf-8", "replace") and not scope.get("root_path")
    return None if is_same and is_plain(raw) else _REFUSAL
