"""A reader of made-up runs: what stands behind the pages in tests."""

from collections.abc import Sequence

from grokwatch.monitor.notice import Notice
from grokwatch.monitor.records import Alert, Assessment
from grokwatch.monitor.service.views import (
    AlertPage,
    AlertRow,
    RunDetail,
    RunPage,
    RunQuery,
    RunRow,
    Series,
    Totals,
)
from grokwatch.monitor.vocabulary import AlertCode, AlertState, Severity
from tests.page_stories import NOW, Story
from tests.service_queries import pick_alerts, pick_runs


class StandInReader:
    """Answers from made-up runs, as the store would."""

    def __init__(self, stories: Sequence[Story]) -> None:
        self.stories: dict[str, Story] = {each.row.run_id: each for each in stories}
        self.counter = 1

    def tell(self, changed: Story) -> None:
        """Let a run change."""
        self.stories[changed.row.run_id] = changed
        self.counter += 1

    def runs(self, query: RunQuery) -> RunPage:
        return pick_runs([each.row for each in self.stories.values()], query)

    def run(self, run_id: str) -> RunDetail | None:
        return self.stories[run_id].detail if run_id in self.stories else None

    def series(
        self,
        run_id: str,
        keys: Sequence[str],
        *,
        low: int | None = None,
        high: int | None = None,
        limit: int = 1000,
    ) -> Series:
        told = self.stories[run_id]
        values = {key: told.course[key] for key in keys if key in told.course}
        return Series(steps=told.steps, values=values, num_points=len(told.steps))

    def assessments(
        self, run_id: str, *, low: int | None = None, high: int | None = None, limit: int = 1000
    ) -> tuple[Assessment, ...]:
        return tuple(each for each in self.stories[run_id].said if each.step >= (low or 0))

    def newest_assessment(self, run_id: str) -> Assessment | None:
        said = self.stories[run_id].said
        return said[-1] if said else None

    def alerts(
        self,
        *,
        run_id: str | None = None,
        code: str | None = None,
        state: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> AlertPage:
        return pick_alerts(
            self._alerts(), run_id=run_id, code=code, state=state, limit=limit, offset=offset
        )

    def alert(self, alert_id: str) -> tuple[AlertRow, Notice] | None:
        found = next((each for each in self._alerts() if each.id == alert_id), None)
        return (found, _notice(found)) if found else None

    def sparks(
        self, run_ids: Sequence[str], *, points: int = 40
    ) -> dict[str, tuple[float | None, ...]]:
        return {
            run_id: tuple(each.rise_probability for each in self.stories[run_id].said)[-points:]
            for run_id in run_ids
        }

    def top(self, limit: int) -> tuple[RunRow, ...]:
        return self.runs(RunQuery(status="running", limit=limit)).runs

    def newest(self, run_ids: Sequence[str]) -> dict[str, dict[str, float]]:
        return {run_id: {} for run_id in run_ids}

    def totals(self) -> Totals:
        rows = [each.row for each in self.stories.values()]
        firing = [code for row in rows for code in row.alerts]
        return Totals(
            runs={row.status: sum(row.status == each.status for each in rows) for row in rows},
            stages={},
            firing={code: firing.count(code) for code in firing},
            deliveries={},
            num_observations=sum(row.num_observations for row in rows),
            num_late=0,
            last_seen=NOW,
        )

    def revision(self, run_id: str | None = None) -> int:
        return self.counter

    def _alerts(self) -> list[AlertRow]:
        return [each for told in self.stories.values() for each in told.alerts]


def _notice(row: AlertRow) -> Notice:
    told = Alert(
        run_id=row.run_id,
        id=row.id,
        code=AlertCode(row.code),
        episode=row.episode,
        severity=Severity(row.severity),
        state=AlertState(row.state),
        step=row.step,
        time=row.time,
        message=row.message,
    )
    return Notice(alert=told, name=row.name)
