import logging
import queue
import threading
from collections.abc import Iterator, Sequence

import pytest
from sqlalchemy.exc import OperationalError

from grokwatch.monitor.errors import ConflictError, StoreError, WireError
from grokwatch.monitor.records import AnyRecord, Assessment, RunStarted
from grokwatch.monitor.service.checking import standings
from grokwatch.monitor.service.committing import Committer
from grokwatch.monitor.service.intake import GroupIntake
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.turn import Pushed
from grokwatch.monitor.service.views import Batch, Receipt
from grokwatch.monitor.vocabulary import Stage
from tests.service_runs import Bench, batches, left, observed, opened, start, story

WAIT_SECONDS = 60.0


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with opened(address) as store:
        yield store


@pytest.fixture
def intake(store: Store) -> Iterator[GroupIntake]:
    intake = GroupIntake(Bench(store).committer)
    intake.start()
    yield intake
    assert intake.close(WAIT_SECONDS)


def test_batches_of_many_threads_are_committed_and_answered(
    store: Store, intake: GroupIntake
) -> None:
    def push(run_id: str) -> None:
        for batch in batches(story(run_id, steps=range(0, 300, 20))):
            assert intake.submit(batch).result(WAIT_SECONDS).late == 0

    threads = [threading.Thread(target=push, args=(f"r{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    health = intake.health()
    assert (health.stored, health.late, health.failures) == (5 * 17, 0, 0)
    assert (health.queue_depth, health.lag_seconds, health.is_writable) == (0, 0.0, True)
    assert health.commit_seconds[10.0] == health.commits > 0


def test_who_gives_up_waiting_stops_nobody(store: Store, intake: GroupIntake) -> None:
    first, second = batches(story("a", steps=range(0, 200, 20)))[:2]
    assert not intake.submit(first).cancel()
    assert intake.submit(second).result(WAIT_SECONDS).held == 0


class Stumbling:
    """A committer that fails where a run is bad, whatever else is in the transaction."""

    def __init__(self, committer: Committer, error: Exception) -> None:
        self._committer = committer
        self._error = error
        self.groups: queue.Queue[int] = queue.Queue()

    def commit(self, items: Sequence[Pushed]) -> list[Receipt | ConflictError]:
        self.groups.put(len(items))
        if any(item.run_id == "bad" for item in items):
            raise self._error
        return self._committer.commit(items)

    def sweep(self) -> int:
        raise self._error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (StoreError("Expected room, got none. Try another disk."), "Expected room, got none"),
        (RuntimeError("oh"), "Expected to store a batch, got an error. Try later."),
    ],
)
def test_a_batch_that_fails_alone_fails_no_other(
    store: Store, error: Exception, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    stumbling = Stumbling(Bench(store).committer, error)
    intake = GroupIntake(stumbling)  # type: ignore[arg-type]  # stands where a committer does
    names = ("a", "bad", "b")
    futures = [intake.submit(Batch(records=(start(name),), after=0)) for name in names]
    intake.start()
    assert [futures[place].result(WAIT_SECONDS).stored for place in (0, 2)] == [1, 1]
    with pytest.raises(StoreError, match=message):
        futures[1].result(WAIT_SECONDS)
    assert [stumbling.groups.get(timeout=WAIT_SECONDS) for _ in range(4)] == [3, 1, 1, 1]
    assert intake.health().failures == 2
    again = intake.submit(Batch(records=(observed("a", 2, 10),), after=1))
    assert again.result(WAIT_SECONDS).seq == 2
    assert intake.close(WAIT_SECONDS)


def test_a_store_that_is_away_is_asked_once_for_all_and_forgiven_in_a_while(store: Store) -> None:
    gone = StoreError("Expected the store to answer, got nothing. Try later.")
    gone.__cause__ = OperationalError("SELECT 1", {}, Exception("no route"))
    seconds = [0.0]
    stumbling = Stumbling(Bench(store).committer, gone)
    intake = GroupIntake(stumbling, clock=lambda: seconds[0])  # type: ignore[arg-type]
    names = ("a", "bad", "b")
    futures = [intake.submit(Batch(records=(start(name),), after=0)) for name in names]
    intake.start()
    for future in futures:
        with pytest.raises(StoreError, match="Expected the store to answer, got nothing"):
            future.result(WAIT_SECONDS)
    assert not intake.health().is_writable
    seconds[0] = 11.0
    assert intake.health().is_writable
    assert intake.close(WAIT_SECONDS)
    assert stumbling.groups.get(timeout=WAIT_SECONDS) == 3
    assert stumbling.groups.empty()


def test_more_than_can_wait_is_refused_and_the_rest_is_kept(store: Store) -> None:
    intake = GroupIntake(Bench(store).committer, capacity=2)
    sent = batches(story("a"))
    kept = [intake.submit(batch) for batch in sent[:2]]
    with pytest.raises(StoreError, match="Expected at most 2 waiting batches, got more"):
        intake.submit(sent[2]).result(WAIT_SECONDS)
    intake.start()
    assert [future.result(WAIT_SECONDS).stored for future in kept] == [10, 10]
    assert intake.close(WAIT_SECONDS)
    with pytest.raises(StoreError, match="Expected a service that runs, got one that stops"):
        intake.submit(sent[2]).result(WAIT_SECONDS)


def said(seq: int) -> Assessment:
    return Assessment(
        run_id="a", seq=seq, step=1, time=0.0, predictor="x@1", stage=Stage.FITTING, reason="y"
    )


def test_what_the_service_says_itself_is_not_taken_from_others(
    store: Store, intake: GroupIntake
) -> None:
    nothing = intake.submit(Batch(records=(said(1),), after=0)).result(WAIT_SECONDS)
    assert (nothing.stored, nothing.ignored, nothing.seq) == (0, 1, 0)
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT * FROM runs").all() == []
    mixed = (start("a"), said(2), observed("a", 3, 1), said(4), observed("a", 5, 2))
    receipt = intake.submit(Batch(records=mixed, after=0)).result(WAIT_SECONDS)
    assert (receipt.stored, receipt.ignored, receipt.held, receipt.seq) == (3, 2, 0, 5)
    assert len(left(store, "a").assessments) == 2


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ((), "Expected 1 to 10000 records, got 0. Try smaller batches"),
        ((start("a"), start("b", seq=2)), "Expected records of one run, got 'a' and 'b'"),
        ((start("../a"),), "Expected a run id of at most 128 letters, digits"),
        ((start("a", seq=0),), "Expected attempt and seq from 1, got (1, 0)"),
        ((start("a", seq=2**63),), "Expected attempt and seq from 1, got (1, 92"),
        ((start("a", attempt=2**31),), "Expected attempt and seq from 1, got (2147483648, 1)"),
        ((start("a", seq=2), observed("a", 2, 1)), "Expected records by ascending attempt and seq"),
        ((observed("a", 1, 2**63),), "Expected a step of 64 bits, got one of (1, 1)"),
        (
            tuple(start("a", attempt=number, seq=number) for number in range(1, 18)),
            "Expected at most 16 attempts in a batch, got 17. Try smaller batches",
        ),
        ((start("a"), start("a", seq=2)), "Expected one start of each attempt, got 2 starts"),
        (
            (RunStarted(run_id="a", seq=1, time=0.0, budget_steps=2**63),),
            "Expected a budget of 64 bits, got a larger one",
        ),
        (
            (RunStarted(run_id="a", seq=1, time=0.0, name="\ud800"),),
            "Expected a record of 64-bit integers, floats and valid text",
        ),
    ],
)
def test_a_wrong_batch_is_refused_before_anything_is_stored(
    records: tuple[AnyRecord, ...], message: str
) -> None:
    with pytest.raises(WireError) as caught:
        standings(Batch(records=records))
    assert message in str(caught.value)


@pytest.mark.parametrize("after", [-1, 1, 2**63])
def test_what_was_pushed_before_comes_before(after: int) -> None:
    with pytest.raises(WireError, match="Expected `after` from 0 and below 1, got"):
        standings(Batch(records=(start("a"),), after=after))


def test_a_wrong_batch_is_answered_and_stops_nobody(intake: GroupIntake) -> None:
    with pytest.raises(WireError, match="Expected 1 to 10000 records, got 0"):
        intake.submit(Batch(records=())).result(WAIT_SECONDS)
    assert intake.submit(Batch(records=(start("a"),))).result(WAIT_SECONDS).stored == 1
