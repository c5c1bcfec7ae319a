"""`/v1/runs`: the runs, one of them, and its values over steps."""

from typing import TypeVar

from litestar import Response
from litestar.exceptions import ClientException, NotFoundException
from litestar.handlers import HTTPRouteHandler

from grokwatch.monitor.records import Assessment
from grokwatch.monitor.service.api.parameters import (
    Descending,
    Keys,
    Offset,
    PageSize,
    Points,
    RunId,
    Sort,
    Step,
    Text,
    Word,
)
from grokwatch.monitor.service.api.routes import reads
from grokwatch.monitor.service.api.table import to_csv
from grokwatch.monitor.service.identity import clean_name
from grokwatch.monitor.service.ports import Reader
from grokwatch.monitor.service.views import RunDetail, RunPage, RunQuery, Series

MAIN_KEYS = (
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "probability",
    "rise_probability",
)
"""What is given where no keys are asked for."""

CSV = "text/csv"

_MOST_KEYS = 50

T = TypeVar("T")


class Runs:
    """Answers questions about runs.

    Args:
        reader: who knows.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def page(
        self,
        text: Text = "",
        status: Word = None,
        stage: Word = None,
        alert: Word = None,
        sort: Sort = "seen",
        is_descending: Descending = True,
        limit: PageSize = 50,
        offset: Offset = 0,
    ) -> RunPage:
        """Some of the runs, and how many there are."""
        query = RunQuery(
            text=clean_name(text),
            status=status,
            stage=stage,
            alert=alert,
            sort=sort,
            is_descending=is_descending,
            limit=limit,
            offset=offset,
        )
        return self._reader.runs(query)

    def one(self, run_id: RunId) -> RunDetail:
        """One run, and what its newest start said."""
        return _found(run_id, self._reader.run(run_id))

    def series(
        self,
        run_id: RunId,
        keys: Keys = "",
        low: Step = None,
        high: Step = None,
        limit: Points = 1000,
    ) -> Series:
        """Values over steps, thinned to about `limit` points; low and high ones are kept."""
        _found(run_id, self._reader.run(run_id))
        return self._reader.series(run_id, _split(keys), low=low, high=high, limit=limit)

    def table(
        self,
        run_id: RunId,
        keys: Keys = "",
        low: Step = None,
        high: Step = None,
        limit: Points = 1000,
    ) -> Response[str]:
        """The same as CSV."""
        content = to_csv(self.series(run_id, keys, low, high, limit))
        headers = {"Content-Disposition": f'attachment; filename="{run_id}.csv"'}
        return Response(content, media_type=CSV, headers=headers)

    def assessments(
        self, run_id: RunId, low: Step = None, high: Step = None, limit: Points = 1000
    ) -> list[Assessment]:
        """How the run was judged, by step."""
        _found(run_id, self._reader.run(run_id))
        return list(self._reader.assessments(run_id, low=low, high=high, limit=limit))

    def handlers(self) -> list[HTTPRouteHandler]:
        """The routes."""
        one = "/v1/runs/{run_id:str}"
        return [
            reads("/v1/runs", "listRuns", self.page),
            reads(one, "getRun", self.one),
            reads(f"{one}/series", "getSeries", self.series),
            reads(f"{one}/series.csv", "getSeriesTable", self.table, media_type=CSV),
            reads(f"{one}/assessments", "getAssessments", self.assessments),
        ]


def _found(run_id: str, run: T | None) -> T:
    if run is None:
        raise NotFoundException(f"Expected a known run, got {run_id!r}. Try /v1/runs.")
    return run


def _split(keys: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(filter(None, map(clean_name, keys.split(",")))))
    if len(names) > _MOST_KEYS:
        raise ClientException(
            f"Expected at most {_MOST_KEYS} keys, got {len(names)}. Try several requests."
        )
    return names or MAIN_KEYS
