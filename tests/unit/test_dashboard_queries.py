import json
import re

import pytest

from dashboards.grafana.boards import BOARDS
from dashboards.grafana.build import FOLDER
from dashboards.grafana.queries import GRAFANAS_OWN, filled, queries
from tests.dashboard_metrics import SIGNALS, labels_by_name, names_in, recorded

GIVEN = {"run": "run", "task": "cyclic:67"}
ASKED = {name: queries(json.loads((FOLDER / f"{name}.json").read_text()), GIVEN) for name in BOARDS}
QUERIES = [
    pytest.param(expression, id=f"{name}: {title}")
    for name, asked in ASKED.items()
    for title, expression in asked
]
KNOWN = labels_by_name()
OF_RUNS = {name for name, labels in KNOWN.items() if "run" in labels}
LARGEST = re.compile(r"(?:max|min) by \((?:__name__, )?run, task(?:, \w+)?\) \((?:rate\()?$")


def test_variables_are_replaced_however_they_are_written() -> None:
    text = 'rate(x{a="$run", b="${task}", c="${run:regex}"}[$__rate_interval]) # $1'
    assert filled(text, {**GRAFANAS_OWN, "run": "r", "task": "t"}) == (
        'rate(x{a="r", b="t", c="r"}[1m]) # $1'
    )


def test_a_variable_that_nothing_is_given_for_is_named() -> None:
    with pytest.raises(ValueError, match=r"a value for each variable, got none for \['run'\]"):
        filled("up{run='$run'}", {})


def test_queries_of_panels_within_rows_and_of_annotations_are_found() -> None:
    inside = {"title": "a", "targets": [{"expr": "up"}, {"expr": "up{run='$run'}"}]}
    dashboard = {
        "panels": [{"title": "row", "panels": [inside]}, {"title": "text"}],
        "annotations": {"list": [{"name": "b", "expr": "down"}]},
    }
    assert queries(dashboard, GIVEN) == [("a", "up"), ("a", "up{run='run'}"), ("b", "down")]


@pytest.mark.parametrize("name", BOARDS)
def test_every_dashboard_asks_something(name: str) -> None:
    assert len(ASKED[name]) > 10


@pytest.mark.parametrize("expression", QUERIES)
def test_a_query_names_only_metrics_that_there_are(expression: str) -> None:
    named = names_in(expression)
    assert named <= KNOWN.keys() | recorded()
    families = re.findall(r'__name__=~"grokwatch_\(([^)]*)\)', expression)
    assert named or families
    for family in families:
        assert set(family.split("|")) <= SIGNALS.keys()


@pytest.mark.parametrize("expression", QUERIES)
def test_a_query_that_names_a_run_takes_it_once_however_often_it_is_scraped(
    expression: str,
) -> None:
    named = [*(names_in(expression) & OF_RUNS), "{__name__"]
    for name in named:
        for match in re.finditer(rf"{re.escape(name)}\b", expression):
            assert LARGEST.search(expression[: match.start()]), expression


def test_names_of_metrics_are_told_from_functions_labels_and_keywords() -> None:
    text = (
        'label_replace(max by (run) (rate(a_total{x="b"}[1m])), "c", "$1", "d", "(.*)") '
        "/ count(e == 1) or vector(0) unless on (f) g:h"
    )
    assert names_in(text) == {"a_total", "e", "g:h"}
