"""How the API answers: JSON with text for floats that JSON lacks, and errors that say what to try.

What a client did wrong is told; what the service did wrong goes to its log, and the client reads a
constant text.
"""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap, Serializer

from grokwatch.monitor.errors import ConflictError, StoreError, WireError
from grokwatch.monitor.service.guard.boundary import FAULT
from grokwatch.monitor.wire import freeze

AnyRequest = Request[Any, Any, Any]

RETRY_SECONDS = 5

_LOG = logging.getLogger(__name__)
_BY_STATUS = {
    HTTPStatus.NOT_FOUND: "Expected an address of this service, got another. "
    "Try /openapi.json, which lists them.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Expected a method that this address takes, got another. "
    "Try one that the Allow header lists.",
}


class Fault(msgspec.Struct, frozen=True):
    """Why a request failed, and what to try."""

    detail: str


class JsonResponse(Response[Any]):
    """JSON in which "nan", "inf" and "-inf" stand for floats that JSON lacks."""

    def render(self, content: Any, media_type: str, enc_hook: Serializer = repr) -> bytes:
        """Write the content; text and bytes as they are."""
        if isinstance(content, bytes):
            return content
        if isinstance(content, str) and media_type != "application/json":
            return content.encode()
        return msgspec.json.encode(freeze(msgspec.to_builtins(content)))


def fault(status: int, detail: str, headers: dict[str, str] | None = None) -> Response[Any]:
    """Make the answer to a request that failed.

    Args:
        status: HTTP status.
        detail: what was expected, what came, what to try.
        headers: further ones.

    Returns:
        The answer.
    """
    return JsonResponse(
        Fault(detail), status_code=status, headers=headers or {}, media_type="application/json"
    )


def _on_http(request: AnyRequest, error: HTTPException) -> Response[Any]:
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _on_any(request, error)
    status = HTTPStatus(error.status_code)
    is_default = error.detail in {status.phrase, ""}
    detail = _BY_STATUS.get(status, error.detail) if is_default else error.detail
    if isinstance(error, ValidationException):
        detail = _described(error)
    headers = {
        name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"
    }
    return fault(status, detail, headers)


def _described(error: ValidationException) -> str:
    found = error.extra if isinstance(error.extra, list) else []
    parts = [f"{each.get('key', '?')}: {each.get('message', '?')}" for each in found]
    told = "; ".join(parts)[:500] or "others"
    return f"Expected other parameters, got wrong ones ({told}). Try /openapi.json."


def _on_wrong(_: AnyRequest, error: WireError) -> Response[Any]:
    return fault(HTTPStatus.BAD_REQUEST, str(error))


def _on_conflict(_: AnyRequest, error: ConflictError) -> Response[Any]:
    return fault(HTTPStatus.CONFLICT, str(error))


def _on_store(_: AnyRequest, error: StoreError | TimeoutError) -> Response[Any]:
    _LOG.warning("The store did not answer: %s", error)
    detail = (
        "Expected the store to answer, got a failure or too much at once. "
        f"Try again in {RETRY_SECONDS} s."
    )
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return fault(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers)


def _on_any(request: AnyRequest, error: Exception) -> Response[Any]:
    _LOG.error("A request to %s failed", request.scope.get("path_template"), exc_info=error)
    return fault(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT)


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    HTTPException: _on_http,
    WireError: _on_wrong,
    ConflictError: _on_conflict,
    StoreError: _on_store,
    TimeoutError: _on_store,
    Exception: _on_any,
}
