"""Reading values over steps: the newest attempt's, thinned without losing a peak."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table, func, select, tuple_

from grokwatch.monitor import wire
from grokwatch.monitor.records import AnyRecord, Assessment, Evaluation, Observation
from grokwatch.monitor.report.thinning import strided, thinned
from grokwatch.monitor.service.store.tables import assessments, records
from grokwatch.monitor.service.views import Series

CHANCES = ("probability", "rise_probability")
_TEST = ("test_loss", "test_accuracy")
_PLACES = 1_000
_MOST_ROWS = 20_000
"""Rows decoded for one answer; beyond, every so many-th is read."""

Within: TypeAlias = tuple[int | None, int | None]
"""Lowest and highest step asked for; None where there is no end."""

Found: TypeAlias = tuple[int, Mapping[str, float | None]]
Points: TypeAlias = dict[int, dict[str, float | None]]


def series(
    connection: Connection,
    run_id: str,
    keys: tuple[str, ...],
    *,
    low: int | None,
    high: int | None,
    limit: int,
) -> Series:
    """Values over steps; see `Reader.series`."""
    points: Points = {}
    for source in _sources(keys):
        for step, found in source(connection, run_id, (low, high)):
            chosen = {key: found[key] for key in keys if key in found}
            if chosen:
                points.setdefault(step, {}).update(chosen)
    steps = sorted(points)
    columns = {key: [points[step].get(key) for step in steps] for key in keys}
    kept = thinned(columns, limit)
    return Series(
        steps=tuple(steps[place] for place in kept),
        values={key: tuple(column[place] for place in kept) for key, column in columns.items()},
        num_points=len(steps),
    )


def judged(
    connection: Connection, run_id: str, *, low: int | None, high: int | None, limit: int
) -> tuple[Assessment, ...]:
    """Assessments by step; see `Reader.assessments`."""
    newest: dict[int, Any] = {}
    for row in _rows(connection, assessments, run_id, (low, high), "seq", "attempt"):
        newest[row.step] = (row.attempt, row.seq)
    places = [newest[step] for step in strided(sorted(newest), limit)]
    return tuple(_assessments(connection, run_id, places))


def newest_judged(connection: Connection, run_id: str) -> Assessment | None:
    """The assessment that was made last; None where there is none."""
    chosen = (
        select(assessments.c.payload)
        .where(assessments.c.run_id == run_id)
        .order_by(assessments.c.attempt.desc(), assessments.c.seq.desc())
        .limit(1)
    )
    payload = connection.execute(chosen).scalar_one_or_none()
    record = wire.decode(payload) if payload else None
    return record if isinstance(record, Assessment) else None


def spark(connection: Connection, run_id: str, points: int) -> tuple[float | None, ...]:
    """Rise probability of late, the oldest first."""
    chosen = (
        select(assessments.c.rise_probability)
        .where(assessments.c.run_id == run_id)
        .order_by(assessments.c.attempt.desc(), assessments.c.seq.desc())
        .limit(points)
    )
    return tuple(reversed(list(connection.execute(chosen).scalars())))


def losses(record: Observation) -> dict[str, float]:
    """What an observation holds beside its values."""
    found = {"train_loss": record.train_loss}
    if record.train_accuracy is not None:
        found["train_accuracy"] = record.train_accuracy
    return found


def _sources(keys: Sequence[str]) -> list[Callable[..., Iterator[Found]]]:
    """Which tables the keys stand in."""
    wanted = {
        _trained: any(key not in (*CHANCES, *_TEST) for key in keys),
        _tested: any(key in _TEST for key in keys),
        _chances: any(key in CHANCES for key in keys),
    }
    return [source for source, is_wanted in wanted.items() if is_wanted]


def _trained(connection: Connection, run_id: str, within: Within) -> Iterator[Found]:
    for record in _records(connection, run_id, "observation", within):
        if isinstance(record, Observation):
            yield record.step, {**record.values, **losses(record)}


def _tested(connection: Connection, run_id: str, within: Within) -> Iterator[Found]:
    for record in _records(connection, run_id, "evaluation", within):
        if isinstance(record, Evaluation):
            found = {"test_loss": record.test_loss, "test_accuracy": record.test_accuracy}
            yield record.step, found


def _chances(connection: Connection, run_id: str, within: Within) -> Iterator[Found]:
    for row in _rows(connection, assessments, run_id, within, *CHANCES):
        yield row.step, {"probability": row.probability, "rise_probability": row.rise_probability}


def _records(connection: Connection, run_id: str, kind: str, within: Within) -> Iterable[AnyRecord]:
    rows = _rows(connection, records, run_id, within, "payload", kind=kind)
    return (wire.decode(row.payload) for row in rows)


def _rows(
    connection: Connection,
    table: Table,
    run_id: str,
    within: Within,
    *columns: str,
    kind: str | None = None,
) -> Iterable[Any]:
    """Rows in order, so that a later attempt's replace an earlier one's; evenly fewer of many."""
    where = [table.c.run_id == run_id]
    where += [table.c.kind == kind] if kind else []
    where += [table.c.step >= within[0]] if within[0] is not None else []
    where += [table.c.step <= within[1]] if within[1] is not None else []
    number = connection.execute(select(func.count()).select_from(table).where(*where)).scalar_one()
    stride = -(-number // _MOST_ROWS)
    order = (table.c.attempt, table.c.seq)
    place = func.row_number().over(order_by=order).label("place")
    named = dict.fromkeys(("step", "attempt", "seq", *columns))
    of_run = select(*(table.c[name] for name in named), place).where(*where).subquery()
    chosen = select(of_run).where(of_run.c.place % max(stride, 1) == 0)
    return connection.execute(chosen.order_by(of_run.c.attempt, of_run.c.seq))


def _assessments(
    connection: Connection, run_id: str, places: Sequence[tuple[int, int]]
) -> Iterable[Assessment]:
    place = tuple_(assessments.c.attempt, assessments.c.seq)
    for start in range(0, len(places), _PLACES):
        chosen = select(assessments.c.attempt, assessments.c.seq, assessments.c.payload).where(
            assessments.c.run_id == run_id, place.in_(places[start : start + _PLACES])
        )
        rows = connection.execute(chosen)
        payloads = {(row.attempt, row.seq): row.payload for row in rows}
        found = (wire.decode(payloads[each]) for each in places[start : start + _PLACES])
        yield from (record for record in found if isinstance(record, Assessment))
