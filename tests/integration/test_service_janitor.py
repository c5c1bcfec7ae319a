from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from grokwatch.monitor.service.janitor import Janitor
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import states
from tests.service_runs import Bench, batches, left, opened, stored, story


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with opened(address) as store:
        yield store


def test_of_old_points_only_those_behind_the_state_are_thinned_and_all_goes_on(
    store: Store, tmp_path: Path
) -> None:
    told, bench = story("a"), Bench(store)
    second = story("a", steps=range(700, 2_100, 20), attempt=2, first_seq=len(told) + 1)
    for batch in batches(told[:60]) + batches(second[:40]):
        bench.push(batch)
    janitor = Janitor(store, keep_points=50, keep_days=None)
    before = stored(store, "a")
    num_thinned = janitor.clean()
    kept = stored(store, "a")
    assert 10 < num_thinned == len(before) - len(kept)
    assert kept[-20:] == before[-20:]
    assert {each[1] for each in before if not is_observed(each)} <= {each[1] for each in kept}
    firsts = {
        attempt: min(e[1] for e in before if e[0] == attempt and is_observed(e))
        for attempt in (1, 2)
    }
    assert set(firsts.items()) <= {(each[0], each[1]) for each in kept}
    for batch in batches(second[40:]):
        Bench(store).push(batch)
    with opened(f"sqlite:///{tmp_path}/oracle.db") as untouched:
        for batch in batches(told[:60]) + batches(second):
            Bench(untouched).push(batch)
        expected = left(untouched, "a")
    found = left(store, "a")
    assert (found.alerts, found.row) == (expected.alerts, expected.row)
    assert found.assessments.items() <= expected.assessments.items()


def test_what_a_restart_would_judge_again_is_not_thinned(store: Store) -> None:
    for batch in batches(story("a")):
        Bench(store).push(batch)
    before = {each[1] for each in stored(store, "a")}
    with store.writing() as connection:
        connection.execute(update(states).values(seq=20))
    assert Janitor(store, keep_points=50, keep_days=None).clean() > 0
    assert max(before - {each[1] for each in stored(store, "a")}) < 20
    with store.writing() as connection:
        connection.execute(delete(states))
    assert Janitor(store, keep_points=50, keep_days=None).clean() == 0


def is_observed(each: tuple[int, int, str, bytes]) -> bool:
    return b"observation" in each[3][:40]
