"""Written is acknowledged; broken bytes are found, reported, and cost nothing that can be read."""

import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from grokwatch.monitor import wire
from grokwatch.monitor.errors import (
    ConfigurationError,
    JournalError,
    JournalLockedError,
    SchemaError,
    WireError,
)
from grokwatch.monitor.history import Tail
from grokwatch.monitor.journal import Journal, Problem, inspect, read, run_directory
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation
from grokwatch.monitor.segment import MAGIC, frame, frames, segments

FULL = os.environ.get("GROKWATCH_CHAOS") == "full"  # every offset and bit of a longer file
RUN = "r1"


def evaluation(seq: int) -> Evaluation:
    return Evaluation(run_id=RUN, seq=seq, step=10 * seq, time=0.5, test_accuracy=seq / 1000)


def evaluations(first: int, last: int) -> list[AnyRecord]:
    return [evaluation(seq) for seq in range(first, last + 1)]


def seqs(directory: Path, after: int = 0) -> list[int]:
    return [record.seq for record in read(directory, after=after)]


def only_segment(directory: Path) -> Path:
    (segment,) = segments(directory)
    return segment.path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return run_directory(tmp_path, RUN)


@contextmanager
def files_end_at(num_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond a size: the kernel refuses, as a full disk does."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_what_was_appended_is_read_back(tmp_path: Path, directory: Path) -> None:
    with Journal.open(tmp_path, RUN) as journal:
        assert (journal.attempt, journal.last_seq, journal.torn_bytes) == (1, 0, 0)
        journal.append(evaluations(1, 3))
        journal.append(evaluations(4, 4))
        assert list(read(directory)) == evaluations(1, 4)  # before close: written is acknowledged
        assert journal.last_seq == 4
    assert list(read(directory, after=2)) == evaluations(3, 4)
    assert inspect(directory) == msgspec.structs.replace(
        inspect(directory), num_records=4, last_seq=4, torn_bytes=0, problems=()
    )


def test_resume_opens_the_next_attempt_and_seq_goes_on(tmp_path: Path, directory: Path) -> None:
    for attempt in (1, 2, 3):
        with Journal.open(tmp_path, RUN) as journal:
            assert (journal.attempt, journal.last_seq) == (attempt, 2 * (attempt - 1))
            journal.append(evaluations(journal.last_seq + 1, journal.last_seq + 2))
    with Journal.open(tmp_path, RUN) as journal:  # an attempt that writes nothing counts too
        assert (journal.attempt, journal.last_seq) == (4, 6)
    with Journal.open(tmp_path, RUN) as journal:
        assert (journal.attempt, journal.last_seq) == (5, 6)
    assert seqs(directory) == [1, 2, 3, 4, 5, 6]


def test_segments_rotate_and_read_as_one(tmp_path: Path, directory: Path) -> None:
    with Journal.open(tmp_path, RUN, segment_bytes=300) as journal:
        for seq in range(1, 31):
            journal.append([evaluation(seq)])
        journal.sync()
    found = segments(directory)
    assert len(found) > 5
    assert all(segment.path.stat().st_size <= 300 for segment in found)
    assert seqs(directory) == list(range(1, 31))
    for after in range(31):
        assert seqs(directory, after=after) == list(range(after + 1, 31))


def test_a_batch_larger_than_a_segment_is_kept_whole(tmp_path: Path, directory: Path) -> None:
    with Journal.open(tmp_path, RUN, segment_bytes=100) as journal:
        journal.append(evaluations(1, 50))
        journal.append(evaluations(51, 100))
    assert len(segments(directory)) == 2
    assert seqs(directory) == list(range(1, 101))


@pytest.mark.parametrize(
    "run_id", ["", ".", "..", ".a", "a/b", "../x", "a\n", "a" * 129, "ä", "a b"]
)
def test_run_ids_that_could_leave_the_folder_are_refused(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Expected a run id of 1 to 128 .* Try one such"):
        Journal.open(tmp_path, run_id)
    assert list(tmp_path.iterdir()) == []


def test_run_ids_stay_below_the_root() -> None:
    assert run_directory(Path("x"), "A.b_c-9") == Path("x/runs/A.b_c-9")


def test_files_are_private_whatever_the_umask(tmp_path: Path, directory: Path) -> None:
    for umask in (0o000, 0o277):
        usual = os.umask(umask)
        try:
            with Journal.open(tmp_path / f"root{umask}", RUN) as journal:
                journal.append(evaluations(1, 1))
        finally:
            os.umask(usual)
        for path in (tmp_path / f"root{umask}").rglob("*"):
            expected = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_links_are_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / RUN).symlink_to(elsewhere)
    with pytest.raises(
        JournalError, match=r"Expected a folder, got the link .* Try another run id"
    ):
        Journal.open(tmp_path, RUN)
    assert list(elsewhere.iterdir()) == []


def test_linked_lock_file_is_refused(tmp_path: Path, directory: Path) -> None:
    directory.mkdir(parents=True)
    (tmp_path / "precious").write_text("precious")
    (directory / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(JournalError, match="Expected a folder with room"):
        Journal.open(tmp_path, RUN)
    assert (tmp_path / "precious").read_text() == "precious"


def test_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"Expected a folder with room .* Try to free space"):
        Journal.open(tmp_path / "file", RUN)


def test_records_out_of_order_are_refused(tmp_path: Path, directory: Path) -> None:
    with Journal.open(tmp_path, RUN) as journal:
        journal.append(evaluations(1, 2))
        for wrong in ([evaluation(2)], [evaluation(4), evaluation(3)], [evaluation(0)]):
            with pytest.raises(JournalError, match=r"rising order after 2, got .* Try Dispatcher"):
                journal.append(wrong)
        journal.append(evaluations(3, 3))
    assert seqs(directory) == [1, 2, 3]


def test_closed_journal_refuses(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, RUN)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match=r"Expected an open journal, got a closed one. Try"):
        journal.append(evaluations(1, 1))


def test_unwritable_record_writes_nothing(tmp_path: Path, directory: Path) -> None:
    with Journal.open(tmp_path, RUN) as journal:
        bad = Evaluation(run_id=RUN, seq=2, step=2**70, time=0.0)
        with pytest.raises(WireError, match="Expected a record of 64-bit"):
            journal.append([evaluation(1), bad])
        assert only_segment(directory).stat().st_size == 0


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        JournalError, match=r"Expected a run's directory, got .* Try a folder below"
    ):
        read(tmp_path / "none")
    assert inspect(tmp_path / "none").num_records == 0


def test_durable_journal_reads_the_same(tmp_path: Path, directory: Path) -> None:
    with Journal.open(tmp_path, RUN, segment_bytes=200, durable=True) as journal:
        for seq in range(1, 9):
            journal.append([evaluation(seq)])
    assert seqs(directory) == list(range(1, 9))


# --- one writer -------------------------------------------------------------------------------


def test_second_writer_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    with Journal.open(tmp_path, RUN):
        held = rf"only writer of .*{RUN}, got a lock held by process {os.getpid()}. Try another"
        with pytest.raises(JournalLockedError, match=held):
            Journal.open(tmp_path, RUN)
        Journal.open(tmp_path, "another").close()
    Journal.open(tmp_path, RUN).close()


def test_forked_child_neither_keeps_the_lock_nor_writes(tmp_path: Path, directory: Path) -> None:
    code = """
        import os, sys, time
        from pathlib import Path
        from grokwatch.monitor.errors import JournalError
        from grokwatch.monitor.journal import Journal
        from grokwatch.monitor.records import Evaluation

        journal = Journal.open(Path(sys.argv[1]), "r1")
        journal.append([Evaluation(run_id="r1", seq=1, step=1, time=0.0)])
        if os.fork() == 0:
            try:
                journal.append([Evaluation(run_id="r1", seq=2, step=1, time=0.0)])
            except JournalError:
                held = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in range(3, 50)]
                is_held = any(sys.argv[1] in name for name in held)
                os.write(1, f"{os.getpid()} {is_held}\\n".encode())
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child, is_held = process.stdout.readline().split()
        process.kill()
    try:
        assert is_held == "False"
        with Journal.open(tmp_path, RUN) as journal:  # though the child still lives
            assert (journal.attempt, journal.last_seq) == (2, 1)
        assert seqs(directory) == [1]
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_full_disk_keeps_no_writer_out(tmp_path: Path, directory: Path) -> None:
    with files_end_at(0), Journal.open(tmp_path, RUN) as journal:
        with pytest.raises(JournalError, match="File too large"):
            journal.append(evaluations(1, 1))
        with pytest.raises(JournalLockedError, match="held by process unknown"):
            Journal.open(tmp_path, RUN)
    assert seqs(directory) == []


# --- broken bytes -----------------------------------------------------------------------------


def written(tmp_path: Path, num_records: int) -> tuple[Path, bytes]:
    """A journal of that many records, and its one segment's bytes."""
    directory = run_directory(tmp_path, RUN)
    with Journal.open(tmp_path, RUN) as journal:
        journal.append(evaluations(1, num_records))
    return directory, only_segment(directory).read_bytes()


def ends(data: bytes, path: Path) -> list[int]:
    path.write_bytes(data)
    return [part.end for part in frames(path)]


def test_truncation_at_every_byte_keeps_the_good_prefix(tmp_path: Path) -> None:
    num_records = 200 if FULL else 12
    directory, data = written(tmp_path, num_records)
    path = only_segment(directory)
    boundaries = ends(data, path)
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        num_whole = sum(end <= size for end in boundaries)
        torn = size - max([0, *(end for end in boundaries if end <= size)])
        report = inspect(directory)
        assert seqs(directory) == list(range(1, num_whole))  # the first frame is the header
        assert (report.num_records, report.torn_bytes) == (max(0, num_whole - 1), torn)
        assert report.problems == ()


def test_every_flipped_bit_is_found_and_costs_one_record(tmp_path: Path) -> None:
    num_records = 20 if FULL else 3
    directory, data = written(tmp_path, num_records)
    path = only_segment(directory)
    boundaries = ends(data, path)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        broken = sum(end <= bit // 8 for end in boundaries)  # 0 is the header
        report = inspect(directory)
        assert seqs(directory) == [seq for seq in range(1, num_records + 1) if seq != broken]
        assert bool(report.problems) != bool(report.torn_bytes)
        start = [0, *boundaries][broken]
        if broken == num_records:
            assert report.torn_bytes == len(data) - start
        else:
            assert [(p.file, p.offset) for p in report.problems] == [(path.name, start)]


def test_torn_end_is_moved_aside_and_counted(tmp_path: Path, directory: Path) -> None:
    directory, data = written(tmp_path, 5)
    path = only_segment(directory)
    path.write_bytes(data[:-7])
    last = 5 - 1
    with Journal.open(tmp_path, RUN) as journal:
        assert (journal.attempt, journal.last_seq) == (2, last)
        torn = journal.torn_bytes
        journal.append(evaluations(5, 6))
    beside = path.with_name(path.name + ".torn")
    assert torn > 0
    assert beside.read_bytes() == data[:-7][-torn:]
    assert path.read_bytes() + beside.read_bytes() == data[:-7]
    report = inspect(directory)
    assert (report.num_records, report.torn_bytes, report.problems) == (6, torn, ())
    with Journal.open(tmp_path, RUN) as journal:
        assert journal.torn_bytes == 0  # counted once


def test_zeros_after_a_power_cut_are_torn_bytes(tmp_path: Path) -> None:
    directory, data = written(tmp_path, 2)
    only_segment(directory).write_bytes(data + bytes(4096))
    assert inspect(directory).torn_bytes == 4096
    with Journal.open(tmp_path, RUN) as journal:
        assert (journal.last_seq, journal.torn_bytes) == (2, 4096)


def test_garbage_between_records_is_reported_and_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory, data = written(tmp_path, 2)
    path = only_segment(directory)
    size = len(data)
    garbage = MAGIC * 40_000 + b"\x00" * 5
    path.write_bytes(data + garbage + frame(wire.encode(evaluation(3))))
    assert seqs(directory) == [1, 2, 3]
    assert f"{path.name}" in caplog.text
    (problem,) = inspect(directory).problems
    assert (problem.file, problem.offset) == (path.name, size)
    assert problem.reason.startswith(f"{len(garbage)} bytes are no record")


def test_whole_frame_that_is_no_record_is_reported(tmp_path: Path) -> None:
    directory, data = written(tmp_path, 1)
    path = only_segment(directory)
    path.write_bytes(data + frame(b"\xc1") + frame(wire.encode(evaluation(2))))
    assert seqs(directory) == [1, 2]
    (problem,) = inspect(directory).problems
    assert problem.offset == len(data)
    assert "Expected one record as MessagePack" in problem.reason
    with Journal.open(tmp_path, RUN) as journal:
        assert (journal.last_seq, journal.torn_bytes) == (2, 0)


def test_segment_without_a_header_is_reported_and_read(tmp_path: Path) -> None:
    directory, _ = written(tmp_path, 1)
    path = only_segment(directory)
    path.write_bytes(frame(b"no header") + frame(wire.encode(evaluation(2))))
    assert seqs(directory) == [2]
    (problem,) = inspect(directory).problems
    assert (problem.offset, problem.reason[:24]) == (0, "Expected a stream header")


def test_broken_end_before_another_segment_is_a_problem(tmp_path: Path) -> None:
    with Journal.open(tmp_path, RUN, segment_bytes=100) as journal:
        journal.append(evaluations(1, 3))
        journal.append(evaluations(4, 6))
        directory = journal.directory
    first = segments(directory)[0].path
    first.write_bytes(first.read_bytes()[:-1])
    report = inspect(directory)
    assert seqs(directory) == [1, 2, 4, 5, 6]
    assert [problem.file for problem in report.problems] == [first.name]
    assert report.torn_bytes == 0


def test_newer_schema_is_refused(tmp_path: Path, directory: Path) -> None:
    directory.mkdir(parents=True)
    newer = msgspec.msgpack.encode({"type": "grokwatch", "schema": "2.0"})
    (directory / "0001-000000.journal").write_bytes(frame(newer) + frame(b"what"))
    refused = r"0001-000000.journal: Expected schema 1\.0 to 1\.\d+, got '2\.0'"
    with pytest.raises(SchemaError, match=refused):
        list(read(directory))
    with pytest.raises(SchemaError, match=refused):
        Journal.open(tmp_path, RUN)
    assert [type(problem) for problem in inspect(directory).problems] == [Problem]
    with pytest.raises(SchemaError, match=refused):  # and the lock was let go of
        Journal.open(tmp_path, RUN)


def test_repeated_records_are_read_once(tmp_path: Path) -> None:
    directory, data = written(tmp_path, 2)
    again = frame(wire.encode(evaluation(2))) + frame(wire.encode(evaluation(3)))
    only_segment(directory).write_bytes(data + again)
    assert seqs(directory) == [1, 2, 3]
    assert inspect(directory).num_records == 3


# --- disks that refuse ------------------------------------------------------------------------


def test_append_after_a_partial_write_leaves_a_readable_journal(
    tmp_path: Path, directory: Path
) -> None:
    with Journal.open(tmp_path, RUN) as journal:
        for refused_at in range(1, 60, 7):
            first = journal.last_seq + 1
            size = only_segment(directory).stat().st_size
            with (
                files_end_at(size + refused_at),
                pytest.raises(JournalError, match=r"Expected a folder with room .*File too large"),
            ):
                journal.append(evaluations(first, first + 1))
            assert only_segment(directory).stat().st_size == size
            assert journal.last_seq == first - 1
            journal.append(evaluations(first, first + 1))
    report = inspect(directory)
    assert seqs(directory) == list(range(1, report.num_records + 1))
    assert (report.torn_bytes, report.problems) == (0, ())


def test_full_disk_that_cannot_even_be_cut_back(tmp_path: Path, directory: Path) -> None:
    journal = Journal.open(tmp_path, RUN)
    journal.append(evaluations(1, 1))
    descriptor = journal._descriptor
    assert descriptor is not None
    kept = os.dup(descriptor)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, descriptor)
    os.close(full)
    with pytest.raises(JournalError, match="No space left on device"):
        journal.append(evaluations(2, 2))
    os.dup2(kept, descriptor)
    os.close(kept)
    os.write(descriptor, frame(wire.encode(evaluation(2)))[:-3])  # what a cut-back would remove
    journal.append(evaluations(2, 3))
    journal.close()
    assert seqs(directory) == [1, 2, 3]
    assert len(inspect(directory).problems) == 1


def test_no_descriptor_left_for_the_next_segment(tmp_path: Path, directory: Path) -> None:
    with Journal.open(tmp_path, RUN, segment_bytes=100) as journal:
        journal.append(evaluations(1, 2))
        usual = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, usual[1]))
        try:
            with pytest.raises(JournalError, match="Too many open files"):
                journal.append(evaluations(3, 4))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, usual)
        journal.append(evaluations(3, 4))
    assert seqs(directory) == [1, 2, 3, 4]


def test_torn_end_stays_where_the_disk_is_too_full_to_move_it(
    tmp_path: Path, directory: Path
) -> None:
    directory, data = written(tmp_path, 3)
    path = only_segment(directory)
    path.write_bytes(data + b"torn")
    (directory / (path.name + ".torn")).mkdir()  # nothing can be written there
    with Journal.open(tmp_path, RUN) as journal:
        assert (journal.last_seq, journal.torn_bytes) == (3, 4)
        journal.append(evaluations(4, 4))
    assert path.read_bytes() == data + b"torn"
    assert seqs(directory) == [1, 2, 3, 4]


# --- reading along ----------------------------------------------------------------------------


def test_tail_follows_a_writer_byte_by_byte(tmp_path: Path) -> None:
    directory, data = written(tmp_path, 4)
    path = only_segment(directory)
    boundaries = ends(data, path)
    path.write_bytes(b"")
    tail = Tail(directory)
    taken: list[int] = []
    for size in range(1, len(data) + 1):
        with path.open("ab") as file:
            file.write(data[size - 1 : size])
        taken += [record.seq for record in tail.take(10)]
        assert len(taken) == max(0, sum(end <= size for end in boundaries) - 1)
    assert taken == [1, 2, 3, 4]


def test_tail_crosses_segments_and_attempts(tmp_path: Path, directory: Path) -> None:
    directory.mkdir(parents=True)
    tail = Tail(directory)
    assert tail.take(5) == []
    seq = 0
    for _ in range(3):
        with Journal.open(tmp_path, RUN, segment_bytes=150) as journal:
            for _ in range(7):
                journal.append([evaluation(seq + 1), evaluation(seq + 2)])
                seq += 2
                assert [record.seq for record in tail.take(1)] == [seq - 1]
                assert [record.seq for record in tail.take(9, last=seq - 1)] == []
                assert [record.seq for record in tail.take(9, last=seq)] == [seq]
                assert tail.take(9) == []


def test_torn_ends_of_many_attempts_do_not_stop_the_tail(tmp_path: Path, directory: Path) -> None:
    for attempt in range(3):
        with Journal.open(tmp_path, RUN) as journal:
            journal.append(evaluations(2 * attempt + 1, 2 * attempt + 2))
            path = segments(directory)[-1].path
        with path.open("ab") as file:
            file.write(frame(b"torn")[:-1])
    assert seqs(directory) == [1, 2, 3, 4, 5, 6]
    assert inspect(directory).torn_bytes == 3 * 15


def test_observation_survives_the_journal(tmp_path: Path, directory: Path) -> None:
    observation = Observation(
        run_id=RUN, seq=1, step=2**63 - 1, time=0.0, train_loss=float("-inf"), values={"a": 5e-324}
    )
    with Journal.open(tmp_path, RUN) as journal:
        journal.append([observation])
    assert list(read(directory)) == [observation]
