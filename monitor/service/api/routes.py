"""How a method of ours becomes a route: blocking ones run in threads, each has a name."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.utils.predicates import is_async_callable

JSON = "application/json"


def reads(
    path: str, name: str, answer: Callable[..., Any], *, media_type: str = JSON
) -> HTTPRouteHandler:
    """Make a route that answers GET.

    Args:
        path: its template.
        name: in the API's description.
        answer: gives the answer.
        media_type: of the answer.

    Returns:
        The route.
    """
    handler = get(
        path,
        name=name,
        operation_id=name,
        media_type=media_type,
        status_code=HTTPStatus.OK,
        sync_to_thread=_in_thread(answer),
    )
    return handler(answer)


def writes(path: str, name: str, answer: Callable[..., Any]) -> HTTPRouteHandler:
    """Make a route that answers POST, with 200 where it went well.

    Args:
        path: its template.
        name: in the API's description.
        answer: does it, and gives the answer.

    Returns:
        The route.
    """
    handler = post(
        path,
        name=name,
        operation_id=name,
        media_type=JSON,
        status_code=HTTPStatus.OK,
        sync_to_thread=_in_thread(answer),
    )
    return handler(answer)


def _in_thread(answer: Callable[..., Any]) -> bool | None:
    return None if is_async_callable(answer) else True
