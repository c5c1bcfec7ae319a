"""What an address asks of a page: read leniently, because people edit addresses."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlencode

from litestar import Request

from grokwatch.monitor.service.identity import clean_name
from grokwatch.monitor.service.views import SORTS, RunQuery

PER_PAGE = 50
STATUSES = ("running", "finished", "failed", "interrupted")
_LONGEST = 200
_NUMBERS = ("seen", "started", "step", "probability", "rise_probability")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """Parameters of an address, each as often as it was given."""

    parameters: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, request: Request[Any, Any, Any]) -> "Asked":
        """Those of a request."""
        return cls(parameters=request.query_params.dict())

    def text(self, name: str) -> str:
        """One parameter, cut to what anybody would type; empty without it."""
        given = self.parameters.get(name, ())
        return clean_name(given[0])[:_LONGEST] if given else ""

    def choice(self, name: str, known: Sequence[str]) -> str | None:
        """One parameter among those that are known; None otherwise."""
        given = self.text(name)
        return given if given in known else None

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        """A parameter that may come several times; each once, at most so many."""
        given = dict.fromkeys(map(clean_name, filter(None, self.parameters.get(name, ()))))
        return tuple(given)[:most]

    def page(self) -> int:
        """Number of the page, from 1."""
        given = self.text("page")
        return max(int(given), 1) if given.isdecimal() and len(given) < 7 else 1


def run_in_path(request: Request[Any, Any, Any]) -> str:
    """The run that `/runs/...` names, as it was sent: a framework's tidy path loses slashes."""
    sent = request.scope["raw_path"].decode("ascii", "replace").partition("?")[0]
    return unquote(sent.partition("/runs/")[2])


def run_query(asked: Asked, *, stages: Sequence[str], codes: Sequence[str]) -> RunQuery:
    """Which runs an address asks for; the most recently seen first unless it says otherwise."""
    sort = asked.choice("sort", SORTS) or "seen"
    order = asked.choice("order", ("up", "down")) or first_order(sort)
    return RunQuery(
        text=asked.text("text"),
        status=asked.choice("status", STATUSES),
        stage=asked.choice("stage", stages),
        alert=asked.choice("alert", codes),
        sort=sort,
        is_descending=order == "down",
        limit=PER_PAGE,
        offset=(asked.page() - 1) * PER_PAGE,
    )


def first_order(sort: str) -> str:
    """How a column is sorted at the first click: numbers from the highest, words from A."""
    return "down" if sort in _NUMBERS else "up"


def list_address(query: RunQuery, **changes: object) -> str:
    """Address of the list with some things of it changed.

    Example:
        >>> list_address(RunQuery(text="a b"), sort="name", order="up")
        '/?text=a+b&sort=name&order=up'
    """
    given: dict[str, object] = {
        "text": query.text,
        "status": query.status,
        "stage": query.stage,
        "alert": query.alert,
        "sort": query.sort,
        "order": "down" if query.is_descending else "up",
        **changes,
    }
    return "/?" + urlencode({name: value for name, value in given.items() if value})
