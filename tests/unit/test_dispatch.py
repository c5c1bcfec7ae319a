"""Nothing reaches training: not a slow sink, not a failing one, not a full disk."""

import itertools
import random
import resource
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from grokwatch.monitor.backoff import Backoff
from grokwatch.monitor.cursor import Cursor, cursors
from grokwatch.monitor.dispatch import Dispatcher, drain
from grokwatch.monitor.errors import ConfigurationError, SinkError
from grokwatch.monitor.feeder import Feeder
from grokwatch.monitor.journal import Journal, inspect, read, run_directory
from grokwatch.monitor.protocols import Sink
from grokwatch.monitor.records import AnyRecord, Evaluation

RUN = "r1"
TARGET = "memory:a"


class Memory:
    """A sink that keeps what it is given, and fails or hangs when told to."""

    def __init__(self, *, live: bool = False, error: BaseException | None = None) -> None:
        self.live = live
        self.error = error
        self.batches: list[list[AnyRecord]] = []
        self.may_write = threading.Event()
        self.may_write.set()
        self.num_closed = 0

    def write(self, records: Sequence[AnyRecord], /) -> None:
        self.may_write.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(list(records))

    def close(self) -> None:
        self.num_closed += 1

    @property
    def steps(self) -> list[int]:
        records = (record for batch in self.batches for record in batch)
        return [record.step for record in records if isinstance(record, Evaluation)]

    @property
    def seqs(self) -> list[int]:
        return [record.seq for batch in self.batches for record in batch]


def evaluations(num_records: int, first: int = 1) -> list[AnyRecord]:
    return [
        Evaluation(run_id=RUN, step=step, time=0.0) for step in range(first, first + num_records)
    ]


def quick(first_seconds: float = 0.001, cap_seconds: float = 0.02) -> Backoff:
    return Backoff(first_seconds=0.001, cap_seconds=min(cap_seconds, 0.02))


def dispatcher(root: Path, sinks: Mapping[str, Sink], **options: Any) -> Dispatcher:
    return Dispatcher(Journal.open(root, RUN), sinks, backoff=quick, **options)


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def read_all(root: Path) -> list[AnyRecord]:
    return list(read(run_directory(root, RUN)))


def test_records_reach_journal_live_and_fed_sinks(tmp_path: Path) -> None:
    live, fed = Memory(live=True), Memory()
    carrier = dispatcher(tmp_path, {"live:": live, TARGET: fed})
    assert (carrier.run_id, carrier.attempt) == (RUN, 1)
    for record in evaluations(100):
        carrier.submit([record])
    assert carrier.flush(5.0)
    kept = read_all(tmp_path)
    assert [record.seq for record in kept] == list(range(1, 101))
    assert {record.attempt for record in kept} == {1}
    assert [record.step for record in kept if isinstance(record, Evaluation)] == fed.steps
    assert live.seqs == fed.seqs == list(range(1, 101))
    health = carrier.health()
    assert (health.queue_depth, health.dropped, health.journal_failures) == (0, {}, 0)
    assert health.sink_failures == {"live:": 0, TARGET: 0}
    assert health.sink_lag == {TARGET: 0}
    carrier.close()
    assert (live.num_closed, fed.num_closed) == (1, 1)


def test_resumed_attempt_numbers_on_and_feeds_only_what_is_new(tmp_path: Path) -> None:
    for attempt in (1, 2, 3):
        sink, late = Memory(), Memory()
        carrier = dispatcher(tmp_path, {TARGET: sink} | ({"late:": late} if attempt == 3 else {}))
        assert carrier.attempt == attempt
        carrier.submit(evaluations(4))
        carrier.close()
        first = 4 * (attempt - 1) + 1
        assert sink.seqs == list(range(first, first + 4))
    assert late.seqs == list(range(1, 13))  # a sink that came late is caught up
    assert [record.attempt for record in read_all(tmp_path)] == [1] * 4 + [2] * 4 + [3] * 4


def test_numbers_go_on_beyond_a_cursor_when_the_journal_lost_its_end(tmp_path: Path) -> None:
    sink = Memory()
    carrier = dispatcher(tmp_path, {TARGET: sink})
    carrier.submit(evaluations(5))
    carrier.close()
    (segment,) = run_directory(tmp_path, RUN).glob("*.journal")
    segment.write_bytes(segment.read_bytes()[:-1])  # the disk lost an acknowledged record
    carrier = dispatcher(tmp_path, {TARGET: sink})
    assert carrier.health().torn_bytes > 0
    carrier.submit(evaluations(1))
    carrier.close()
    assert sink.seqs == [1, 2, 3, 4, 5, 6]
    assert [record.seq for record in read_all(tmp_path)] == [1, 2, 3, 4, 6]


def test_submit_returns_at_once_while_every_sink_hangs(tmp_path: Path) -> None:
    hung = Memory()
    hung.may_write.clear()
    carrier = dispatcher(tmp_path, {TARGET: hung})
    began = time.monotonic()
    carrier.submit(evaluations(1000))
    assert eventually(lambda: len(read_all(tmp_path)) == 1000)  # acknowledged all the same
    assert not carrier.flush(0.01)
    assert carrier.health().sink_lag == {TARGET: 1000}
    carrier.close(0.05)
    assert time.monotonic() - began < 5.0
    Journal.open(tmp_path, RUN).close()  # the hung sink keeps no lock
    hung.may_write.set()


@pytest.mark.parametrize(
    "error",
    [SinkError("down"), OSError(5), ValueError("x"), MemoryError(), SystemExit(3), GeneratorExit()],
    ids=repr,
)
def test_failing_sinks_are_counted_and_harm_nobody(tmp_path: Path, error: BaseException) -> None:
    broken, broken_live, well = Memory(error=error), Memory(live=True, error=error), Memory()
    carrier = dispatcher(tmp_path, {"broken:": broken, "live:": broken_live, TARGET: well})
    carrier.submit(evaluations(3))
    assert eventually(lambda: well.seqs == [1, 2, 3])
    assert eventually(lambda: carrier.health().sink_failures["broken:"] >= 3)
    carrier.submit(evaluations(1, first=4))
    assert eventually(lambda: carrier.health().sink_failures["live:"] == 2)
    assert carrier.health().sink_failures[TARGET] == 0
    broken.error = None  # the outage ends
    assert eventually(lambda: broken.seqs == [1, 2, 3, 4])
    broken_live.error = RuntimeError("close")
    carrier.close()
    assert inspect(run_directory(tmp_path, RUN)).num_records == 4


def test_sink_that_fails_in_close_is_counted(tmp_path: Path) -> None:
    class Stubborn(Memory):
        def close(self) -> None:
            raise RuntimeError

    sinks: dict[str, Sink] = {TARGET: Stubborn(), "live:": Stubborn(live=True)}
    carrier = dispatcher(tmp_path, sinks)
    carrier.close()
    assert carrier.health().sink_failures == {TARGET: 1, "live:": 1}


def test_outage_leaves_the_rest_in_the_journal_for_drain(tmp_path: Path) -> None:
    down = Memory(error=SinkError("down"))
    carrier = dispatcher(tmp_path, {"memory://ann:secret@host/a": down})
    carrier.submit(evaluations(1203))
    began = time.monotonic()
    carrier.close(0.2)
    assert 0.2 <= time.monotonic() - began < 3.0
    assert down.num_closed == 1
    back = Memory()
    asked: list[str] = []

    def connect(target: str) -> Sink:
        asked.append(target)
        return back

    (drained,) = drain(tmp_path, connect)
    assert asked == ["memory://host/a"]
    assert (drained.run_id, drained.target, drained.error) == (RUN, "memory://host/a", None)
    assert drained.num_records == 1203
    assert back.seqs == list(range(1, 1204))
    assert max(len(batch) for batch in back.batches) == 500
    assert back.num_closed == 1
    assert [entry.num_records for entry in drain(tmp_path, connect, run_id=RUN)] == [0]
    assert len(asked) == 1  # nothing left: nobody is disturbed


def test_drain_reports_what_fails_and_goes_on(tmp_path: Path) -> None:
    for target in ("bad:", "good:", "unknown:"):
        dispatcher(tmp_path, {target: Memory(error=SinkError("x"))}).close(0.0)
    carrier = dispatcher(tmp_path, {})
    carrier.submit(evaluations(2))
    carrier.close()
    good = Memory()

    def connect(target: str) -> Sink:
        if target == "unknown:":
            raise ConfigurationError(target)
        return good if target == "good:" else Memory(error=SinkError("still down"))

    results = {entry.target: entry for entry in drain(tmp_path, connect)}
    assert results["bad:"].error == "SinkError: still down"
    assert results["unknown:"].error == "ConfigurationError: unknown:"
    assert (results["good:"].num_records, results["good:"].error) == (2, None)
    assert good.seqs == [1, 2]


def test_drain_leaves_live_runs_alone(tmp_path: Path) -> None:
    carrier = dispatcher(tmp_path, {TARGET: Memory(error=SinkError("x"))})
    carrier.submit(evaluations(2))
    assert drain(tmp_path, lambda _: Memory()) == []
    carrier.close(0.0)
    assert [entry.num_records for entry in drain(tmp_path, lambda _: Memory())] == [2]


def test_two_drains_do_not_feed_twice(tmp_path: Path) -> None:
    carrier = dispatcher(tmp_path, {TARGET: Memory(error=SinkError("x"))})
    carrier.submit(evaluations(2))
    carrier.close(0.0)
    errors: list[str | None] = []

    def connect(_: str) -> Sink:
        errors.extend(entry.error for entry in drain(tmp_path, connect))
        return Memory()

    assert [entry.num_records for entry in drain(tmp_path, connect)] == [2]
    (error,) = errors
    assert error is not None
    assert "Expected to be the only writer" in error


def test_drain_of_nothing(tmp_path: Path) -> None:
    assert drain(tmp_path, lambda _: Memory()) == []
    with pytest.raises(ConfigurationError, match=r"Expected a run below .*, got 'none'. Try `grok"):
        drain(tmp_path, lambda _: Memory(), run_id="none")


def test_full_queue_drops_counts_and_leaves_a_gap(tmp_path: Path) -> None:
    live = Memory(live=True)
    live.may_write.clear()
    carrier = dispatcher(tmp_path, {"live:": live}, capacity=10)
    carrier.submit(evaluations(1))
    assert eventually(lambda: carrier.health().queue_depth == 0)  # the worker now hangs
    carrier.submit(evaluations(7))
    carrier.submit(evaluations(4))
    carrier.submit(evaluations(11))
    carrier.submit(evaluations(3))
    assert carrier.health().queue_depth == 10
    assert carrier.health().dropped == {"queue_full": 15}
    live.may_write.set()
    assert carrier.flush(5.0)
    carrier.submit(evaluations(1))
    carrier.close()
    seqs = [record.seq for record in read_all(tmp_path)]
    assert len(seqs) == 12
    assert seqs[-1] == 12 + 15
    assert carrier.health().dropped == {"queue_full": 15}


def test_records_wait_out_a_full_disk(tmp_path: Path) -> None:
    fed = Memory()
    carrier = dispatcher(tmp_path, {TARGET: fed}, capacity=50)
    carrier.submit(evaluations(1))
    assert carrier.flush(5.0)
    (segment,) = run_directory(tmp_path, RUN).glob("*.journal")
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (segment.stat().st_size + 9, usual[1]))
    try:
        carrier.submit(evaluations(50, first=2))
        assert eventually(lambda: carrier.health().journal_failures >= 3)
        carrier.submit(evaluations(2, first=1000))
        assert carrier.health().dropped == {"queue_full": 2}
        assert carrier.health().queue_depth == 50
        assert not carrier.flush(0.05)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert eventually(lambda: len(read_all(tmp_path)) == 51)  # by itself
    carrier.close()
    assert fed.steps == list(range(1, 52))
    assert inspect(run_directory(tmp_path, RUN)).problems == ()


def test_what_the_disk_refuses_to_the_end_is_counted(tmp_path: Path) -> None:
    carrier = dispatcher(tmp_path, {})
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, usual[1]))
    try:
        carrier.submit(evaluations(5))
        carrier.close(0.1)
        assert carrier.health().dropped == {"closed": 5}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert read_all(tmp_path) == []


def test_cursor_that_cannot_be_saved_is_counted(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, RUN)
    (journal.directory / "cursors").write_text("in the way")
    sink = Memory()
    carrier = Dispatcher(journal, {TARGET: sink}, backoff=quick)
    carrier.submit(evaluations(2))
    assert carrier.flush(5.0)
    assert sink.seqs == [1, 2]
    carrier.close()
    assert carrier.health().journal_failures >= 2


def test_what_is_no_record_is_dropped_and_counted(tmp_path: Path) -> None:
    carrier = dispatcher(tmp_path, {})
    wrong: Any = (3, [4], [Evaluation(run_id=RUN, step=2**80, time=0.0)], "ab")
    for records in wrong:
        carrier.submit(records)
    carrier.submit(evaluations(1))
    assert carrier.flush(5.0)
    assert carrier.health().dropped == {"malformed": 4, "unwritable": 1}
    assert [record.seq for record in read_all(tmp_path)] == [6]
    carrier.close()


def test_submitting_after_close_is_counted(tmp_path: Path) -> None:
    carrier = dispatcher(tmp_path, {})
    carrier.close()
    carrier.close()
    carrier.submit(evaluations(3))
    assert carrier.health().dropped == {"closed": 3}


def test_unreadable_record_does_not_hold_up_flush(tmp_path: Path) -> None:
    carrier = dispatcher(tmp_path, {TARGET: (sink := Memory())})
    wrong: Any = "not a step"
    carrier.submit([Evaluation(run_id=RUN, step=wrong, time=0.0)])  # its bytes are no record
    assert carrier.flush(5.0)
    assert sink.seqs == []
    carrier.close()
    assert len(inspect(run_directory(tmp_path, RUN)).problems) == 1


def test_many_threads_submit_and_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    carrier = dispatcher(tmp_path, {TARGET: (sink := Memory())}, capacity=100_000)

    def submit_many() -> None:
        for _ in range(300):
            carrier.submit(evaluations(2))

    threads = [threading.Thread(target=submit_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert carrier.flush(10.0)
    assert sink.seqs == list(range(1, 2401))
    carrier.close()


def test_written_records_go_to_the_disk_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    sync = Journal.sync

    def noted(journal: Journal) -> None:
        sync(journal)
        synced.set()

    monkeypatch.setattr(Journal, "sync", noted)
    carrier = dispatcher(tmp_path, {})
    carrier.submit(evaluations(1))
    assert synced.wait(10.0)
    carrier.close()


def test_worker_outlives_what_it_did_not_expect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([ZeroDivisionError(), SystemExit()])
    append = Journal.append

    def flaky(journal: Journal, records: Sequence[AnyRecord]) -> None:
        for error in errors:
            raise error
        append(journal, records)

    monkeypatch.setattr(Journal, "append", flaky)
    carrier = dispatcher(tmp_path, {})
    carrier.submit(evaluations(2))
    assert carrier.flush(10.0)
    assert carrier.health().journal_failures == 2
    assert [record.seq for record in read_all(tmp_path)] == [1, 2]
    carrier.close()


def test_error_that_does_not_end_still_lets_the_run_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(journal: Journal, records: Sequence[AnyRecord]) -> None:
        raise ZeroDivisionError

    carrier = dispatcher(tmp_path, {"live:": (live := Memory(live=True))})
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", broken)
        carrier.submit(evaluations(2))
        carrier.close(0.05)
    assert carrier.health().dropped == {"closed": 2}
    assert live.num_closed == 1
    Journal.open(tmp_path, RUN).close()


def test_run_whose_folder_was_removed_ends_quietly(tmp_path: Path) -> None:
    carrier = dispatcher(tmp_path, {TARGET: Memory()})
    shutil.rmtree(run_directory(tmp_path, RUN))
    carrier.submit(evaluations(2))
    carrier.close(0.05)
    assert carrier.health().journal_failures >= 1  # the sync found nothing to sync


# --- pace -------------------------------------------------------------------------------------


def test_feeder_backs_off_by_the_injected_clock(tmp_path: Path) -> None:
    pauses: list[float] = []
    may_go = threading.Semaphore(0)

    def pause(event: threading.Event, seconds: float | None) -> None:
        if seconds is not None:
            pauses.append(seconds)
        may_go.acquire()

    sink = Memory(error=SinkError("down"))
    with Journal.open(tmp_path, RUN) as journal:
        records = [Evaluation(run_id=RUN, seq=seq, step=seq, time=0.0) for seq in (1, 2)]
        journal.append(records)
        feeder = Feeder(
            journal,
            Cursor.load(journal.directory, TARGET),
            sink,
            backoff=Backoff(1.0, 8.0, random.Random(0)),
            pause=pause,
        )
        feeder.start()
        for num_pauses in range(1, 7):
            assert eventually(lambda n=num_pauses: len(pauses) == n)  # type: ignore[misc]
            may_go.release()
        sink.error = None
        bounds = (1.0, 2.0, 4.0, 8.0, 8.0, 8.0)
        assert all(b / 2 <= p <= b for p, b in zip(pauses, bounds, strict=False))
        may_go.release()
        assert eventually(lambda: sink.seqs == [1, 2])
        feeder.stop()
        may_go.release()
        may_go.release()
        feeder.join(5.0)
        assert feeder.num_failures >= 6
        assert sink.num_closed == 1


def test_backoff_starts_over_after_success() -> None:
    backoff = Backoff(1.0, 100.0, random.Random(1))
    for _ in range(2000):
        backoff.failed()
    assert 50.0 <= backoff.failed() <= 100.0
    backoff.succeeded()
    assert backoff.failed() <= 1.0


def test_busy_sink_rests_in_proportion(tmp_path: Path) -> None:
    class Busy(Memory):
        def write(self, records: Sequence[AnyRecord], /) -> None:
            end = time.thread_time() + 0.01
            while time.thread_time() < end:
                pass
            super().write(records)

    carrier = dispatcher(tmp_path, {TARGET: (sink := Busy())})
    began = time.monotonic()
    for step in itertools.count():
        carrier.submit(evaluations(1, first=step))
        if time.monotonic() - began > 0.6:
            break
        time.sleep(0.005)
    assert 1 <= len(sink.batches) <= 5  # 0.2 s of rest for each 0.01 s of work
    carrier.close()  # hurries
    assert sink.steps == list(range(step + 1))


# --- cursors ----------------------------------------------------------------------------------


def test_cursor_exists_from_the_start_without_credentials(tmp_path: Path) -> None:
    carrier = dispatcher(tmp_path, {"memory:http://ann:secret@h/a": Memory()})
    directory = run_directory(tmp_path, RUN)
    assert [(cursor.target, cursor.seq) for cursor in cursors(directory)] == [
        ("memory:http://h/a", 0)
    ]
    carrier.close()
    for path in directory.rglob("*"):
        assert "secret" not in path.name
        assert path.is_dir() or b"secret" not in path.read_bytes()
    assert carrier.health().sink_failures == {"memory:http://h/a": 0}


@pytest.mark.parametrize("content", [b"", b"{", b'{"target":"x","seq":-1,"more":1}', b"[" * 9999])
def test_unreadable_cursor_starts_over(tmp_path: Path, content: bytes) -> None:
    carrier = dispatcher(tmp_path, {TARGET: Memory()})
    carrier.submit(evaluations(3))
    carrier.close()
    (path,) = (run_directory(tmp_path, RUN) / "cursors").glob("*.json")
    path.write_bytes(content)
    assert cursors(run_directory(tmp_path, RUN)) == []
    carrier = dispatcher(tmp_path, {TARGET: (sink := Memory())})
    carrier.close()
    assert sink.seqs == [1, 2, 3]  # at least once


def test_targets_that_look_alike_have_their_own_cursors(tmp_path: Path) -> None:
    for seq, target in enumerate(("a:b/c", "a:b-c", "a:" + "x" * 300, "a:" + "x" * 301)):
        Cursor.load(tmp_path, target).save(seq)
    assert sorted(cursor.seq for cursor in cursors(tmp_path)) == [0, 1, 2, 3]


# --- processes --------------------------------------------------------------------------------


def run_python(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    prelude = """
        import os, sys, time
        from pathlib import Path
        from grokwatch.monitor.dispatch import Dispatcher
        from grokwatch.monitor.journal import Journal
        from grokwatch.monitor.records import Evaluation

        class Sink:
            live = False
            def write(self, records): pass
            def close(self): pass

        def evaluation(step):
            return Evaluation(run_id="r1", step=step, time=0.0)
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_process_that_forgets_to_close_loses_nothing(tmp_path: Path) -> None:
    code = """
        carrier = Dispatcher(Journal.open(Path(sys.argv[1]), "r1"), {"sink:": Sink()})
        for step in range(500):
            carrier.submit([evaluation(step)])
    """
    done = run_python(code, str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(read_all(tmp_path)) == 500
    assert [cursor.seq for cursor in cursors(run_directory(tmp_path, RUN))] == [500]


def test_process_ends_though_its_sink_hangs(tmp_path: Path) -> None:
    code = """
        class Hung(Sink):
            def write(self, records): time.sleep(3600)
        carrier = Dispatcher(Journal.open(Path(sys.argv[1]), "r1"), {"sink:": Hung()})
        carrier.submit([evaluation(1)])
        time.sleep(0.2)
        carrier.close(0.2)
    """
    began = time.monotonic()
    done = run_python(code, str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - began < 30.0
    assert len(read_all(tmp_path)) == 1


def test_forked_children_write_nothing_and_end(tmp_path: Path) -> None:
    code = """
        carrier = Dispatcher(Journal.open(Path(sys.argv[1]), "r1"), {"sink:": Sink()})
        carrier.submit([evaluation(1)])
        children = []
        for number in range(20):
            child = os.fork()
            if child == 0:
                carrier.submit([evaluation(100)])
                assert carrier.health().dropped == {"closed": 1}, carrier.health()
                assert not carrier.flush(60.0)
                carrier.close(60.0)
                sys.exit(7)
            children.append(child)
            carrier.submit([evaluation(2 + number)])
        codes = {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
        print(codes)
    """
    done = run_python(code, str(tmp_path))
    assert (done.returncode, done.stdout.strip()) == (0, "{7}")
    assert set(done.stderr.splitlines()) == {"records of run r1 are dropped: closed"}
    assert [r.step for r in read_all(tmp_path) if isinstance(r, Evaluation)] == list(range(1, 22))


def test_same_process_may_run_two_runs_at_once(tmp_path: Path) -> None:
    one = Dispatcher(Journal.open(tmp_path, "one"), {})
    two = Dispatcher(Journal.open(tmp_path, "two"), {})
    one.submit(evaluations(1))
    two.submit(evaluations(2))
    one.close()
    two.submit(evaluations(1))
    two.close()
    num_records = [inspect(run_directory(tmp_path, run)).num_records for run in ("one", "two")]
    assert num_records == [1, 3]
