"""Several runs side by side: one quantity over steps, and what their set-ups differ in."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from grokwatch.monitor.report.words import UNKNOWN, number
from grokwatch.monitor.service.pages.asked import Asked
from grokwatch.monitor.service.pages.rendering import Renderer
from grokwatch.monitor.service.ports import Reader
from grokwatch.monitor.service.views import RunDetail

MOST_RUNS = 8
STANDARD = (
    "test_accuracy",
    "train_accuracy",
    "train_loss",
    "test_loss",
    "rise_probability",
    "probability",
)


def compare_route(reader: Reader, render: Renderer) -> HTTPRouteHandler:
    """Build the route of the comparison."""

    @get("/compare", sync_to_thread=True, include_in_schema=False)
    def compare(request: Request[Any, Any, Any]) -> Response[bytes]:
        asked = Asked.of(request)
        revision = reader.revision()
        given = asked.texts("run", 10 * MOST_RUNS)
        found = [(run_id, reader.run(run_id)) for run_id in given[:MOST_RUNS]]
        details = [detail for _, detail in found if detail is not None]
        keys = sorted({key for detail in details for key in detail.keys} - set(STANDARD))
        return render(
            "compare.html",
            revision=revision,
            has_charts=True,
            details=details,
            missing=[run_id for run_id, detail in found if detail is None],
            left_out=len(given) - len(found),
            most=MOST_RUNS,
            keys=keys,
            standard=STANDARD,
            key=asked.choice("key", [*STANDARD, *keys]) or STANDARD[0],
            differing=differing(details),
        )

    return compare


def differing(details: Sequence[RunDetail]) -> list[tuple[str, list[str]]]:
    """Hyper-parameters that are not the same in all runs, each with its value in every run.

    Args:
        details: the runs, in the order of the columns.

    Returns:
        By name; a dash where a run does not have it.
    """
    names = sorted({name for detail in details for name in detail.hyper_parameters})
    rows = []
    for name in names:
        values = [
            number(detail.hyper_parameters[name]) if name in detail.hyper_parameters else UNKNOWN
            for detail in details
        ]
        if len(set(values)) > 1:
            rows.append((name, values))
    return rows
