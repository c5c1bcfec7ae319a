"""Kill a service with SIGKILL at each point between record and delivery, and see what is left.

Run as a program over an empty store. Each trial is a child of its own: it takes one run's batches,
delivers its alerts by a hook that appends to a file, and kills itself at the point. Another child,
to whom all claims and leases have ended, is sent the same batches again and delivers what is left.
Writes one JSON object to standard output.
"""

import argparse
import json
import os
import signal
import sys
import traceback
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import event, select

from grokwatch.monitor.notice import Notice
from grokwatch.monitor.service.courier import HookCourier
from grokwatch.monitor.service.outbox import Outbox
from grokwatch.monitor.service.store.engine import Store
from grokwatch.monitor.service.store.tables import alerts
from tests.service_runs import Bench, Clock, Left, batches, left, opened, story

POINTS = (
    "before commit",
    "after commit",
    "before fire",
    "after fire",
    "before mark",
    "after mark",
)
STEPS = range(0, 900, 20)


class FileHook:
    """Appends the name of each message to a file, as a receiver would, and dies where told."""

    repeat_seconds: float | None = None

    def __init__(self, file: Path, point: str) -> None:
        self._file = file
        self._point = point
        self.has_fired = False

    def fire(self, notice: Notice, /) -> None:
        die_at("before fire", self._point)
        with self._file.open("a") as file:
            file.write(f"{notice.alert.run_id} {notice.id}\n")
        die_at("after fire", self._point)
        self.has_fired = True


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(point: str, wanted: str) -> None:
    if point == wanted:
        die()


def work(address: str, file: Path, run_id: str, point: str) -> None:
    """Take a run's batches and deliver its alerts, up to the point."""
    clock = Clock()
    clock.seconds += 0.0 if point else 1_000.0
    with opened(address, clock) as store:
        hook = FileHook(file, point)
        bench = Bench(store, holder=f"{run_id} {point}", hooks=["file"])
        sent = batches(story(run_id, steps=STEPS), 15)
        if point == "before commit":
            event.listen(store.engine, "commit", lambda _: die_if_judged_late(bench))
        for batch in sent:
            bench.push(batch)
            if has_announced(store, run_id):
                die_at("after commit", point)
        if point == "before mark":
            event.listen(store.engine, "commit", lambda _: die() if hook.has_fired else None)
        carrying = HookCourier("file", hook, Outbox(store, "file"))
        carrying.deliver()
        die_at("after mark", point)


def die_if_judged_late(bench: Bench) -> None:
    """Die in the transaction in which an alert was raised."""
    judges = [bench.judges.get(run_id) for run_id in bench.judges.run_ids]
    if any(judge is not None and judge.stage == "circuit_formation" for judge in judges):
        die()


def has_announced(store: Store, run_id: str) -> bool:
    with store.reading() as connection:
        chosen = select(alerts.c.id).where(alerts.c.run_id == run_id)
        return connection.execute(chosen).first() is not None


def fork(address: str, file: Path, run_id: str, point: str) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work(address, file, run_id, point)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def uninterrupted(folder: Path) -> Left:
    """What one run leaves where nothing is killed."""
    with opened(f"sqlite:///{folder}/oracle/a.db") as store:
        bench = Bench(store)
        for batch in batches(story("oracle", steps=STEPS), 15):
            bench.push(batch)
        return left(store, "oracle")


def count_wrong(store: Store, run_id: str, heard: Sequence[str], oracle: Left) -> Counter[str]:
    """Compare what is left of a run, and what its receiver heard, with a run left in peace."""
    found = left(store, run_id)
    told = {
        f"{alert}-{state}" for alert, (_, _, states) in found.alerts.items() for state, _ in states
    }
    lives = [alert[1:] for alert in oracle.alerts.values()]
    return Counter(
        misjudged=set(found.assessments) != set(oracle.assessments),
        misannounced=[alert[1:] for alert in found.alerts.values()] != lives,
        missed=len(told - set(heard)),
        invented=len(set(heard) - told),
        sent_again=len(heard) - len(set(heard)),
    )


def try_points(address: str, file: Path, num_trials: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for point in POINTS:
        for number in range(num_trials):
            run_id = f"{point.replace(' ', '-')}-{number}"
            counts["killed"] += fork(address, file, run_id, point) == -signal.SIGKILL
            counts["unfinished"] += fork(address, file, run_id, "") != 0
            counts["trials"] += 1
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    arguments = parser.parse_args()
    oracle = uninterrupted(arguments.file.parent)
    counts = try_points(arguments.address, arguments.file, arguments.trials)
    heard: dict[str, list[str]] = defaultdict(list)
    for line in arguments.file.read_text().splitlines():
        run_id, name = line.split()
        heard[run_id].append(name)
    with opened(arguments.address) as store:
        for run_id, names in heard.items():
            counts.update(count_wrong(store, run_id, names, oracle))
    counts["unheard"] = counts["trials"] - len(heard)
    json.dump(counts, sys.stdout)


if __name__ == "__main__":
    main()
