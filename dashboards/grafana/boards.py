"""A board becomes Grafana's dashboard, and its JSON."""

import json
from collections.abc import Mapping

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from dashboards.grafana import annotations, fleet, run, service, sweep
from dashboards.grafana.entries import Board, Entry
from dashboards.grafana.layout import placed
from dashboards.grafana.panels import panel
from dashboards.grafana.variables import links, variable

BOARDS: Mapping[str, Board] = {
    board.name: board for board in (fleet.BOARD, run.BOARD, sweep.BOARD, service.BOARD)
}


def build(board: Board) -> dashboard.Dashboard:
    """Build a dashboard.

    Args:
        board: what it is made of.

    Returns:
        The dashboard, without the id that Grafana gives it.
    """
    return dashboard.Dashboard(
        uid=f"grokwatch-{board.name}",
        title=board.title,
        description=board.description,
        tags=["grokwatch"],
        editable=True,
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
        time=dashboard.DashboardDashboardTime(from_val=f"now-{board.past}", to="now"),
        timepicker=dashboard.TimePickerConfig(),
        refresh="10s",
        version=1,
        panels=_panels(board),
        templating=dashboard.DashboardDashboardTemplating(
            list_val=[variable(name) for name in board.variables]
        ),
        annotations=dashboard.AnnotationContainer(
            list_val=annotations.alerts() if board.has_alerts else []
        ),
        links=links(board.variables),
    )


def text_of(board: Board) -> str:
    """Write a dashboard's JSON, the same text each time."""
    document = json.loads(json.dumps(build(board), cls=JSONEncoder))
    for link in document["links"]:
        # The library puts every link into a menu; without this word it stands over the panels.
        del link["placement"]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _panels(board: Board) -> list[dashboard.Panel | dashboard.RowPanel]:
    found: list[dashboard.Panel | dashboard.RowPanel] = []
    for each, number, place in placed(board.sections):
        if isinstance(each, Entry):
            found.append(panel(each, number=number, place=place))
        else:
            heading = dashboard.RowPanel(title=each.title, id_val=number, grid_pos=place, panels=[])
            found.append(heading)
    return found
