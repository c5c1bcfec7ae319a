"""Answers questions about rows as the store does: what stand-ins of it have in common."""

from collections.abc import Iterable

from grokwatch.monitor.service.views import AlertPage, AlertRow, RunPage, RunQuery, RunRow


def pick_runs(rows: Iterable[RunRow], query: RunQuery) -> RunPage:
    """Those that fit, in order; what has no value to sort by comes last."""
    fitting = [row for row in rows if _fits(row, query)]
    known = [row for row in fitting if getattr(row, query.sort) is not None]
    known.sort(key=lambda row: getattr(row, query.sort), reverse=query.is_descending)
    ordered = known + [row for row in fitting if getattr(row, query.sort) is None]
    cut = ordered[query.offset : query.offset + query.limit]
    return RunPage(runs=tuple(cut), total=len(fitting), offset=query.offset)


def pick_alerts(
    rows: Iterable[AlertRow],
    *,
    run_id: str | None,
    code: str | None,
    state: str | None,
    limit: int,
    offset: int,
) -> AlertPage:
    """Those that fit, the newest first."""
    fitting = [
        row
        for row in rows
        if (run_id or row.run_id, code or row.code, state or row.state)
        == (row.run_id, row.code, row.state)
    ]
    fitting.sort(key=lambda row: -row.time)
    cut = tuple(fitting[offset : offset + limit])
    return AlertPage(alerts=cut, total=len(fitting), offset=offset)


def _fits(row: RunRow, query: RunQuery) -> bool:
    return (
        query.text.lower() in f"{row.name} {row.run_id}".lower()
        and query.status in {None, row.status}
        and query.stage in {None, row.stage}
        and (query.alert is None or query.alert in row.alerts)
    )
