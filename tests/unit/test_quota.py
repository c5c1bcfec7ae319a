"""A journal stays within its quota; what gives way is counted, and nothing waits or raises."""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from torch import nn

from grokwatch.callbacks.loop import LoopMonitor
from grokwatch.monitor.backoff import Backoff
from grokwatch.monitor.dispatch import Dispatcher, drain
from grokwatch.monitor.errors import ConfigurationError, JournalFullError, SinkError
from grokwatch.monitor.journal import Journal, inspect, read, run_directory
from grokwatch.monitor.quota import QUOTA_BYTES, Quota
from grokwatch.monitor.records import (
    Alert,
    AnyRecord,
    Evaluation,
    RunEnded,
    RunStarted,
    WeightFrame,
)
from grokwatch.monitor.segment import segments
from grokwatch.monitor.sinks import RecordingSink
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity

RUN = "r1"
TARGET = "memory:a"


def frame_of(num_bytes: int, seq: int = 0) -> WeightFrame:
    data = bytes(num_bytes)
    return WeightFrame(
        run_id=RUN, seq=seq, step=1, role="input", shape=(num_bytes // 4,), data=data
    )


def evaluation(step: int, seq: int = 0) -> Evaluation:
    return Evaluation(run_id=RUN, seq=seq, step=step, time=0.0, test_accuracy=0.5)


def alert(seq: int = 0) -> Alert:
    return Alert(
        run_id=RUN, seq=seq, id="1", code=AlertCode.COLLAPSE, episode=1, step=3, time=0.0,
        severity=Severity.CRITICAL, state=AlertState.FIRING, message="it collapses",
    )  # fmt: skip


def ended() -> RunEnded:
    return RunEnded(run_id=RUN, step=9, time=1.0, status=RunStatus.FINISHED)


def size_of(root: Path) -> int:
    return sum(segment.path.stat().st_size for segment in segments(run_directory(root, RUN)))


def quick(first_seconds: float = 0.001, cap_seconds: float = 0.02) -> Backoff:
    return Backoff(0.001, min(cap_seconds, 0.02), random.Random(0))


class Away:
    """A sink whose server is away until it is back."""

    live = False

    def __init__(self) -> None:
        self.is_back = threading.Event()
        self.seqs: list[int] = []

    def write(self, records: Sequence[AnyRecord], /) -> None:
        if not self.is_back.is_set():
            msg = "away"
            raise SinkError(msg)
        self.seqs += [record.seq for record in records]

    def close(self) -> None:
        pass


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[int], Journal]:
    return lambda quota_bytes: Journal.open(tmp_path, RUN, quota_bytes=quota_bytes)


def test_a_quota_is_256_mebibytes_and_leaves_some_room() -> None:
    assert Quota().num_bytes == QUOTA_BYTES == 256 * 2**20
    with pytest.raises(ConfigurationError, match="Expected a journal quota of at least 1 byte"):
        Quota(0)


@pytest.mark.parametrize(
    ("record", "most"),
    [
        (frame_of(4, seq=7), 480),
        (evaluation(1, seq=7), 630),
        (alert(seq=7), 640),
        (RunStarted(run_id=RUN, seq=7, time=0.0), 640),
    ],
)
def test_frames_give_way_first_and_alerts_last(record: AnyRecord, most: int) -> None:
    quota = Quota(640)
    assert quota.refused([record], [10], most - 10) == frozenset()
    assert quota.refused([record], [10], most - 9) == {7}


def test_a_smaller_record_finds_room_behind_one_that_does_not() -> None:
    records = [evaluation(1, seq=1), evaluation(2, seq=2), evaluation(3, seq=3)]
    assert Quota(640).refused(records, [600, 100, 30], 0) == {2}


def test_a_full_journal_says_what_it_refuses_and_writes_none_of_it(
    tmp_path: Path, opened: Callable[[int], Journal]
) -> None:
    with opened(2000) as journal:
        journal.append([evaluation(1, seq=1)])
        before = journal.num_bytes
        with pytest.raises(JournalFullError, match="records more than there is room for") as caught:
            journal.append([evaluation(2, seq=2), frame_of(1600, seq=3)])
        assert caught.value.seqs == {3}
        assert journal.num_bytes == before == size_of(tmp_path)
        journal.append([evaluation(2, seq=2)])
        assert journal.num_bytes == size_of(tmp_path)


def test_the_size_counts_all_attempts(tmp_path: Path, opened: Callable[[int], Journal]) -> None:
    for seq in (1, 2, 3):
        with opened(10_000) as journal:
            assert journal.num_bytes == size_of(tmp_path)
            journal.append([evaluation(1, seq=seq)])
            assert journal.num_bytes == size_of(tmp_path)


def test_training_goes_on_beyond_the_quota_and_its_end_is_kept(
    tmp_path: Path, opened: Callable[[int], Journal], caplog: pytest.LogCaptureFixture
) -> None:
    live, fed = RecordingSink(live=True), RecordingSink()
    carrier = Dispatcher(opened(40_000), {"live:": live, TARGET: fed}, backoff=quick)
    with caplog.at_level(logging.WARNING):
        for step in range(1000):
            carrier.submit([evaluation(step)])
        carrier.submit([frame_of(4000), alert(), ended()])
        assert carrier.flush(10.0)
    health = carrier.health()
    carrier.close()
    kept = list(read(run_directory(tmp_path, RUN)))
    assert isinstance(kept[-2], Alert)
    assert isinstance(kept[-1], RunEnded)
    assert kept[-1].seq == 1003
    assert (
        39_000 < size_of(tmp_path) == health.journal_bytes <= health.journal_quota_bytes == 40_000
    )
    assert health.dropped == {"quota": 1003 - len(kept)}
    assert health.journal_failures == 0
    assert len(live.records) == 1003, "what the disk has no room for is shown all the same"
    assert fed.records == kept
    said = [record.message for record in caplog.records if "quota" in record.message]
    assert said == ["records of run r1 are dropped: quota"]
    assert inspect(run_directory(tmp_path, RUN)).problems == ()


def test_frames_are_refused_while_the_course_of_the_run_is_still_kept(
    tmp_path: Path, opened: Callable[[int], Journal]
) -> None:
    carrier = Dispatcher(opened(40_000), {}, backoff=quick)
    for step in range(20):
        carrier.submit([frame_of(4000), evaluation(step)])
    carrier.close()
    kept = list(read(run_directory(tmp_path, RUN)))
    assert sum(isinstance(record, WeightFrame) for record in kept) == 7
    assert sum(isinstance(record, Evaluation) for record in kept) == 20
    assert carrier.health().dropped == {"quota": 13}


def test_a_sink_that_was_away_gets_all_that_is_kept_by_a_sync(
    tmp_path: Path, opened: Callable[[int], Journal]
) -> None:
    away = Away()
    carrier = Dispatcher(opened(20_000), {TARGET: away}, backoff=quick)
    for step in range(500):
        carrier.submit([evaluation(step)])
    carrier.submit([ended()])
    carrier.close(0.1)
    assert away.seqs == []
    away.is_back.set()
    (drained,) = drain(tmp_path, lambda _: away)
    kept = [record.seq for record in read(run_directory(tmp_path, RUN))]
    assert (drained.error, drained.num_records) == (None, len(kept))
    assert away.seqs == kept
    assert kept[-1] == 501
    assert len(kept) < 400


def test_a_resumed_run_has_what_room_its_attempts_left(
    tmp_path: Path, opened: Callable[[int], Journal]
) -> None:
    for _ in range(3):
        carrier = Dispatcher(opened(20_000), {}, backoff=quick)
        carrier.submit([evaluation(step) for step in range(500)])
        carrier.submit([ended()])
        carrier.close()
    kept = list(read(run_directory(tmp_path, RUN)))
    assert size_of(tmp_path) <= 20_000 + 200, "but for the heads of segments"
    ends = [record for record in kept if isinstance(record, RunEnded)]
    assert [record.attempt for record in ends] == [1, 2, 3]
    assert [record.seq for record in kept] == sorted({record.seq for record in kept})


def test_a_monitor_takes_a_quota_and_refuses_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Expected a journal quota"):
        LoopMonitor(nn.Linear(3, 2), sinks=(), directory=tmp_path, quota_bytes=0)
    with LoopMonitor(nn.Linear(3, 2), sinks=(), directory=tmp_path, quota_bytes=4321) as monitor:
        assert monitor.directory.is_dir()
