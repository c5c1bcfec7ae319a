"""`/openapi.json`: what the API takes and gives, written from its handlers when first asked for."""

import functools
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Litestar, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig

from grokwatch.monitor.service.api.answers import Fault
from grokwatch.monitor.service.api.batches import JSON, MESSAGE_PACK
from grokwatch.monitor.service.guard.writes import WRITE_HEADER, WRITE_VALUE
from grokwatch.monitor.service.views import Batch

_NON_FINITE = {"type": "string", "enum": ["nan", "inf", "-inf"]}
_REFERENCE = "#/components/schemas/{name}"
_FAULT = {
    "description": "Why the request failed, and what to try.",
    "content": {JSON: {"schema": {"$ref": _REFERENCE.format(name="Fault")}}},
}
_WRITE_PARAMETER = {
    "name": WRITE_HEADER,
    "in": "header",
    "required": True,
    "description": "shows that no foreign page sent the request",
    "schema": {"type": "string", "enum": [WRITE_VALUE]},
}
_BATCH = {
    "required": True,
    "description": "Records of one run, in order; gzip is taken.",
    "content": {
        JSON: {"schema": {"$ref": _REFERENCE.format(name="Batch")}},
        MESSAGE_PACK: {"schema": {"type": "string", "format": "binary"}},
    },
}
_SECURITY = {
    "token": {"type": "http", "scheme": "bearer"},
    "password": {"type": "http", "scheme": "basic"},
}


class Description:
    """Describes the API.

    Args:
        handlers: the routes to describe.
        version: of grokwatch.
    """

    def __init__(self, handlers: Sequence[HTTPRouteHandler], version: str) -> None:
        self._handlers = list(handlers)
        self._version = version

    def show(self) -> dict[str, Any]:
        """What the API takes and gives, as OpenAPI 3.1."""
        return self.content

    @functools.cached_property
    def content(self) -> dict[str, Any]:
        """The description."""
        config = OpenAPIConfig(title="grokwatch", version=self._version)
        described = Litestar(self._handlers, openapi_config=config, logging_config=None)
        return finish(
            msgspec.json.decode(msgspec.json.encode(described.openapi_schema.to_schema()))
        )

    def handlers(self) -> list[HTTPRouteHandler]:
        """The routes."""
        return [get("/openapi.json", sync_to_thread=True, include_in_schema=False)(self.show)]


def finish(schema: dict[str, Any]) -> dict[str, Any]:
    """Add what the handlers do not show: bodies, faults, tokens, and text for some floats.

    Args:
        schema: what was written from the handlers.

    Returns:
        The whole description.
    """
    _, pushed = msgspec.json.schema_components([Batch, Fault], ref_template=_REFERENCE)
    components = schema.setdefault("components", {})
    components["schemas"] = _widen({**components.get("schemas", {}), **pushed})
    components["securitySchemes"] = _SECURITY
    schema["security"] = [{"token": []}, {"password": []}]
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            _finish_operation(operation, method)
        if path == "/healthz":
            item["get"]["security"] = []
    schema["paths"]["/v1/records"]["post"]["requestBody"] = _BATCH
    return schema


def _finish_operation(operation: dict[str, Any], method: str) -> None:
    operation["responses"].pop("400", None)
    operation["responses"]["default"] = _FAULT
    if method != "get":
        operation.setdefault("parameters", []).append(_WRITE_PARAMETER)


def _widen(value: Any) -> Any:
    """Let text stand for floats that JSON lacks; a number may be both integer and float."""
    if isinstance(value, list):
        return [_widen(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "number":
        return {"anyOf": [value, _NON_FINITE]}
    return {("anyOf" if key == "oneOf" else key): _widen(item) for key, item in value.items()}
