"""`grokwatch sweep --engine ray`: the same records as here, whoever dies meanwhile."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray

from grokwatch.experiments.counting import counting
from grokwatch.experiments.sweep import Chunk, read_grid, sweep
from grokwatch.experiments.sweep.cluster import on_cluster
from grokwatch.experiments.sweep.engine import SWEEPS
from grokwatch.experiments.sweep.jobs import Job, SweepError
from grokwatch.experiments.sweep.store import SUFFIX
from grokwatch.monitor.commands.sweep import sweep as command
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import AnyRecord

TINY = Path(__file__).parents[2] / "experiments" / "grids" / "tiny.toml"

TITLE = "ray::_trained"
"""What Ray calls a process while it trains a chunk."""


def told(run: tuple[AnyRecord, ...]) -> list[Mapping[str, Any]]:
    """Everything but times."""
    return [
        {
            name: repr(getattr(record, name))
            for name in record.__struct_fields__
            if name not in {"time", "cost_seconds"}
        }
        for record in run
    ]


def swept(root: Path, workers: int = 0) -> tuple[list[list[Mapping[str, Any]]], list[str]]:
    """Sweep on a cluster of its own, or here; and what was said meanwhile."""
    said: list[str] = []
    engine = on_cluster(None, workers) if workers else None
    before = signal.getsignal(signal.SIGTERM)
    count = counting(said.append, progress=False)
    runs = sweep(read_grid(TINY), root, count, said.append, engine=engine, chunk_bytes=1)
    found = [told(run) for run in runs]
    assert signal.getsignal(signal.SIGTERM) is before
    return found, said


def training() -> list[int]:
    """Processes below this one that train a chunk."""
    words = ["ps", "-A", "-o", "pid=,ppid=,args="]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    parents = {int(row[0]): int(row[1]) for row in rows}

    def is_ours(pid: int) -> bool:
        while pid in parents and pid != os.getpid():
            pid = parents[pid]
        return pid == os.getpid()

    titled = [int(row[0]) for row in rows if len(row) == 3 and row[2].startswith(TITLE)]
    return [pid for pid in titled if is_ours(pid)]


@contextmanager
def killing(most: int) -> Iterator[list[int]]:
    """Kill those who train, as soon as they do, until so many are dead."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1) and len(killed) < most:
            for pid in [pid for pid in training() if pid not in killed][: most - len(killed)]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def test_a_cluster_measures_what_this_process_does_also_when_a_worker_is_killed(
    tmp_path: Path,
) -> None:
    with killing(1) as killed:
        far, said = swept(tmp_path / "far", workers=2)
    assert len(killed) == 1
    here, _ = swept(tmp_path / "here")
    assert far == here
    assert said[-1].startswith("sweep tiny: 160/160, chunk ")
    first, second = (
        sorted(path.name for path in (tmp_path / name / SWEEPS / "tiny").iterdir())
        for name in ("far", "here")
    )
    assert first == second
    assert len([name for name in first if name.endswith(SUFFIX)]) == 8


def test_a_chunk_that_no_worker_of_a_cluster_survives_is_named(tmp_path: Path) -> None:
    message = r"trained, got 0: the worker died twice over chunk . of 2, 4 x parity_mlp \("
    engine = on_cluster(None, 2)
    count = counting(print, progress=False)
    runs = sweep(read_grid(TINY), tmp_path, count, print, engine=engine)
    with killing(100) as killed, pytest.raises(SweepError, match=message):
        list(runs)
    assert len(killed) >= 4


def test_an_error_on_a_cluster_is_raised_here_and_names_the_chunk(tmp_path: Path) -> None:
    nobody = Job(Chunk((), 0, 0), "cheap", tmp_path / "a.chunk", "chunk 1 of 1")
    with pytest.raises(IndexError, match="index out of range") as caught:
        on_cluster(None, 1)([nobody], lambda _: None)
    assert caught.value.__notes__ == ["It was raised in a worker, over chunk 1 of 1."]
    assert not ray.is_initialized()


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    runs = sweep(
        read_grid(TINY), tmp_path, counting(print, progress=False), print,
        engine=on_cluster("auto", 1),
    )  # fmt: skip
    with pytest.raises(
        ConfigurationError,
        match=r"Expected a Ray cluster at auto, got .*\. Try --address auto beside `ray start",
    ):
        list(runs)


def asked(root: Path, **options: Any) -> None:
    command(TINY, root, show=print, progress=False, **options)


def test_without_ray_the_message_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "grokwatch.experiments.sweep.cluster")
    message = r"Expected the library ray for --engine ray, got none. Try: .*grokwatch\[train,ray\]"
    with pytest.raises(ConfigurationError, match=message):
        asked(tmp_path, engine="ray")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "dask"}, r"--engine as one of local, ray, got 'dask'. Try local"),
        ({"address": "auto"}, r"--address of a Ray cluster.*with --engine local. Try --engine ray"),
        (
            {"engine": "ray", "address": "auto", "workers": 3},
            r"which has its own workers, got it with --workers 3. Try .*and no --workers",
        ),
        ({"engine": "ray", "workers": 0}, r"Expected at least 1 worker, got 0. Try --workers"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    tmp_path: Path, options: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        asked(tmp_path, **options)
