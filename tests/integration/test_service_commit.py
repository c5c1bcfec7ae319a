import random
import struct
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import select, text

from grokwatch.monitor import wire
from grokwatch.monitor.errors import ConflictError, StoreError
from grokwatch.monitor.records import AnyRecord, Assessment, Observation, RunStarted, SkippedSignal
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.reader import StoreReader
from grokwatch.monitor.service.store.tables import assessments, records, runs
from grokwatch.monitor.service.summary import MOST_KEYS
from grokwatch.monitor.service.views import Batch
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

RUNS = ("a", "b", "c")
ADVERSARIAL = (
    float("nan"),
    float("inf"),
    float("-inf"),
    1e308,
    -1e308,
    5e-324,
    -0.0,
    0.0,
    1.0,
)
STEPS = (0, -1, 2**63 - 1, -(2**63 - 1), 7)


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with opened(address) as store:
        yield store


def told(run_id: str) -> list[AnyRecord]:
    records = story(run_id, seed=1)
    return [*records, ended(run_id, len(records) + 1)]


@pytest.fixture(scope="module")
def in_order(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Left]:
    """What is left of each run that was pushed in order by one process that never stopped."""
    with opened(f"sqlite:///{tmp_path_factory.mktemp('oracle')}/a.db") as store:
        bench = Bench(store)
        for run_id in RUNS:
            for batch in batches(told(run_id)):
                bench.push(batch)
        return {run_id: left(store, run_id) for run_id in RUNS}


def test_the_runs_of_these_tests_raise_alerts_and_take_them_back(
    in_order: dict[str, Left],
) -> None:
    for run_id in RUNS:
        assert len(in_order[run_id].alerts) >= 2
        assert {state for alert in in_order[run_id].alerts.values() for state, _ in alert[2]} >= {
            "firing",
            "cleared",
        }


def test_the_same_batch_again_changes_nothing(store: Store, in_order: dict[str, Left]) -> None:
    bench = Bench(store)
    first, *others = batches(told("a"))
    bench.push(first)
    for _ in range(100):
        receipt = bench.push(first)
        assert (receipt.stored, receipt.duplicates, receipt.seq) == (0, len(first.records), 10)
    for batch in others:
        bench.push(batch)
    assert left(store, "a") == in_order["a"]


@pytest.mark.parametrize("seed", range(trials(3)))
def test_whatever_comes_when_the_same_is_judged_and_announced(
    store: Store, in_order: dict[str, Left], seed: int
) -> None:
    chance = random.Random(seed)
    size = chance.choice((1, 3, 17))
    sent = [batch for run_id in RUNS for batch in batches(told(run_id), size)]
    sent = [*sent, *chance.choices(sent, k=20)]
    chance.shuffle(sent)
    bench = Bench(store)
    while sent:
        group = [sent.pop() for _ in range(min(len(sent), chance.randint(1, 30)))]
        assert not any(isinstance(each, ConflictError) for each in bench.offer(*group))
        if chance.random() < 0.2:
            bench = Bench(store)
    for run_id in RUNS:
        assert left(store, run_id) == in_order[run_id]


def test_what_is_held_and_what_comes_late_is_counted(store: Store) -> None:
    bench = Bench(store)
    records: list[AnyRecord] = [start("a"), *(observed("a", seq, seq) for seq in range(2, 400))]
    bench.push(Batch(records=(records[0],), after=0))
    assert bench.push(Batch(records=tuple(records[2:102]), after=2)).held == 100
    receipt = bench.push(Batch(records=tuple(records[102:300]), after=102))
    assert (receipt.stored, receipt.held) == (198, 0)
    late = bench.push(Batch(records=(records[1],), after=1))
    assert (late.stored, late.late, late.held, late.seq) == (1, 1, 0, 300)
    assert left(store, "a").row["num_late"] == 1
    assert {place for _, _, place, _ in stored(store, "a")} == {"judged", "late"}
    assert bench.push(Batch(records=(records[1],), after=1)).duplicates == 1


def everything(store: Store) -> dict[str, Any]:
    with store.reading() as connection:
        row = connection.execute(select(runs).where(runs.c.run_id == "a")).mappings().one()
        return {"row": dict(row), "records": stored(store, "a")}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (start("a", seq=50), "starts an attempt that another writer started"),
        (observed("a", 5, 6_000), "differs from the one stored under its name"),
        (observed("a", 900, 3), "record 900 of attempt 1, which comes after attempt 2 began"),
    ],
)
def test_a_second_writer_is_refused_and_leaves_nothing_behind(
    store: Store, wrong: AnyRecord, message: str
) -> None:
    bench = Bench(store)
    for batch in batches(story("a", steps=range(0, 400, 20))):
        bench.push(batch)
    if wrong.seq == 900:
        bench.push(Batch(records=(start("a", attempt=2, seq=100),), after=99))
    before = everything(store)
    harmless = observed("a", 800, 5, attempt=2 if wrong.seq == 900 else 1)
    refused = Batch(records=tuple(sorted((wrong, harmless), key=lambda r: (r.attempt, r.seq))))
    [error] = bench.offer(refused)
    assert isinstance(error, ConflictError)
    assert message in str(error)
    assert "Expected one writer for run a, got record" in str(error)
    assert everything(store) == before


def test_a_newer_attempt_fences_the_older_although_it_waits_behind_a_gap(store: Store) -> None:
    bench = Bench(store)
    bench.push(Batch(records=tuple(story("a", steps=range(0, 100, 20))), after=0))
    newer = start("a", attempt=2, seq=20)
    assert bench.push(Batch(records=(newer,), after=19)).held == 1
    [error] = Bench(store).offer(Batch(records=(observed("a", 8, 200),), after=7))
    assert isinstance(error, ConflictError)


def test_a_transaction_that_fails_is_forgotten_and_the_next_is_right(
    store: Store, in_order: dict[str, Left]
) -> None:
    bench = Bench(store)
    sent = batches(told("a"))
    for number, batch in enumerate(sent):
        if number % 3 == 1:
            with store.writing() as connection:
                connection.execute(text("ALTER TABLE assessments RENAME TO hidden"))
            with pytest.raises(StoreError, match="Expected the store to answer, got"):
                bench.push(batch)
            assert bench.judges.run_ids == []
            with store.writing() as connection:
                connection.execute(text("ALTER TABLE hidden RENAME TO assessments"))
        bench.push(batch)
    assert left(store, "a") == in_order["a"]


def bits(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


@pytest.mark.parametrize("predictor", ["threshold:", "hazard:"])
@pytest.mark.parametrize("seed", range(trials(1)))
def test_any_number_comes_back_bit_for_bit_and_no_probability_is_nan(
    store: Store, predictor: str, seed: int
) -> None:
    chance = random.Random(seed)
    sent: list[AnyRecord] = [start("a")]
    for seq in range(2, 202):
        drawn = [chance.choice(ADVERSARIAL) for _ in range(4)]
        step = chance.choice((*STEPS, *[seq] * 10))
        record = observed("a", seq, step, excess=drawn[0], norm=drawn[1], accuracy=drawn[2])
        sent.append(Observation(**record_fields(record) | {"train_loss": drawn[3]}))
    bench = Bench(store, predictor=predictor)
    for batch in batches(sent, 50):
        assert bench.push(batch).stored == len(batch.records)
    back = [wire.decode(payload) for _, _, _, payload in stored(store, "a")]
    for before, after in zip(sent[1:], back[1:], strict=True):
        assert isinstance(before, Observation)
        assert isinstance(after, Observation)
        assert after.step == before.step
        assert bits([before.train_loss, *before.values.values()]) == bits(
            [after.train_loss, *after.values.values()]
        )
    with store.reading() as connection:
        payloads = connection.execute(select(assessments.c.payload)).scalars().all()
    judged = [wire.decode(payload) for payload in payloads]
    assert len(judged) == 200
    for assessment in judged:
        assert isinstance(assessment, Assessment)
        assert assessment.probability is None or 0 <= assessment.probability <= 1


def record_fields(record: Observation) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def test_no_text_of_a_run_fails_the_store(store: Store) -> None:
    strange = "a\x00b\u202e\x1b[31m'\"--"
    skipped = (SkippedSignal(name="inverse_participation_ratio", reason=strange, remedy=strange),)
    begun = RunStarted(run_id="a", seq=1, time=0.0, name=strange, group=strange, skipped=skipped)
    bench = Bench(store)
    bench.push(Batch(records=(begun, *(observed("a", seq, seq) for seq in range(2, 9))), after=0))
    assert left(store, "a").row["name"] == "ab[31m'\"--"


def test_an_alert_at_no_time_is_announced_all_the_same(store: Store) -> None:
    for batch in batches([replace(each, time=float("nan")) for each in story("a")]):
        Bench(store).push(batch)
    assert left(store, "a").alerts


def test_what_another_version_wrote_otherwise_is_the_same_record(store: Store) -> None:
    told = observed("a", 2, 10)
    Bench(store).push(Batch(records=(start("a"), told), after=0))
    tree = msgspec.msgpack.decode(wire.encode(told))
    del tree["cost_seconds"]
    with store.writing() as connection:
        older = records.update().where(records.c.seq == 2)
        connection.execute(older.values(payload=msgspec.msgpack.encode(tree)))
    assert Bench(store).push(Batch(records=(told,), after=1)).duplicates == 1


def test_a_run_offers_so_many_values_and_no_more(store: Store) -> None:
    names = {f"value_{number}": 0.5 for number in range(MOST_KEYS)}
    seen = Observation(run_id="a", seq=2, step=1, time=0.0, train_loss=1.0, values=names)
    more = msgspec.structs.replace(seen, seq=3, step=2, values={"another": 1.0})
    Bench(store).push(Batch(records=(start("a"), seen, more), after=0))
    detail = StoreReader(store).run("a")
    assert detail is not None
    assert len(detail.keys) == MOST_KEYS
    assert StoreReader(store).series("a", ["another"]).values["another"] == (1.0,)
