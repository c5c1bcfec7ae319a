"""What every answer tells a browser: run nothing foreign, frame nothing, guess nothing, keep it."""

from grokwatch.monitor.service.guard.asgi import App, Message, Receive, Scope, Send

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
CHARTS_POLICY = CONTENT_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""The policy of pages that draw charts, which set styles; such a page sets this very header."""

_POLICIES = frozenset({CONTENT_POLICY.encode(), CHARTS_POLICY.encode()})
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def with_security(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add what every answer carries.

    Args:
        headers: of an answer, their names in lower case.

    Returns:
        The headers; a policy that is none of ours gives way to the strict one, and nothing is
        stored that does not say for how long.
    """
    given = dict(headers)
    policy = given.get(b"content-security-policy", b"")
    fixed = {name for name, _ in _ALWAYS} | {b"content-security-policy", b"server"}
    kept = [(name, value) for name, value in headers if name not in fixed]
    if b"cache-control" not in given:
        kept.append((b"cache-control", b"no-store"))
    strict = policy if policy in _POLICIES else CONTENT_POLICY.encode()
    return [*kept, *_ALWAYS, (b"content-security-policy", strict)]


class SecurityHeaders:
    """Adds the headers to every answer, refusals among them.

    Args:
        app: what answers.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the headers."""

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [(name.lower(), value) for name, value in message.get("headers", [])]
                message = {**message, "headers": with_security(given)}
            await send(message)

        await self._app(scope, receive, send_secured)
