"""The list: every run, and whether to keep training it."""

from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.service.pages.asked import (
    PER_PAGE,
    STATUSES,
    Asked,
    first_order,
    list_address,
    run_query,
)
from grokwatch.monitor.service.pages.rendering import Renderer
from grokwatch.monitor.service.ports import Reader
from grokwatch.monitor.service.views import RunQuery
from grokwatch.monitor.vocabulary import AlertCode, Stage

STAGES = tuple(stage.value for stage in Stage)
CODES = tuple(code.value for code in AlertCode)
COLUMNS = (
    ("name", "Run"),
    (None, "Keep training?"),
    ("rise_probability", "Chance of a rise"),
    ("stage", "Stage"),
    ("step", "Step"),
    (None, "95 % in steps"),
    ("status", "Status"),
    ("seen", "Seen"),
)


def list_route(reader: Reader, render: Renderer, section: ServiceSection) -> HTTPRouteHandler:
    """Build the route of the list."""

    @get("/", sync_to_thread=True, include_in_schema=False)
    def runs(request: Request[Any, Any, Any]) -> Response[bytes]:
        query = run_query(Asked.of(request), stages=STAGES, codes=CODES)
        revision = reader.revision()
        found = reader.runs(query)
        is_filtered = bool(query.text or query.status or query.stage or query.alert)
        return render(
            "runs.html",
            revision=revision,
            query=query,
            page=found,
            sparks=reader.sparks([run.run_id for run in found.runs]),
            headers=[_header(query, sort, title) for sort, title in COLUMNS],
            totals=reader.totals(),
            choices={"status": STATUSES, "stage": STAGES, "alert": CODES},
            pages=_pages(query, found.total),
            is_filtered=is_filtered,
            address=push_address(section),
        )

    return runs


def push_address(section: ServiceSection) -> str:
    """Where runs are pushed to, as people would write it."""
    host = f"[{section.host}]" if ":" in section.host else section.host
    return section.public_url.rstrip("/") or f"http://{host}:{section.port}"


def _header(query: RunQuery, sort: str | None, title: str) -> dict[str, str | None]:
    """A column's title, the link that sorts by it, and how it is sorted now."""
    if sort is None:
        return {"title": title, "link": None, "order": None, "sort": None}
    order = ("descending" if query.is_descending else "ascending") if query.sort == sort else None
    turned = "up" if query.is_descending else "down"
    link = list_address(query, sort=sort, order=turned if order else first_order(sort))
    return {"title": title, "link": link, "order": order, "sort": sort}


def _pages(query: RunQuery, total: int) -> dict[str, str | int | None]:
    """Links to the pages before and after, and where this one is."""
    number = query.offset // PER_PAGE + 1
    last = max(-(-total // PER_PAGE), 1)
    return {
        "number": number,
        "last": last,
        "before": list_address(query, page=min(number - 1, last)) if number > 1 else None,
        "after": list_address(query, page=number + 1) if number < last else None,
    }
