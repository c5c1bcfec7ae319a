"""Rows that a disk has damaged: their run is judged again, or goes on without them."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, update

from grokwatch.monitor.config import ServiceSection
from grokwatch.monitor.errors import ConflictError
from grokwatch.monitor.records import AnyRecord, Observation, RunStarted
from grokwatch.monitor.service.archive import Archive
from grokwatch.monitor.service.restoring import restored
from grokwatch.monitor.service.service import Service, store_of
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import assessments, notices, records, states
from grokwatch.monitor.service.views import Batch

PREDICTOR = "baseline:always"
END = (1, 9)


def run_records(first: int, last: int) -> tuple[AnyRecord, ...]:
    started = RunStarted(run_id="a", seq=1, time=0.0)
    seen = [
        Observation(
            run_id="a", seq=seq, step=10 * seq, time=0.0, train_loss=1 / seq, train_accuracy=1.0
        )
        for seq in range(2, 20)
    ]
    story: list[AnyRecord] = [started, *seen]
    return tuple(story[first - 1 : last])


@pytest.fixture
def section(tmp_path: Path) -> ServiceSection:
    store = f"sqlite:///{tmp_path}/service.db"
    section = ServiceSection(store=store, predictor=PREDICTOR, hooks=())
    assert pushed(section, run_records(1, 9)) == 9
    return section


@pytest.fixture
def store(section: ServiceSection) -> Iterator[Store]:
    store = store_of(section, {})
    yield store
    store.close()


def pushed(section: ServiceSection, batch: tuple[AnyRecord, ...]) -> int:
    """How many a service that starts now stores."""
    service = Service(section, environment={})
    service.start()
    try:
        return service.intake.submit(Batch(records=batch)).result(20).stored
    finally:
        service.close()


def damage(store: Store, table: Table, payload: bytes) -> None:
    with store.writing() as connection:
        assert connection.execute(update(table).values(payload=payload)).rowcount > 0


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\xc1" * 50, b"\x80", b"{}"])
@pytest.mark.parametrize("table", [states, notices, assessments], ids=lambda table: table.name)
def test_a_run_whose_state_or_notice_is_damaged_is_judged_on(
    table: Table,
    payload: bytes,
    section: ServiceSection,
    store: Store,
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(store, table, payload)
    with caplog.at_level(logging.WARNING):
        assert pushed(section, run_records(10, 14)) == 5
    assert "was not stored" not in caplog.text
    service = Service(section, environment={})
    detail = service.reader.run("a")
    service.close()
    assert detail is not None
    assert detail.run.num_observations == 13


def test_a_run_whose_records_are_damaged_goes_on_without_them(
    section: ServiceSection, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    damage(store, records, b"\xc1")
    damage(store, states, b"\xc1")
    assert pushed(section, run_records(10, 14)) == 5
    assert "a damaged record of run a is left out" in caplog.text
    with pytest.raises(ConflictError, match="differs from the one stored under its name"):
        pushed(section, run_records(9, 9))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    payload=st.binary(max_size=300), flips=st.lists(st.tuples(st.integers(0), st.integers(0, 255)))
)
def test_any_state_is_taken_up_or_made_again(
    payload: bytes, flips: list[tuple[int, int]], store: Store
) -> None:
    with store.reading() as connection:
        found = connection.execute(states.select()).one().payload
    content = bytearray(found)
    for at, value in flips:
        content[at % len(content)] = value
    for state in (payload, bytes(content)):
        with store.engine.connect() as connection:
            connection.execute(update(states).values(payload=state))
            judge = restored(Archive(connection, "a"), PREDICTOR, END)
            assert judge.line.front == END
            connection.rollback()
