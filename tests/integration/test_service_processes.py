"""Services of several processes over one store, killed at any instant."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from grokwatch.monitor.service.store.tables import deliveries
from tests.chaos import trials
from tests.service_rival import SIZE
from tests.service_runs import Bench, batches, left, opened, stored, story

ROOT = Path(__file__).parents[2]
RUNS = ("a", "b")


class Rival:
    """A process that commits what it is told to."""

    def __init__(self, address: str, holder: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.service_rival", address, holder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def ask(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def rivals(address: str, number: int) -> Iterator[list[Rival]]:
    found = [Rival(address, f"rival {each}") for each in range(number)]
    try:
        yield found
    finally:
        for rival in found:
            rival.kill()


@pytest.mark.parametrize("seed", range(trials(1)))
def test_a_run_has_one_judge_at_a_time_and_the_next_where_that_one_is_killed(
    address: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    numbers = range(len(batches(story("a"), SIZE)))
    with opened(address) as store, rivals(address, 3) as found:
        for number in numbers:
            for run_id in RUNS:
                chance.choice(found).ask(f"{run_id} {number}")
            if number == numbers[-1] // 2:
                found.pop(0).kill()
        while any(place == "waiting" for run_id in RUNS for *_, place, _ in stored(store, run_id)):
            chance.choice(found).ask("sweep")  # until the leases of the killed have ended
        with opened(f"sqlite:///{tmp_path}/oracle.db") as undisturbed:
            bench = Bench(undisturbed)
            for run_id in RUNS:
                for batch in batches(story(run_id), SIZE):
                    bench.push(batch)
                assert left(store, run_id) == left(undisturbed, run_id)
                assert left(store, run_id).alerts
        with store.reading() as connection:
            num_deliveries = len(connection.execute(select(deliveries.c.id)).all())
        told = [states for run_id in RUNS for *_, states in left(store, run_id).alerts.values()]
        assert num_deliveries == sum(len(states) for states in told)


def test_a_process_that_stops_gives_its_runs_to_the_next_at_once(address: str) -> None:
    first, second = batches(story("a"), SIZE)[:2]
    with opened(address) as store:
        one = Bench(store, holder="one", lease_seconds=1e6)
        two = Bench(store, holder="two", lease_seconds=1e6)
        one.push(first)
        two.push(second)
        assert {place for *_, place, _ in stored(store, "a")} == {"judged", "waiting"}
        assert two.committer.sweep() == 1
        assert "waiting" in {place for *_, place, _ in stored(store, "a")}
        one.leases.release()
        assert two.committer.sweep() == 1
        assert {place for *_, place, _ in stored(store, "a")} == {"judged"}
        assert two.committer.sweep() == 0


def test_the_holder_judges_first_what_others_stored_before(address: str) -> None:
    first, second, third = batches(story("a"), SIZE)[:3]
    with opened(address) as store:
        one = Bench(store, holder="one", lease_seconds=1e6)
        one.push(first)
        assert Bench(store, holder="two").push(second).held == 0
        assert one.push(third).held == 0
        assert {place for *_, place, _ in stored(store, "a")} == {"judged"}
        assert left(store, "a").row["num_late"] == 0


def test_who_gets_a_run_back_knows_what_another_held_meanwhile(address: str) -> None:
    first, second, third = batches(story("a"), SIZE)[:3]
    with opened(address) as store:
        one = Bench(store, holder="one", lease_seconds=-1.0)
        one.push(first)
        assert Bench(store, holder="two", lease_seconds=-1.0).push(third).held == SIZE
        one.push(second)
        assert {place for *_, place, _ in stored(store, "a")} == {"judged"}


NONE_WRONG = ("unfinished", "misjudged", "misannounced", "missed", "invented", "unheard")


def test_a_kill_at_any_point_between_record_and_delivery_loses_and_renames_nothing(
    address: str, tmp_path: Path
) -> None:
    num_trials = trials(1)
    program = [sys.executable, "-m", "tests.service_crashes", address]
    done = subprocess.run(
        [*program, "--trials", str(num_trials), "--file", str(tmp_path / "heard")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert {name: counts[name] for name in NONE_WRONG} == dict.fromkeys(NONE_WRONG, 0), counts
    assert counts["killed"] == counts["trials"] == 6 * num_trials
    # where the receiver answered and the mark was not made, the same name comes once more
    assert counts["sent_again"] == 2 * num_trials
