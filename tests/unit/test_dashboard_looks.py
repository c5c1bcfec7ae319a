import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dashboards.grafana import colors
from dashboards.grafana.boards import BOARDS
from dashboards.grafana.build import FOLDER


def _panels(name: str) -> Iterator[Mapping[str, Any]]:
    panels = json.loads((FOLDER / f"{name}.json").read_text())["panels"]
    return (panel for panel in panels if panel["type"] != "row")


ALL = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name in BOARDS
    for panel in _panels(name)
]


@pytest.mark.parametrize("panel", ALL)
def test_an_axis_of_zeros_ends_near_them(panel: Mapping[str, Any]) -> None:
    if panel["type"] != "timeseries":
        return
    fields = panel["fieldConfig"]["defaults"]
    scale = fields["custom"]["scaleDistribution"]["type"]
    is_open = fields.get("min") == 0 and "max" not in fields and scale == "linear"
    reach = fields["custom"].get("axisSoftMax")
    assert (reach is not None) == is_open
    assert reach is None or 0 < reach < 100 or fields["unit"] == "bytes"


@pytest.mark.parametrize("panel", ALL)
def test_a_rate_says_of_what_it_is(panel: Mapping[str, Any]) -> None:
    if panel["type"] != "timeseries":
        return
    unit = panel["fieldConfig"]["defaults"]["unit"]
    is_rate = "rate(" in panel["targets"][0]["expr"] and "histogram_quantile" not in str(panel)
    assert bool(re.fullmatch(r"suffix:[a-z]+/s", unit)) == is_rate


def _color_mode(panel: Mapping[str, Any]) -> str | None:
    """How the series of its first query are colored."""
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byFrameRefID", "options": "A"}:
            modes = {each["id"]: each["value"] for each in override["properties"]}
            return str(modes["color"]["mode"])
    return None


@pytest.mark.parametrize("panel", ALL)
def test_lines_that_only_their_names_tell_apart_have_colors_of_their_own(
    panel: Mapping[str, Any],
) -> None:
    names = ("{{run}}", "{{job}}", "{{route}}", "{{sink}}", "{{hook}}")
    if panel["type"] == "timeseries" and panel["targets"][0]["legendFormat"] in names:
        assert _color_mode(panel) == "palette-classic"


@pytest.mark.parametrize("panel", ALL)
def test_words_and_numbers_have_a_blue_that_both_themes_can_show(panel: Mapping[str, Any]) -> None:
    if panel["type"] in ("stat", "table", "bargauge"):
        assert colors.BLUE not in json.dumps(panel)


def test_every_column_of_the_alerts_that_fire_has_room() -> None:
    panel = next(p for p in _panels("fleet") if p["title"] == "Alerts that fire")
    assert panel["gridPos"]["w"] == 24
    assert set(panel["transformations"][1]["options"]["excludeByName"]) == {"Time"}


@pytest.mark.parametrize(
    ("title", "where"),
    [
        ("Fourier sparsity", "numbers modulo"),
        ("Coordinate sparsity", "are bits"),
        ("Spectrum", "`standard`"),
    ],
)
def test_a_panel_of_signals_says_where_they_are_measured(title: str, where: str) -> None:
    panel = next(p for p in _panels("run") if p["title"] == title)
    assert where in panel["description"]
    assert panel["fieldConfig"]["defaults"]["noValue"] == "not measured in this run"


@pytest.mark.parametrize("name", ["fleet", "sweep"])
def test_a_cell_without_a_value_is_not_colored_as_the_lowest(name: str) -> None:
    table = next(panel for panel in _panels(name) if panel["type"] == "table")
    probability = next(
        {each["id"]: each["value"] for each in override["properties"]}
        for override in table["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "probability"
    )
    special = probability["mappings"][-1]
    assert (special["type"], special["options"]["match"]) == ("special", "null+nan")
    assert special["options"]["result"]["color"] == colors.NEUTRAL
