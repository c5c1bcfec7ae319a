from collections.abc import Iterator

import pytest
from sqlalchemy import update

from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.service.janitor import Janitor
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.reader import StoreReader
from grokwatch.monitor.service.store.tables import runs
from grokwatch.monitor.service.views import SORTS, Batch, RunQuery
from tests.service_runs import (
    SPARSITY,
    Bench,
    Clock,
    batches,
    ended,
    observed,
    opened,
    start,
    stored,
    story,
)

DAY_SECONDS = 86_400.0
KEY = f"{SPARSITY}.excess@input"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(address: str, clock: Clock) -> Iterator[Store]:
    with opened(address, clock) as store:
        yield store


@pytest.fixture
def reader(store: Store, clock: Clock) -> StoreReader:
    """Over four runs: `a` with alerts, `b` just begun, `c_1` ended, `d` with a strange name."""
    bench = Bench(store)
    for batch in batches(story("a")):
        bench.push(batch)
    clock.seconds += 10
    bench.push(Batch(records=(start("b"),), after=0))
    clock.seconds += 10
    short = story("c_1", steps=range(0, 60, 20))
    bench.push(Batch(records=(*short, ended("c_1", 5)), after=0))
    clock.seconds += 10
    bench.push(Batch(records=(observed("d", 1, 7),), after=0))
    with store.writing() as connection:
        strange = update(runs).where(runs.c.run_id == "d")
        connection.execute(strange.values(name='=cmd|"a",\n%_\\', grouping="g"))
    return StoreReader(store)


def found(reader: StoreReader, **query: object) -> list[str]:
    page = reader.runs(RunQuery(**query))  # type: ignore[arg-type]
    return [row.run_id for row in page.runs]


QUERIES: list[tuple[dict[str, object], list[str]]] = [
    ({}, ["d", "c_1", "b", "a"]),
    ({"is_descending": False}, ["a", "b", "c_1", "d"]),
    ({"text": "RUN C_"}, ["c_1"]),
    ({"text": "_"}, ["d", "c_1"]),
    ({"text": "%_\\"}, ["d"]),
    ({"text": "'"}, []),
    ({"status": "finished"}, ["c_1"]),
    ({"status": "running"}, ["d", "b", "a"]),
    ({"stage": "fitting"}, ["d", "b"]),
    ({"alert": "GRK009"}, []),
    ({"sort": "step"}, ["a", "c_1", "d", "b"]),
    ({"sort": "step", "is_descending": False}, ["d", "c_1", "a", "b"]),
    ({"sort": "probability", "limit": 1}, ["a"]),
    ({"sort": "name", "is_descending": False, "limit": 2, "offset": 1}, ["a", "b"]),
    ({"sort": "nonsense; DROP TABLE runs"}, ["d", "c_1", "b", "a"]),
    ({"limit": 0}, []),
]


def test_runs_are_found_sorted_and_paged(reader: StoreReader) -> None:
    for query, expected in QUERIES:
        assert found(reader, **query) == expected, query
        page = reader.runs(RunQuery(**query))  # type: ignore[arg-type]
        assert "limit" in query or page.total == len(expected), query


def test_every_sort_puts_what_is_not_known_last_and_ties_in_one_order(reader: StoreReader) -> None:
    for sort in SORTS:
        for is_descending in (False, True):
            rows = reader.runs(RunQuery(sort=sort, is_descending=is_descending)).runs
            values = [getattr(row, sort) for row in rows]
            known = [value for value in values if value is not None]
            assert values == known + [None] * (4 - len(known))
            if sort != "name":  # how letters are ordered is the database's
                assert known == sorted(known, reverse=is_descending)


def test_a_run_is_told_with_all_its_start_said(reader: StoreReader) -> None:
    detail = reader.run("a")
    assert detail is not None
    assert (detail.run.name, detail.run.group, detail.run.budget_steps) == (
        "the run a",
        "cyclic:11",
        4_000,
    )
    assert [signal.name for signal in detail.signals] == [SPARSITY, "weight_norm"]
    assert detail.keys == (KEY, "weight_norm")
    assert reader.run("nobody") is None
    nameless = reader.run("d")
    assert nameless is not None
    assert (nameless.run.name, nameless.signals) == ('=cmd|"a",\n%_\\', ())


def test_series_hold_what_was_asked_for(reader: StoreReader) -> None:
    keys = [KEY, "train_loss", "test_accuracy", "probability", "nothing"]
    series = reader.series("a", keys, low=100, high=200)
    assert series.steps == (100, 120, 140, 160, 180, 200)
    assert series.num_points == 6
    assert series.values["train_loss"] == (0.1,) * 6
    assert series.values["test_accuracy"] == (0.3, *[None] * 5)
    assert series.values["nothing"] == (None,) * 6
    assert None not in series.values["probability"]
    thin = reader.series("a", [KEY], limit=12)
    whole = reader.series("a", [KEY]).values[KEY]
    assert len(thin.steps) <= 12 < thin.num_points == len(whole)
    assert {min(whole, key=float_of), max(whole, key=float_of)} <= set(thin.values[KEY])
    assert reader.series("nobody", keys).steps == reader.series("a", []).steps == ()


def float_of(value: float | None) -> float:
    assert value is not None
    return value


def test_of_a_step_seen_twice_the_newest_attempt_is_shown(
    store: Store, reader: StoreReader
) -> None:
    again: list[AnyRecord] = [
        start("c_1", attempt=2, seq=6),
        observed("c_1", 7, 20, attempt=2, excess=0.5),
    ]
    Bench(store).push(Batch(records=tuple(again), after=5))
    series = reader.series("c_1", [KEY])
    assert series.steps == (0, 20, 40)
    assert series.values[KEY][1] == 0.5
    judged = reader.assessments("c_1")
    assert [(record.step, record.attempt) for record in judged] == [(0, 1), (20, 2), (40, 1)]
    assert reader.newest(["c_1"])["c_1"][KEY] == 0.5
    detail = reader.run("c_1")
    assert detail is not None
    assert (detail.run.attempt, detail.run.status) == (2, "running")


def test_assessments_are_thinned_evenly(reader: StoreReader) -> None:
    steps = [record.step for record in reader.assessments("a", limit=5)]
    assert (steps[0], steps[-1], len(steps)) == (0, 2_080, 5)
    assert [record.step for record in reader.assessments("a", low=40, high=60)] == [40, 60]
    assert reader.assessments("nobody") == ()


def test_alerts_are_told_with_states_and_deliveries(reader: StoreReader) -> None:
    page = reader.alerts(run_id="a")
    assert (page.total, len(reader.alerts(limit=1).alerts)) == (len(page.alerts), 1)
    assert page.total >= 2
    for row in page.alerts:
        assert row.states[0][0] == "firing"
        assert {sent.state for sent in row.deliveries} == {state for state, _ in row.states}
        one = reader.alert(row.id)
        assert one is not None
        assert one[0] == row
        assert one[1].alert.state.value == row.state
    assert reader.alerts(state="cleared", code="GRK001").total >= 1
    assert reader.alerts(code="GRK009") == reader.alerts(run_id="b")
    assert reader.alert("nothing") is None


def test_overviews_count_what_is_there(store: Store, reader: StoreReader) -> None:
    totals = reader.totals()
    assert totals.runs == {"running": 3, "finished": 1}
    assert totals.num_observations == 105 + 3 + 1
    assert sum(totals.stages.values()) == 3
    assert totals.deliveries["pending"] == sum(totals.deliveries.values())
    assert [row.run_id for row in reader.top(2)] == ["d", "b"]
    assert len(reader.sparks(["a", "b"], points=7)["a"]) == 7
    assert reader.sparks(["b"])["b"] == ()
    assert set(reader.newest(["a", "b", "d"])) == {"a", "d"}
    before = reader.revision("b")
    Bench(store).push(Batch(records=(observed("b", 2, 1),), after=1))
    assert reader.revision() == reader.revision("b") > before > 0
    assert reader.revision("nobody") == 0


def test_runs_that_were_not_seen_for_long_are_forgotten_with_all_they_left(
    store: Store, reader: StoreReader, clock: Clock
) -> None:
    janitor = Janitor(store, keep_points=10_000, keep_days=2.0)
    assert janitor.clean() == 0
    clock.seconds += 2 * DAY_SECONDS + 5
    Bench(store).push(Batch(records=(observed("b", 2, 1),), after=1))
    assert janitor.clean() == 3
    assert found(reader) == ["b"]
    assert stored(store, "a") == []
    assert reader.alerts().total == 0
    assert reader.totals().deliveries == {}
