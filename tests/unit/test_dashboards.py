import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.grafana import colors
from dashboards.grafana.boards import BOARDS
from dashboards.grafana.build import FOLDER, main, stale, write
from dashboards.grafana.queries import variables_in
from grokwatch.monitor.service.pages.asked import Asked, run_query

ROOT = Path(__file__).parents[2]
GIVEN: Mapping[str, Mapping[str, Any]] = {
    name: json.loads((FOLDER / f"{name}.json").read_text()) for name in BOARDS
}
WITHOUT_QUERIES = ("row", "text")


def _panels(name: str) -> list[Mapping[str, Any]]:
    return [panel for panel in GIVEN[name]["panels"] if panel["type"] != "row"]


ALL = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name in BOARDS
    for panel in _panels(name)
]


def _texts(value: Any) -> Iterator[str]:
    """All text within a dashboard."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from itertools.chain.from_iterable(map(_texts, value.values()))
    elif isinstance(value, list):
        yield from itertools.chain.from_iterable(map(_texts, value))


def test_the_committed_dashboards_are_what_the_code_writes() -> None:
    command = [sys.executable, "-m", "dashboards.grafana.build", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_dashboard_that_somebody_edited_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    assert stale(tmp_path) == []
    assert main(["--check"], tmp_path) == 0
    (tmp_path / "run.json").write_text("{}")
    (tmp_path / "fleet.json").unlink()
    assert main(["--check"], tmp_path) == 1
    assert "newest dashboards, got old ['fleet.json', 'run.json']. Try" in capsys.readouterr().err
    assert main([], tmp_path) == 0
    assert stale(tmp_path) == []


@pytest.mark.parametrize("name", BOARDS)
def test_grafanas_own_models_read_a_dashboard_and_write_it_the_same(name: str) -> None:
    register_default_plugins()
    again = json.loads(json.dumps(Dashboard.from_json(dict(GIVEN[name])), cls=JSONEncoder))
    for link in again["links"]:
        assert link.pop("placement") == "inControlsMenu"
    assert again == GIVEN[name]
    assert again["schemaVersion"] == 42


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_keeps_its_address_and_names_what_it_answers(name: str) -> None:
    dashboard = GIVEN[name]
    assert dashboard["uid"] == f"grokwatch-{name}"
    assert dashboard["tags"] == ["grokwatch"]
    assert dashboard["description"].endswith("?")
    assert "id" not in dashboard


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_numbers_of_their_own_and_do_not_overlap(name: str) -> None:
    panels = GIVEN[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in panels):
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        columns = range(place["x"], place["x"] + place["w"])
        cells = set(itertools.product(columns, range(place["y"], place["y"] + place["h"])))
        assert not cells & taken
        taken |= cells


@pytest.mark.parametrize("name", BOARDS)
def test_lines_of_panels_are_filled_to_the_right_edge(name: str) -> None:
    bottom: dict[int, int] = {}
    for place in (panel["gridPos"] for panel in GIVEN[name]["panels"]):
        bottom[place["y"]] = bottom.get(place["y"], 0) + place["w"]
    assert set(bottom.values()) == {24}


@pytest.mark.parametrize("panel", ALL)
def test_a_panel_says_what_it_shows(panel: Mapping[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    if panel["type"] in WITHOUT_QUERIES:
        assert panel["options"]["content"]
        return
    fields = panel["fieldConfig"]["defaults"]
    assert fields["unit"]
    assert fields["thresholds"]["steps"][0]["value"] is None
    assert all(target["legendFormat"] for target in panel["targets"])
    ids = [target["refId"] for target in panel["targets"]]
    assert len(set(ids)) == len(ids) > 0


@pytest.mark.parametrize("panel", ALL)
def test_thresholds_rise_and_their_colors_differ(panel: Mapping[str, Any]) -> None:
    if panel["type"] in WITHOUT_QUERIES:
        return
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    values = [step["value"] for step in steps[1:]]
    assert values == sorted(set(values))
    assert len({step["color"] for step in steps}) == len(steps)


@pytest.mark.parametrize("panel", ALL)
def test_an_override_is_of_a_query_or_a_column_that_the_panel_has(
    panel: Mapping[str, Any],
) -> None:
    targets = panel.get("targets", [])
    known = {target["refId"] for target in targets}
    if panel["type"] == "table":
        known = {target["legendFormat"] for target in targets} | {"run"}
    for override in panel.get("fieldConfig", {}).get("overrides", []):
        if override["matcher"]["id"] == "byRegexp":
            assert any(target["legendFormat"] == "{{signal}}" for target in targets)
        else:
            assert override["matcher"]["options"] in known


@pytest.mark.parametrize("name", BOARDS)
def test_variables_are_defined_and_used(name: str) -> None:
    defined = {each["name"] for each in GIVEN[name]["templating"]["list"]}
    used = set().union(*map(variables_in, _texts(GIVEN[name])))
    assert {variable for variable in used if variable[:2] != "__"} == defined


def test_addresses_are_typed_and_never_taken_from_a_link() -> None:
    for name in BOARDS:
        for each in GIVEN[name]["templating"]["list"]:
            if each["type"] == "textbox":
                assert each["skipUrlSync"] is True
                assert each["current"]["value"] == each["query"]


@pytest.mark.parametrize("name", BOARDS)
def test_colors_are_those_that_color_blind_people_can_tell_apart(name: str) -> None:
    found = {text for text in _texts(GIVEN[name]) if re.fullmatch("#[0-9a-f]{6}", text)}
    assert found <= set(colors.EVERY)
    assert len(set(colors.STAGES.values())) == len(colors.STAGES)
    assert len(set(colors.CODES.values())) == len(colors.CODES)


def test_train_and_test_are_colored_as_on_the_services_pages() -> None:
    styles = ROOT / "monitor" / "report" / "static" / "colors.css"
    light = styles.read_text().partition("@media")[0]
    assert f"--train: {colors.TRAIN};" in light
    assert f"--test: {colors.TEST};" in light


def _link_with(variable: str) -> str:
    """The address of the run's link that begins with a variable."""
    addresses: list[str] = [link.get("url", "") for link in GIVEN["run"]["links"]]
    return next(address for address in addresses if variable in address)


def test_the_link_to_the_service_finds_a_run_by_its_name() -> None:
    address = _link_with("service_url")
    asked = Asked(parameters=parse_qs(urlsplit(address.replace("${service_url}", "")).query))
    assert run_query(asked, stages=(), codes=()).text == "${run:percentencode}"


def test_mlflow_understands_the_filter_of_its_link() -> None:
    from mlflow.utils.search_utils import SearchUtils

    address = _link_with("mlflow_url")
    asked = parse_qs(urlsplit(urlsplit(address).fragment).query)["searchFilter"][0]
    written = asked.replace("${run:percentencode}", "seed 3")
    found = SearchUtils.parse_search_filter(written)  # type: ignore[no-untyped-call]
    assert [(each["key"], each["comparator"], each["value"]) for each in found] == [
        ("run_name", "=", "seed 3")
    ]


def test_a_runs_name_in_a_table_leads_to_its_dashboard() -> None:
    tables = [panel for name in BOARDS for panel in _panels(name) if panel["type"] == "table"]
    assert tables
    for panel in tables:
        links = panel["fieldConfig"]["overrides"][-1]["properties"][0]["value"]
        assert links[0]["url"].startswith(f"/d/{GIVEN['run']['uid']}?")


def test_grafana_is_told_where_the_dashboards_and_their_prometheus_are() -> None:
    folder = FOLDER / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "grokwatch.yml").read_text())
    source = sources["datasources"][0]
    assert source["type"] == "prometheus"
    for name in BOARDS:
        first = GIVEN[name]["templating"]["list"][0]
        assert (first["type"], first["current"]["value"]) == ("datasource", source["uid"])
    providers = yaml.safe_load((folder / "dashboards" / "grokwatch.yml").read_text())
    provider = providers["providers"][0]
    assert provider["folder"] == "grokwatch"
    assert provider["allowUiUpdates"] is False


def test_the_page_about_dashboards_names_each_and_each_of_its_sections() -> None:
    text = " ".join((ROOT / "docs" / "dashboards.md").read_text().lower().split())
    for name, board in BOARDS.items():
        assert f"`grokwatch-{name}`" in text
        for section in board.sections:
            assert section.title.lower() in text
