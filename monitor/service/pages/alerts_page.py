"""The alerts of all runs: what was said, what became of it, and who was told."""

from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from grokwatch.monitor.service.pages.asked import PER_PAGE, Asked
from grokwatch.monitor.service.pages.rendering import Renderer
from grokwatch.monitor.service.ports import Reader
from grokwatch.monitor.vocabulary import AlertCode, AlertState

CODES = tuple(code.value for code in AlertCode)
STATES = tuple(state.value for state in AlertState)


def alerts_route(reader: Reader, render: Renderer, *, can_resend: bool) -> HTTPRouteHandler:
    """Build the route of the alerts."""

    @get("/alerts", sync_to_thread=True, include_in_schema=False)
    def alerts(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = Asked.of(request)
        code, state = asked.choice("code", CODES), asked.choice("state", STATES)
        run_id, number = asked.text("run") or None, asked.page()
        offset = (number - 1) * PER_PAGE
        revision = reader.revision()
        found = reader.alerts(run_id=run_id, code=code, state=state, limit=PER_PAGE, offset=offset)
        chosen = {"run": run_id, "code": code, "state": state}
        last = max(-(-found.total // PER_PAGE), 1)
        return render(
            "alerts.html",
            revision=revision,
            page=found,
            chosen=chosen,
            choices={"code": CODES, "state": STATES},
            is_filtered=any(chosen.values()),
            pages={
                "number": number,
                "last": last,
                "before": _address(chosen, min(number - 1, last)) if number > 1 else None,
                "after": _address(chosen, number + 1) if number < last else None,
            },
            can_resend=can_resend,
        )

    return alerts


def _address(chosen: dict[str, str | None], page: int) -> str:
    """Address of one page of the alerts."""
    given = {**{name: value for name, value in chosen.items() if value}, "page": page}
    return "/alerts?" + urlencode(given)
