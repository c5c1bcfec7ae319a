"""What trained a chunk: without it nobody knows whether another training should give equal bits.

A chunk file does not say it. So each build notes, before it trains, which chunks were missing and
where it runs; what trained a chunk is the last note that names it.
"""

import ast
import functools
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch

from grokwatch.callbacks.opening import versions
from grokwatch.experiments.corpus.writing import replace_text
from grokwatch.experiments.sweep.runs import digest
from grokwatch.monitor.errors import WireError
from grokwatch.monitor.folder import explained, make_private

NOTES = "trained.json"

_ROOT = Path(__file__).parents[2]
_PACKAGES = frozenset({"python", "torch", "grokwatch"})
_SHAPING = (
    "experiments/evaluation_steps.py",
    "experiments/models/*.py",
    "experiments/stacked/*.py",
    "experiments/sweep/building.py",
    "experiments/sweep/chunks.py",
    "experiments/sweep/grid.py",
    "experiments/sweep/landscape.py",
    "experiments/sweep/runs.py",
    "experiments/sweep/sections.py",
    "experiments/sweep/stack.py",
    "experiments/sweep/stepping*.py",
    "experiments/sweep/training.py",
    "experiments/sweep/views.py",
    "experiments/sweep/watching.py",
    "experiments/tasks/*.py",
    "monitor/batch.py",
    "monitor/fresh_inputs.py",
    "monitor/hidden.py",
    "monitor/loss_ring.py",
    "monitor/presets.py",
    "monitor/probe.py",
    "monitor/roles.py",
    "monitor/signals/*.py",
    "monitor/snapshot.py",
    "monitor/sub_batch.py",
    "monitor/tangents.py",
)
_CPU = Path("/proc/cpuinfo")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What shapes the last bits of a training.

    Attributes:
        cpu: model name of the processor, and the instructions that torch uses of it.
        accelerator: model name of the first one that torch sees, or `none`.
        compiler: its first line on itself, or `none`: then steps are not compiled.
        threads: that torch trains with.
        versions: by package.
        code: hash of the code that trains and measures, without comments and docstrings.
    """

    cpu: str
    accelerator: str
    compiler: str
    threads: int
    versions: dict[str, str]
    code: str


UNKNOWN = Machine(
    cpu="unknown", accelerator="unknown", compiler="unknown", threads=0, versions={}, code="unknown"
)
"""Where a chunk came without a note."""


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a build was about to train."""

    machine: Machine
    chunks: tuple[str, ...]


def this_machine() -> Machine:
    """Look at this machine; a chunk is always trained with one thread."""
    kept = {name: found for name, found in versions().items() if name in _PACKAGES}
    return Machine(
        cpu=f"{_cpu()}, {torch.backends.cpu.get_cpu_capability()}",
        accelerator=torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none",
        compiler=_compiler(),
        threads=1,
        versions={**kept, "numpy": np.__version__},
        code=code_hash(),
    )


@functools.cache
def code_hash() -> str:
    """Hash of the code that shapes numbers.

    Returns:
        16 hexadecimal digits; comments, docstrings and layout do not change them.
    """
    files = sorted({file for pattern in _SHAPING for file in _ROOT.glob(pattern)})
    return digest([(str(file.relative_to(_ROOT)), shape_of(file.read_text())) for file in files])


def shape_of(source: str) -> str:
    r"""What a source does, without what it says.

    Args:
        source: of a file.

    Example:
        >>> shape_of('"Says."\nx = 1  # one') == shape_of("x=1")
        True
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def note(folder: Path, chunks: Sequence[str]) -> None:
    """Note that these chunks are about to be trained here.

    Args:
        folder: of the sweep's chunk files.
        chunks: their names.

    Raises:
        JournalError: the folder cannot be written.
        WireError: the notes are broken.
    """
    if not chunks:
        return
    with explained(folder):
        make_private(folder.parents[1], folder.parent, folder)
    notes = [*_notes(folder), _Note(machine=this_machine(), chunks=tuple(chunks))]
    replace_text(folder / NOTES, msgspec.json.encode(notes).decode())


def machines_of(folder: Path, chunks: Iterable[str]) -> Mapping[str, Machine]:
    """What trained each chunk.

    Args:
        folder: of the sweep's chunk files.
        chunks: their names.

    Returns:
        Chunk -> machine.

    Raises:
        WireError: the notes are broken.
    """
    last = {chunk: found.machine for found in _notes(folder) for chunk in found.chunks}
    return {chunk: last.get(chunk, UNKNOWN) for chunk in chunks}


def differences(one: Machine, other: Machine) -> Iterator[str]:
    """In what two machines differ, in words.

    Args:
        one: of them.
        other: of them.

    Yields:
        A few words for each difference.
    """
    for name in ("cpu", "accelerator", "compiler", "threads", "code"):
        if getattr(one, name) != getattr(other, name):
            yield f"{name} {getattr(one, name)}, now {getattr(other, name)}"
    for name in sorted(one.versions.keys() | other.versions.keys()):
        before, now = one.versions.get(name, "none"), other.versions.get(name, "none")
        if before != now:
            yield f"{name} {before}, now {now}"


def _notes(folder: Path) -> list[_Note]:
    """All notes, oldest first.

    Raises:
        WireError: they are broken.
    """
    path = folder / NOTES
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[_Note])
    except (OSError, msgspec.MsgspecError) as error:
        msg = (
            f"Expected notes of what trained each chunk in {path}, got {error}. "
            "Try without the file: what trained the chunks is then unknown."
        )
        raise WireError(msg) from error


def _is_text(node: object) -> bool:
    """Whether a statement is a text alone."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@functools.cache
def _compiler() -> str:
    """What the C++ compiler that torch would call says of itself."""
    try:
        said = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return said.stdout.splitlines()[0]


def _cpu() -> str:
    """Model name of the processor."""
    if _CPU.exists():
        for line in _CPU.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
