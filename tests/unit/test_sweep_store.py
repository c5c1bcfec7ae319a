"""Chunk files: whole, or named as broken."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from grokwatch.experiments.sweep import read_chunk, write_chunk
from grokwatch.experiments.sweep.store import set_aside
from grokwatch.monitor.errors import JournalError, SchemaError, WireError
from grokwatch.monitor.records import AnyRecord, Observation, RunEnded, RunStarted
from grokwatch.monitor.segment import frame
from grokwatch.monitor.vocabulary import RunStatus
from grokwatch.monitor.wire import header

NAN = float("nan")


def records(run_id: str) -> tuple[AnyRecord, ...]:
    return (
        RunStarted(run_id=run_id, seq=1, time=0.0),
        Observation(run_id=run_id, seq=2, step=1, time=0.5, train_loss=0.1, values={"a": 1 / 3}),
        RunEnded(run_id=run_id, seq=3, step=1, time=1.0, status=RunStatus.FINISHED),
    )


RUNS = tuple(map(records, ("one", "two")))


def written(folder: Path, runs: Sequence[Sequence[AnyRecord]] = RUNS) -> Path:
    path = folder / "a.chunk"
    write_chunk(path, runs)
    return path


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert read_chunk(path) == RUNS
    assert [file.name for file in tmp_path.iterdir()] == ["a.chunk"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_second_write_takes_the_place_of_the_first(tmp_path: Path) -> None:
    written(tmp_path)
    assert read_chunk(written(tmp_path, RUNS[:1])) == RUNS[:1]


def test_every_truncation_and_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = path.read_bytes()
    places = range(len(content))
    flipped = [content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :] for at in places]
    for damage in [*(content[:size] for size in places), *flipped]:
        path.write_bytes(damage)
        with pytest.raises(WireError, match=r"a whole chunk file, got .*a.chunk .* Try the same"):
            read_chunk(path)


def test_frames_that_are_whole_and_wrong_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.chunk"
    for parts, message in (
        ([header()], r"Expected a header and names, got 1 frames"),
        ([header(), msgspec.msgpack.encode(["one"])], r"Expected 1 whole runs, got 0"),
        ([header(), msgspec.msgpack.encode([]), b"junk"], r"a whole chunk file, got"),
    ):
        path.write_bytes(b"".join(map(frame, parts)))
        with pytest.raises(WireError, match=message):
            read_chunk(path)
    path.write_bytes(b"junk")
    with pytest.raises(WireError, match=r"Expected whole frames, got bytes at 0"):
        read_chunk(path)
    with pytest.raises(WireError, match=r"Expected 1 whole runs, got 0"):
        read_chunk(written(tmp_path, [RUNS[0][:2]]))


def test_a_chunk_of_a_newer_version_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.chunk"
    path.write_bytes(frame(msgspec.msgpack.encode({"schema": "99.0"})) + frame(b"x"))
    with pytest.raises(SchemaError, match=r"got '99.0'. Try a grokwatch at least as new"):
        read_chunk(path)


def test_a_broken_chunk_is_kept_aside(tmp_path: Path) -> None:
    path = written(tmp_path)
    aside = set_aside(path)
    assert aside.name == "a.chunk.broken"
    assert not path.exists()
    assert read_chunk(aside) == RUNS


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"a folder with room that can be written, got .*gone"):
        written(tmp_path / "gone")


def test_floats_come_back_bit_for_bit(tmp_path: Path) -> None:
    strange = msgspec.structs.replace(
        RUNS[0][1], values={"a": NAN, "b": -0.0, "c": float("inf"), "d": 5e-324}
    )
    path = written(tmp_path, [[RUNS[0][0], strange, RUNS[0][2]]])
    [[_, found, _]] = read_chunk(path)
    assert isinstance(found, Observation)
    assert repr(found.values) == repr({"a": NAN, "b": -0.0, "c": float("inf"), "d": 5e-324})
