import random
from collections.abc import Iterator, Sequence

import msgspec
import pytest
from sqlalchemy import delete, select, update

from grokwatch.monitor import wire
from grokwatch.monitor.errors import ConflictError
from grokwatch.monitor.records import AnyRecord, Assessment, Observation
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.reader import StoreReader
from grokwatch.monitor.service.store.tables import deliveries, states
from grokwatch.monitor.service.views import Batch, Receipt, RunQuery
from tests.chaos import trials
from tests.service_runs import (
    Bench,
    Left,
    batches,
    ended,
    left,
    observed,
    opened,
    start,
    stored,
    story,
)

PREDICTORS = ("threshold:", "hazard:")


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with opened(address) as store:
        yield store


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Left]:
    return {
        predictor: pushed_by_one(
            f"sqlite:///{tmp_path_factory.mktemp('oracle')}/a.db", story("a"), predictor
        )
        for predictor in PREDICTORS
    }


def pushed_by_one(address: str, told: Sequence[AnyRecord], predictor: str = "threshold:") -> Left:
    with opened(address) as store:
        bench = Bench(store, predictor=predictor)
        for batch in batches(told):
            bench.push(batch)
        return left(store, "a")


def num_deliveries(store: Store) -> int:
    with store.reading() as connection:
        return len(connection.execute(select(deliveries.c.id)).all())


@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize("every", [1, 3])
def test_a_restart_changes_no_bit(
    store: Store, uninterrupted: dict[str, Left], predictor: str, every: int
) -> None:
    bench = Bench(store, predictor=predictor)
    for number, batch in enumerate(batches(story("a"))):
        if number % every == 0:
            bench = Bench(store, predictor=predictor)
        bench.push(batch)
    assert left(store, "a") == uninterrupted[predictor]


def test_a_restart_knows_what_was_held(store: Store, uninterrupted: dict[str, Left]) -> None:
    first, second, third, *others = batches(story("a"))
    Bench(store).push(first)
    assert Bench(store).push(third).held == len(third.records)
    Bench(store).push(second)
    bench = Bench(store)
    for batch in others:
        bench.push(batch)
    assert left(store, "a") == uninterrupted["threshold:"]


@pytest.mark.parametrize("loss", ["missing", "unreadable", "of another version"])
def test_a_state_that_is_lost_is_made_up_for_without_announcing_anew(
    store: Store, uninterrupted: dict[str, Left], loss: str
) -> None:
    sent = batches(story("a"))
    for number, batch in enumerate(sent):
        Bench(store).push(batch)
        if number == len(sent) // 2:
            announced = num_deliveries(store)
            with store.writing() as connection:
                if loss == "missing":
                    connection.execute(delete(states))
                elif loss == "unreadable":
                    connection.execute(update(states).values(payload=b"nonsense"))
                else:
                    payload = connection.execute(select(states.c.payload)).scalar_one()
                    saved = msgspec.msgpack.decode(payload)
                    changed = msgspec.msgpack.encode(saved | {"state": b"\x80"})
                    connection.execute(update(states).values(payload=changed))
            Bench(store).push(batch)
            assert num_deliveries(store) == announced
    assert left(store, "a") == uninterrupted["threshold:"]


def test_another_predictor_judges_again_and_announces_nothing_anew(store: Store) -> None:
    sent = batches(story("a"))
    for batch in sent[:6]:
        Bench(store).push(batch)
    before = left(store, "a")
    assert before.alerts
    for batch in sent[6:]:
        Bench(store, predictor="baseline:never").push(batch)
    after = left(store, "a")
    judged = [wire.decode(payload) for payload in after.assessments.values()]
    names = {record.predictor for record in judged if isinstance(record, Assessment)}
    assert names == {"threshold@1", "never@1"}
    announced = {state for alert in after.alerts.values() for state in alert[2]}
    assert announced >= {state for alert in before.alerts.values() for state in alert[2]}


def by_step(found: Left, *, attempt: int | None = None) -> dict[int, AnyRecord]:
    """What was said at each step, the newest attempt's, without a word of which attempt."""
    records: dict[int, AnyRecord] = {}
    for (of_attempt, _), payload in sorted(found.assessments.items()):
        record = wire.decode(payload)
        assert isinstance(record, Assessment)
        if attempt in {None, of_attempt}:
            same = msgspec.structs.replace(record, attempt=1, seq=0, time=0.0)
            records[record.step] = same
    return records


@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize("back_to", [200, 1_000])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_rewind_judges_as_if_the_run_had_never_gone_further(
    store: Store,
    uninterrupted: dict[str, Left],
    predictor: str,
    back_to: int,
    is_restarted: bool,
) -> None:
    bench = Bench(store, predictor=predictor)
    first = story("a", steps=range(0, 1_300, 20))
    for batch in batches(first):
        bench.push(batch)
    announced = left(store, "a").alerts
    second = story("a", steps=range(back_to, 2_100, 20), attempt=2, first_seq=len(first) + 1)
    for batch in batches(second):
        bench = Bench(store, predictor=predictor) if is_restarted else bench
        bench.push(batch)
        for name, (state, *_) in left(store, "a").alerts.items():  # what was taken back stays so
            assert state == announced.get(name, (state,))[0] or state != "firing"
    after = left(store, "a")
    oracle = by_step(uninterrupted[predictor])
    assert by_step(after, attempt=2) == {
        step: said for step, said in oracle.items() if step >= back_to
    }
    assert by_step(after) == oracle
    assert set(after.alerts) == set(uninterrupted[predictor].alerts)
    for name, (_, _, told) in after.alerts.items():
        assert told >= announced.get(name, ("", 0, frozenset()))[2]
        assert len({state for state, _ in told}) == len(told)
    expected = sum(len(told) for _, _, told in after.alerts.values())
    assert num_deliveries(store) == expected


def test_an_alert_of_what_a_rewind_undid_is_taken_back_aloud(store: Store) -> None:
    bench = Bench(store)
    first = story("a", steps=range(0, 1_000, 20))
    sent = iter(batches(first))
    firing: list[str] = []
    while not firing:
        bench.push(next(sent))
        firing = [
            name for name, (state, *_) in left(store, "a").alerts.items() if state == "firing"
        ]
    newest = max(each[1] for each in stored(store, "a"))
    second = story("a", steps=range(0, 40, 20), attempt=2, first_seq=newest + 1)
    for batch in batches(second):
        bench.push(batch)
    assert StoreReader(store).runs(RunQuery()).runs[0].alerts == ()
    for name in firing:
        row, notice = StoreReader(store).alert(name) or (None, None)
        assert row is not None
        assert row.state == "cleared"
        assert notice is not None
        assert "undone, as training went back to step 0" in notice.alert.message


@pytest.mark.parametrize("seed", range(trials(2)))
def test_two_writers_of_one_run_never_mingle_and_the_older_is_fenced(
    store: Store, seed: int
) -> None:
    chance = random.Random(seed)
    bench = Bench(store)
    first = batches(story("a", steps=range(0, 600, 20)), 5)
    second = batches(story("a", steps=range(0, 600, 20), attempt=2, first_seq=100), 5)
    writers, fenced = [first, second], [False, False]
    acknowledged: set[tuple[int, int]] = set()
    while any(writers):
        number = chance.choice([number for number in (0, 1) if writers[number]])
        batch = writers[number].pop(0)
        [receipt] = bench.offer(batch)
        if isinstance(receipt, ConflictError):
            fenced[number], writers[number] = True, []
        else:
            assert isinstance(receipt, Receipt)
            acknowledged |= {(record.attempt, record.seq) for record in batch.records}
        bench = Bench(store) if chance.random() < 0.2 else bench
    kept = stored(store, "a")
    assert {(attempt, seq) for attempt, seq, _, _ in kept} == acknowledged
    assert [attempt for attempt, *_ in kept] == sorted(attempt for attempt, *_ in kept)
    assert not fenced[1]
    assert sum(isinstance(wire.decode(each[3]), Observation) for each in kept if each[0] == 2) == 30


def test_of_two_starts_of_an_attempt_the_first_has_the_run(store: Store) -> None:
    bench = Bench(store)
    bench.push(Batch(records=(start("a"), observed("a", 2, 10)), after=0))
    other = (msgspec.structs.replace(start("a"), time=2.0), observed("a", 2, 11))
    [error] = bench.offer(Batch(records=other, after=0))
    assert isinstance(error, ConflictError)
    bench.push(Batch(records=(observed("a", 3, 20), ended("a", 4)), after=2))
    resumed = start("a", attempt=2, seq=5)
    assert bench.push(Batch(records=(resumed, observed("a", 6, 30, attempt=2)), after=4)).held == 0
