import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from grokwatch.monitor.errors import HookError, StoreError
from grokwatch.monitor.notice import Notice
from grokwatch.monitor.service.courier import HookCourier
from grokwatch.monitor.service.couriers import Couriers
from grokwatch.monitor.service.outbox import Due, Outbox
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import (
    alerts,
    deliveries,
    notices,
    records,
    runs,
    states,
)
from grokwatch.monitor.service.store.writes import Writes
from grokwatch.monitor.vocabulary import AlertState
from tests.service_hooks import Ear, announce, named
from tests.service_runs import Bench, Clock, batches, opened, story

FIRING, CLEARED = AlertState.FIRING, AlertState.CLEARED
DAY_SECONDS = 86_400.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(address: str, clock: Clock) -> Iterator[Store]:
    with opened(address, clock) as store:
        yield store


def courier(store: Store, ear: Ear, name: str = "ear") -> HookCourier:
    return HookCourier(name, ear, Outbox(store, name))


def deliver_for(
    courier: HookCourier, clock: Clock, seconds: float, *, step_seconds: float = 1.0
) -> None:
    """Deliver whatever falls due, for so long."""
    end = clock.seconds + seconds
    while clock.seconds < end:
        courier.deliver()
        clock.seconds += step_seconds


def statuses(store: Store) -> list[str]:
    with store.reading() as connection:
        return list(connection.execute(select(deliveries.c.status).order_by("id")).scalars())


def test_an_alert_its_state_and_its_deliveries_are_committed_together_or_not_at_all(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(Exception):
        pass

    def crash(writes: Writes, connection: object) -> None:
        flush(writes, connection)  # type: ignore[arg-type]
        if num_left.pop() == 0:
            raise Crash

    flush = Writes.flush
    sent = batches(story("a", steps=range(0, 600, 20)), 100)
    for number in range(2):  # after what came before the alert, and after everything
        num_left = list(range(number + 1))
        monkeypatch.setattr(Writes, "flush", crash)
        with pytest.raises(Crash):
            Bench(store).push(sent[0])
        monkeypatch.undo()
        with store.reading() as connection:
            for table in (records, states, alerts, notices, deliveries):
                assert connection.execute(select(table)).all() == []
    Bench(store).push(sent[0])
    assert statuses(store) == ["pending"]


def test_each_state_is_delivered_once_to_each_hook_in_order(store: Store, clock: Clock) -> None:
    first, second = Ear(clock), Ear(clock)
    alert = announce(store, ["first", "second"])
    announce(store, ["first", "second"])
    announce(store, ["first", "second"], CLEARED)
    for _ in range(3):
        courier(store, first, "first").deliver()
        courier(store, second, "second").deliver()
    assert first.heard == second.heard == named(alert, FIRING, CLEARED)
    assert statuses(store) == ["delivered"] * 4


def test_a_later_state_waits_for_the_one_before_it(store: Store, clock: Clock) -> None:
    ear = Ear(clock, HookError("Expected an answer, got none. Try later."))
    alert = announce(store, ["ear"])
    announce(store, ["ear"], CLEARED)
    carrying = courier(store, ear)
    carrying.deliver()
    assert ear.heard == named(alert, FIRING)
    deliver_for(carrying, clock, 10.0)
    assert ear.heard == named(alert, FIRING, FIRING, CLEARED)


def test_failures_are_tried_again_at_growing_intervals_for_three_days(
    store: Store, clock: Clock
) -> None:
    ear = Ear(clock, *[HookError("Expected 2xx, got 500. Try later.")] * 1_000)
    announce(store, ["ear"])
    carrying = courier(store, ear)
    deliver_for(carrying, clock, 100.0)
    rests = [later - sooner for sooner, later in zip(ear.times, ear.times[1:], strict=False)]
    for number, rest in enumerate(rests[:4]):
        assert 2.5 * 2**number <= rest <= 5.0 * 2**number + 2.0
    deliver_for(carrying, clock, 4 * DAY_SECONDS, step_seconds=1_800.0)
    assert statuses(store) == ["dead"]
    assert 2.9 * DAY_SECONDS < ear.times[-1] - ear.times[0] <= 3 * DAY_SECONDS + 1_800
    last = [late - soon for soon, late in zip(ear.times[-9:], ear.times[-8:], strict=False)]
    assert max(last) <= 3_600 + 1_800
    [health] = Couriers(store, {"ear": ear}).health()
    assert (health.waiting, health.error) == (0, None)
    assert carrying.health(0).error == "Expected 2xx, got 500. Try later."
    assert carrying.health(0).failures == len(ear.times)


def test_a_receiver_is_left_alone_as_long_as_it_asks(store: Store, clock: Clock) -> None:
    ear = Ear(clock, HookError("Expected 2xx, got 429. Try later.", retry_after_seconds=77.0))
    announce(store, ["ear"])
    deliver_for(courier(store, ear), clock, 100.0, step_seconds=11.0)
    assert ear.times[1] - ear.times[0] == pytest.approx(77.0, abs=11.0)


def test_a_receiver_that_asks_for_a_week_is_tried_again_in_a_day(
    store: Store, clock: Clock
) -> None:
    week = HookError("Expected 2xx, got 429. Try later.", retry_after_seconds=7 * DAY_SECONDS)
    ear = Ear(clock, week)
    announce(store, ["ear"])
    deliver_for(courier(store, ear), clock, 1.1 * DAY_SECONDS, step_seconds=1_000.0)
    assert statuses(store) == ["delivered"]
    assert ear.times[1] - ear.times[0] == pytest.approx(DAY_SECONDS, abs=1_000.0)


def test_what_was_taken_is_not_fired_again_because_the_store_was_away(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear = Ear(clock)
    announce(store, ["ear"])
    carrying = courier(store, ear)
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "succeeded", _away)
        with pytest.raises(StoreError):
            carrying.deliver()
    deliver_for(carrying, clock, 300.0, step_seconds=50.0)
    assert (statuses(store), len(ear.heard)) == (["delivered"], 1)


def _away(*_: object, **__: object) -> None:
    raise StoreError("Expected the store to answer, got nothing. Try later.")


def test_a_receiver_that_is_gone_hears_nothing_more(store: Store, clock: Clock) -> None:
    ear = Ear(clock, HookError("Expected 2xx, got 410. Try another hook.", is_gone=True))
    announce(store, ["ear"])
    announce(store, ["ear"], CLEARED)
    carrying = courier(store, ear)
    deliver_for(carrying, clock, 30.0)
    assert len(ear.heard) == 1
    assert statuses(store) == ["dead", "dead"]
    assert carrying.health(0).is_gone


def test_what_was_delivered_or_given_up_can_be_sent_again_under_its_name(
    store: Store, clock: Clock
) -> None:
    ear = Ear(clock, None, HookError("Expected 2xx, got 500. Try later."))
    alert = announce(store, ["ear"])
    carrying, couriers = courier(store, ear), Couriers(store, {"ear": ear})
    carrying.deliver()
    clock.seconds += 5 * DAY_SECONDS
    assert couriers.resend(alert) == 1
    assert couriers.resend(alert, hook="nobody") == couriers.resend("nothing") == 0
    deliver_for(carrying, clock, 20.0)  # five days after the first delivery a failure is no end
    assert ear.heard == named(alert, FIRING, FIRING, FIRING)
    assert statuses(store) == ["delivered"]


def test_a_receiver_that_forgets_is_told_again_while_it_lasts_and_a_while_after(
    store: Store, clock: Clock
) -> None:
    ear = Ear(clock, repeat_seconds=60.0)
    alert = announce(store, ["ear"])
    carrying = courier(store, ear)
    deliver_for(carrying, clock, 600.0, step_seconds=20.0)
    assert ear.heard == named(alert, *[FIRING] * 10)
    announce(store, ["ear"], CLEARED)
    del ear.heard[:], ear.times[:]
    deliver_for(carrying, clock, 1_000.0, step_seconds=20.0)
    assert ear.heard == named(alert, *[CLEARED] * 6)
    assert ear.times[-1] - ear.times[0] == pytest.approx(300.0, abs=5.0)
    assert statuses(store) == ["superseded", "delivered"]


def test_what_fires_in_a_run_that_ended_is_not_said_for_ever(store: Store, clock: Clock) -> None:
    ear = Ear(clock, repeat_seconds=60.0)
    announce(store, ["ear"])
    carrying = courier(store, ear)
    carrying.deliver()
    with store.writing() as connection:
        connection.execute(runs.update().values(status="finished"))
    deliver_for(carrying, clock, 600.0, step_seconds=30.0)
    assert (statuses(store), len(ear.heard)) == (["delivered"], 2)


def test_nobody_else_takes_what_is_claimed_until_the_claim_ends(store: Store, clock: Clock) -> None:
    alert = announce(store, ["ear"])
    mine, other = Outbox(store, "ear"), Outbox(store, "ear")
    claimed = mine.claim()
    assert claimed is not None
    assert other.claim() is None
    Couriers(store, {"ear": Ear(clock)}).resend(alert)  # sending again overtakes nobody
    assert other.claim() is None
    clock.seconds += 121.0
    again = other.claim()
    assert again is not None
    assert again.notice.id == claimed.notice.id


def test_couriers_of_two_processes_share_deliveries_without_overlap(
    store: Store, clock: Clock
) -> None:
    alert_ids = [announce(store, ["ear"], episode=number) for number in range(1, 21)]
    claimed: list[Due] = []

    def take() -> None:
        outbox = Outbox(store, "ear")
        while (due := outbox.claim()) is not None:
            claimed.append(due)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(due.notice.alert.id for due in claimed) == sorted(alert_ids)


def test_couriers_outlive_hooks_that_raise_anything(store: Store, clock: Clock) -> None:
    class Broken:
        repeat_seconds: float | None = None

        def fire(self, notice: Notice, /) -> None:
            raise RuntimeError(notice.id)

    couriers = Couriers(store, {"broken": Broken(), "ear": Ear(clock)})
    assert couriers.test() == {
        "broken": "Expected broken to answer, got RuntimeError.",
        "ear": None,
    }
    announce(store, ["broken"])
    carrying = HookCourier("broken", Broken(), Outbox(store, "broken"))
    assert carrying.deliver() > 0
    assert carrying.health(1).error == "Expected broken to answer, got RuntimeError."
    assert statuses(store) == ["pending"]


def test_a_courier_delivers_by_itself_and_outlives_a_store_that_is_away(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear, is_away = Ear(clock), threading.Event()
    claim = Outbox.claim

    def away(outbox: Outbox) -> Due | None:
        if not is_away.is_set():
            is_away.set()
            raise StoreError("Expected the store to answer, got nothing. Try later.")
        return claim(outbox)

    monkeypatch.setattr(Outbox, "claim", away)
    couriers = Couriers(store, {"ear": ear})
    alert = announce(store, ["ear"])
    couriers.start()
    assert is_away.wait(30.0)
    while not ear.heard:
        couriers.notify()
    couriers.close()
    assert ear.heard == named(alert, FIRING)


def test_a_damaged_notice_is_given_up_and_the_next_one_is_delivered(
    store: Store, clock: Clock
) -> None:
    ear = Ear(clock)
    alert = announce(store, ["ear"])
    with store.writing() as connection:
        connection.execute(notices.update().values(payload=b"\xc1"))
    announce(store, ["ear"], CLEARED)
    deliver_for(courier(store, ear), clock, 5)
    assert statuses(store) == ["dead", "delivered"]
    assert ear.heard == named(alert, CLEARED)
