"""Who may do what: everybody who bears the token everything, without one only reads, on loopback.

Programs send `Authorization: Bearer <token>`; browsers, which cannot set headers on navigation, ask
for a password (HTTP Basic, any user name).
"""

import base64
import binascii
import hmac
from http import HTTPStatus

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.service.guard.asgi import READS, Refusal, Scope, values_of
from grokwatch.monitor.service.guard.hosts import is_loopback

OPEN_PATHS = frozenset({"/healthz"})
"""What is answered to anybody; it says nothing but whether the service is well."""

SHORTEST_TOKEN = 32

_UNKNOWN = Refusal(
    status=HTTPStatus.UNAUTHORIZED,
    detail="Expected the service's token, got none or another. "
    "Try 'Authorization: Bearer <token>', or the token as password of any user.",
    headers=((b"www-authenticate", b'Basic realm="grokwatch", charset="UTF-8"'),),
)
_READ_ONLY = Refusal(
    status=HTTPStatus.FORBIDDEN,
    detail="Expected a read: without a token this service takes no writes. "
    "Try starting it with GROKWATCH_TOKEN, or GROKWATCH_TOKEN_FILE, of 32 characters or more.",
)


def check_token(token: str | None, host: str) -> None:
    """See that an address may be listened on with this token, or without one.

    Args:
        token: what requests must bear; None for none.
        host: address to listen on.

    Raises:
        ConfigurationError: the token is short, or missing where others can reach the address.
    """
    if token is None and not is_loopback(host):
        msg = (
            f"Expected a token to listen on {host!r}, got none. Try GROKWATCH_TOKEN or "
            "GROKWATCH_TOKEN_FILE with what 'openssl rand -hex 32' prints, or host 127.0.0.1."
        )
        raise ConfigurationError(msg)
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii()):
        msg = (
            f"Expected a token of at least {SHORTEST_TOKEN} ASCII characters, got one that is "
            "not. Try 'openssl rand -hex 32'."
        )
        raise ConfigurationError(msg)


def given_token(authorization: bytes) -> bytes:
    """Read the token that a request bears.

    Args:
        authorization: value of the header.

    Returns:
        The bearer token, or the password of Basic; empty where there is neither.

    Example:
        >>> given_token(b"Basic YW5uOnNlY3JldA=="), given_token(b"bearer secret")
        (b'secret', b'secret')
    """
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return credentials.strip()
    if scheme.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


class TokenRule:
    """Refuses requests that do not bear the token.

    Args:
        token: what they must bear; None lets every read through and no write.
    """

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode()

    def __call__(self, scope: Scope) -> Refusal | None:
        """Judge the Authorization header."""
        is_read = scope["method"] in READS
        if is_read and scope["path"] in OPEN_PATHS:
            return None
        if self._token is None:
            return None if is_read else _READ_ONLY
        given = values_of(scope, b"authorization")
        token = given_token(given[0]) if len(given) == 1 else b""
        return None if hmac.compare_digest(token, self._token) else _UNKNOWN
