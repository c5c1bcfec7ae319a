"""`grokwatch sweep` as people use it: killed, resumed, with broken files beside it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from grokwatch.experiments.counting import Counting, counting
from grokwatch.experiments.sweep import plan, read_chunk, read_grid, sweep
from grokwatch.experiments.sweep.engine import SWEEPS
from grokwatch.experiments.sweep.jobs import Job, SweepError
from grokwatch.experiments.sweep.local import train_in_processes
from grokwatch.experiments.sweep.store import SUFFIX
from grokwatch.experiments.sweep.training import SHARES
from grokwatch.monitor import cli
from grokwatch.monitor.commands.sweep import sweep as command
from grokwatch.monitor.errors import ConfigurationError, JournalError, SchemaError
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation
from grokwatch.monitor.segment import frame

TINY = Path(__file__).parents[2] / "experiments" / "grids" / "tiny.toml"
GROKWATCH = Path(sys.executable).parent / "grokwatch"

# One run a chunk, each of about a second, so that a kill falls between chunks and within one.
SLOW = """
import sys
from pathlib import Path
from grokwatch.experiments.counting import counting
from grokwatch.experiments.sweep import read_grid, sweep
count = counting(print, progress=False)
list(sweep(read_grid(Path(sys.argv[1])), Path(sys.argv[2]), count, print, chunk_bytes=1))
"""


def values(run: tuple[AnyRecord, ...]) -> list[Mapping[str, Any]]:
    """All that was measured, without the times."""
    return [
        {
            name: repr(getattr(record, name))
            for name in record.__struct_fields__
            if name not in {"time", "cost_seconds"}
        }
        for record in run
        if isinstance(record, Observation | Evaluation)
    ]


def swept(
    grid: Path, root: Path, *, chunk_bytes: int = 1 << 24, workers: int = 1
) -> tuple[list[tuple[AnyRecord, ...]], list[str]]:
    """Sweep, and what was said meanwhile."""
    said: list[str] = []
    count = counting(said.append, progress=False)
    found = read_grid(grid)
    runs = sweep(found, root, count, said.append, chunk_bytes=chunk_bytes, workers=workers)
    return list(runs), said


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / SWEEPS / "tiny"
    words = [sys.executable, "-c", SLOW, str(TINY), str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        while len(list(folder.glob(f"*{SUFFIX}"))) < 2 and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in folder.glob(f"*{SUFFIX}")}
    assert 2 <= len(kept) < 8
    runs, _ = swept(TINY, tmp_path, chunk_bytes=1)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(folder.glob(f"*{SUFFIX}"))) == 8
    whole, _ = swept(TINY, tmp_path / "whole", chunk_bytes=1)
    assert [values(run) for run in runs] == [values(run) for run in whole]


def test_one_worker_and_two_measure_the_same(tmp_path: Path) -> None:
    one, _ = swept(TINY, tmp_path / "one", chunk_bytes=1)
    two, said = swept(TINY, tmp_path / "two", chunk_bytes=1, workers=2)
    assert [values(run) for run in one] == [values(run) for run in two]
    assert [[r.seq for r in run] for run in one] == [[r.seq for r in run] for run in two]
    assert said[-1].startswith("sweep tiny: 160/160, chunk ")
    first, second = (
        sorted(path.name for path in (tmp_path / name / SWEEPS / "tiny").iterdir())
        for name in ("one", "two")
    )
    assert first == second
    assert len(first) == 8


Told = Callable[[], None]


def told(then: Told) -> Counting:
    """Do something whenever a share of a chunk is done."""

    @contextmanager
    def count(_: str, __: int) -> Iterator[Callable[[str], None]]:
        yield lambda _: then()

    return count


def kill(process: BaseProcess) -> None:
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)


def longer(folder: Path) -> Path:
    """Two chunks of one run each, which nobody finishes before he is killed."""
    path = folder / "longer.toml"
    text = TINY.read_text().replace("steps = 300", "steps = 3000").replace("seeds = 2", "seeds = 1")
    path.write_text(text.replace("[60, 120]", "60"))
    return path


def test_the_chunk_of_a_killed_worker_is_trained_again(tmp_path: Path) -> None:
    seen: dict[int | None, BaseProcess] = {}
    killed: list[BaseProcess] = []

    def kill_one() -> None:
        seen.update({process.pid: process for process in active_children()})
        if not killed:
            killed.append(active_children()[0])
            kill(killed[0])

    grid = read_grid(TINY)
    runs = sweep(grid, tmp_path / "two", told(kill_one), print, workers=2, chunk_bytes=1)
    found = [values(run) for run in runs]
    assert len(seen) == 3
    assert len(killed) == 1
    assert active_children() == []
    one, _ = swept(TINY, tmp_path / "one", chunk_bytes=1)
    assert found == [values(run) for run in one]


def test_a_chunk_that_no_worker_survives_is_named(tmp_path: Path) -> None:
    def kill_all() -> None:
        for process in active_children():
            kill(process)

    runs = sweep(
        read_grid(longer(tmp_path)), tmp_path, told(kill_all), print, workers=2, chunk_bytes=1
    )
    message = (
        r"Expected 2 chunks to be trained, got 0: the worker died twice over chunk . of 2, 1 x "
        r"parity_mlp \([0-9a-f]{16}.chunk\); chunk .* Try the same sweep with --workers 1"
    )
    with pytest.raises(SweepError, match=message):
        list(runs)
    assert active_children() == []


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Ctrl-C as a terminal has it: a process started in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_leaves_what_is_finished_and_no_process(tmp_path: Path) -> None:
    shares: list[int] = []

    def interrupt() -> None:
        shares.append(1)
        if len(shares) == 3 * SHARES:
            os.kill(os.getpid(), signal.SIGINT)

    runs = sweep(read_grid(TINY), tmp_path, told(interrupt), print, workers=2, chunk_bytes=1)
    with pytest.raises(KeyboardInterrupt):
        list(runs)
    assert active_children() == []
    folder = tmp_path / SWEEPS / "tiny"
    kept = {path: path.stat().st_mtime_ns for path in folder.glob(f"*{SUFFIX}")}
    assert 1 <= len(kept) < 8
    again, _ = swept(TINY, tmp_path, chunk_bytes=1)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(again) == 8


def test_an_error_in_a_worker_is_raised_here_and_names_the_chunk(tmp_path: Path) -> None:
    grid = read_grid(TINY)
    jobs = [
        Job(chunk, grid.signals, tmp_path / "missing" / "a.chunk", f"chunk {number}")
        for number, chunk in enumerate(plan(grid.runs), 1)
    ]
    with pytest.raises(JournalError, match=r"missing") as caught:
        train_in_processes(jobs, lambda _: None, 2)
    assert re.match(r"It was raised in a worker, over chunk [12]\.", caught.value.__notes__[0])
    assert active_children() == []


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"a device among cpu and cuda, got 'tpu'. Try"):
        command(TINY, tmp_path, device="tpu", show=print, progress=False)


def test_no_workers_are_refused(tmp_path: Path) -> None:
    shown = subprocess.run(
        [str(GROKWATCH), "sweep", str(TINY), "--workers", "0"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert shown.returncode == 2
    assert "Expected at least 1 worker, got 0. Try --workers" in shown.stderr


def test_a_finished_sweep_trains_nothing(tmp_path: Path) -> None:
    first, said = swept(TINY, tmp_path)
    assert said[-1].startswith("sweep tiny: 40/40, chunk 2 of 2, 4 x parity_mlp")
    again, nothing = swept(TINY, tmp_path)
    assert nothing == []
    assert again == first


def test_a_broken_chunk_is_named_kept_aside_and_trained_again(tmp_path: Path) -> None:
    first, _ = swept(TINY, tmp_path)
    folder = tmp_path / SWEEPS / "tiny"
    broken, whole = sorted(folder.glob(f"*{SUFFIX}"))
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    before = whole.stat().st_mtime_ns
    again, [said, *_] = swept(TINY, tmp_path)
    assert f"Expected a whole chunk file, got {broken}" in said
    assert f"It is kept as {broken.name}.broken." in said
    assert (folder / f"{broken.name}.broken").read_bytes() == content[: len(content) // 2]
    assert whole.stat().st_mtime_ns == before
    assert [values(run) for run in again] == [values(run) for run in first]
    assert read_chunk(broken)


def test_a_chunk_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    grid = read_grid(TINY)
    folder = tmp_path / SWEEPS / "tiny"
    folder.mkdir(parents=True)
    path = folder / f"{plan(grid.runs)[0].id(grid.signals)}{SUFFIX}"
    path.write_bytes(frame(b"\x81\xa6schema\xa499.0") + frame(b"x"))
    with pytest.raises(SchemaError, match=r"got '99.0'"):
        swept(TINY, tmp_path)
    assert path.exists()


def call(*words: str | Path) -> Any:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def test_the_command_counts_phases_by_cell(tmp_path: Path) -> None:
    shown = call("sweep", TINY, "--directory", tmp_path)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    heading = ["cell", "task.num_train", "optimizer.decay", "runs"]
    assert lines[0].split()[:4] == heading
    assert lines[0].split()[-1] == "diverged"
    assert len(lines) == 5
    assert [line.split()[1:4] for line in lines[1:]] == [
        ["60", "0.0", "2"],
        ["60", "0.3", "2"],
        ["120", "0.0", "2"],
        ["120", "0.3", "2"],
    ]
    cells = json.loads(call("sweep", TINY, "--directory", tmp_path, "--json").stdout)
    assert [sum(cell["phases"].values()) for cell in cells] == [2] * 4
    assert [run["seed"] for run in cells[0]["runs"]] == [0, 1]
    assert cells[0]["settings"] == {"task.num_train": 60, "optimizer.decay": 0.0}
    assert cells[0]["phases"] == {"grokking": 2}
    assert cells[0]["runs"][0]["outcome"]["censored_at"] == 300


def test_the_command_counts_diverged_runs(tmp_path: Path) -> None:
    grid = tmp_path / "diverging.toml"
    grid.write_text(
        '[task]\nname = "modular_addition"\nmodulus = 11\n[model]\nname = "circular_mlp"\n'
        '[optimizer]\nname = "sgd"\nlr = [0.1, 1e30]\n[run]\nsteps = 30\nsignals = "cheap"\n'
    )
    shown = call("sweep", grid, "--directory", tmp_path)
    assert [line.split()[-1] for line in shown.stdout.splitlines()] == ["diverged", "0", "1"]


def test_a_model_larger_than_the_machine_is_refused_by_grid_section_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grokwatch.experiments.sweep.chunks.os.sysconf", lambda _: 7)
    message = (
        r"Grid tiny does not fit: Expected one parity_mlp on sparse_parity within 49 bytes of "
        r"memory, got [0-9,]+\. Try smaller sizes in \[model\], or fewer examples in \[task\]"
    )
    with pytest.raises(ConfigurationError, match=message):
        swept(TINY, tmp_path)


def test_a_grid_that_cannot_be_is_refused_in_one_sentence(tmp_path: Path) -> None:
    grid = tmp_path / "wrong.toml"
    grid.write_text(
        '[task]\nname = "sparse_parity"\nnum_relevant = 31\n[model]\nname = "parity_mlp"'
    )
    words = [str(GROKWATCH), "sweep", str(grid)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"grokwatch: [task] of {grid}, sparse_parity with num_relevant=31"
    )
    assert "Try num_relevant=3" in done.stderr
    assert len(done.stderr.splitlines()) == 1
