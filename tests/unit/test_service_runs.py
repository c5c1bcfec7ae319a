import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.records import RunEnded
from grokwatch.monitor.service.api.table import to_csv
from grokwatch.monitor.service.app import Application
from grokwatch.monitor.service.views import Series
from grokwatch.monitor.vocabulary import RunStatus
from tests.service_stand_in import StandIn
from tests.service_web import (
    BEARER,
    app_of,
    ask,
    observed,
    put,
    started,
    stocked,
)

MARKUP = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "=1+1", "'--"]


@pytest.fixture
def store() -> StandIn:
    return stocked()


@pytest.fixture
def app(store: StandIn) -> Application:
    return app_of(store)


def test_runs_are_filtered_sorted_and_paged(app: Application, store: StandIn) -> None:
    for number in range(5):
        put(store, started(f"run-{number}", f"seed {number}"))
    ended = RunEnded(run_id="run-3", seq=2, step=9, time=1.0, status=RunStatus.FAILED)
    put(store, ended)

    def ids(query: str) -> list[str]:
        page = ask(app, "GET", f"/v1/runs?{query}", headers=BEARER).json()
        return [run["run_id"] for run in page["runs"]]

    assert ids("text=seed&sort=name&is_descending=false&limit=2&offset=1") == ["run-1", "run-2"]
    assert ids("status=failed") == ["run-3"]
    assert ids("text=%00seed%202") == ["run-2"]


@pytest.mark.parametrize("rest", ["", "/series", "/series.csv", "/assessments"])
@pytest.mark.parametrize("run_id", ["nobody", "a.b", "~"])
def test_a_run_that_is_not_there_is_said(app: Application, rest: str, run_id: str) -> None:
    answer = ask(app, "GET", f"/v1/runs/{run_id}{rest}", headers=BEARER)
    assert answer.status_code in {404, 400}
    assert answer.json()["detail"].startswith("Expected ")


@pytest.mark.parametrize("name", MARKUP)
def test_markup_in_names_is_data(app: Application, store: StandIn, name: str) -> None:
    put(store, started("m", name, group=name, hyper_parameters={name: name}))
    answer = ask(app, "GET", "/v1/runs/m", headers=BEARER)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["run"]["name"] == name
    assert answer.json()["hyper_parameters"] == {name: name}


def test_series_come_as_a_table_that_runs_nothing(app: Application, store: StandIn) -> None:
    put(store, observed("t", seq=1, values={"=cmd|x": -1.0, "@y": math.inf}))
    url = "/v1/runs/t/series.csv?keys=%3Dcmd|x,@y,train_loss,-z"
    answer = ask(app, "GET", url, headers=BEARER)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="t.csv"'
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows == [
        ["step", "'=cmd|x", "'@y", "train_loss", "'-z"],
        ["1", "-1.0", "inf", "0.5", ""],
    ]


@given(st.text(max_size=20))
def test_no_name_in_a_table_is_a_formula(name: str) -> None:
    written = to_csv(Series(steps=(), values={name: ()}, num_points=0))
    row = next(csv.reader(io.StringIO(written, newline="")))
    assert row[0] == "step"
    assert row[1].removeprefix("'") == name.removeprefix("'")
    assert not row[1].startswith(("=", "+", "-", "@", "\t", "\r"))
