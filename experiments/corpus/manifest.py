"""manifest.json: what the corpus is made of, and how to know that it still is."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from grokwatch.experiments.corpus.counts import mixed_cells
from grokwatch.experiments.corpus.machine import Machine
from grokwatch.experiments.corpus.rows import RunRow
from grokwatch.experiments.corpus.writing import replace_text
from grokwatch.monitor.errors import SchemaError, WireError

FILE = "manifest.json"
FORMAT = 1

_DIGEST = "sha256"


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the corpus."""

    name: str
    size: int
    sha256: str


class SliceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A slice of the corpus.

    Attributes:
        grid_sha256: of the file that asked for it.
        signals: preset of what was measured.
        files: of the slice.
        num_runs: runs in it.
        num_cells: cells in it.
        num_looks: observations in it.
        mixed_cells: cells whose labels are real, with outcomes of both kinds.
        phases: phase -> runs.
        tasks: task -> runs.
        machines: what trained it; a run's row says which.
    """

    grid_sha256: str
    signals: str
    files: tuple[FileEntry, ...]
    num_runs: int
    num_cells: int
    num_looks: int
    mixed_cells: int
    phases: dict[str, int]
    tasks: dict[str, int]
    machines: tuple[Machine, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The corpus.

    Attributes:
        format: of the files; another one cannot be read.
        value_bits: bits of the fraction that the value of a signal keeps.
        loss_bits: the same for a loss.
        splits_sha256: of the file of splits.
        tolerance: what a slice that is trained again elsewhere may differ by.
        slices: by name.
    """

    format: int = FORMAT
    value_bits: int
    loss_bits: int
    splits_sha256: str
    tolerance: dict[str, float]
    slices: dict[str, SliceEntry]


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest repeats of the rows of a slice."""

    num_runs: int
    num_cells: int
    mixed_cells: int
    phases: dict[str, int]
    tasks: dict[str, int]


def counted(rows: Sequence[RunRow]) -> Counted:
    """Count the runs of a slice.

    Args:
        rows: its runs.
    """
    return Counted(
        num_runs=len(rows),
        num_cells=len({row.cell for row in rows}),
        mixed_cells=len(mixed_cells(rows)),
        phases=_tally(row.outcome.phase.value for row in rows),
        tasks=_tally(str(row.hyper_parameters["task"]) for row in rows),
    )


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of a corpus.

    Args:
        folder: of the corpus.

    Returns:
        The manifest, None where there is none.

    Raises:
        WireError: it is broken, or was edited: its own hash does not match.
        SchemaError: another version wrote it.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        content = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
        given = msgspec.json.decode(content.pop(_DIGEST, msgspec.Raw(b'"none"')), type=str)
        version = msgspec.json.decode(content.get("format", msgspec.Raw(b"0")), type=int)
        _check_format(path, version)
        manifest = msgspec.json.decode(msgspec.json.encode(content), type=Manifest)
    except msgspec.MsgspecError as error:
        msg = f"Expected a manifest in {path}, got {error}. Try the file as it was committed."
        raise WireError(msg) from error
    if given != _digest(manifest):
        raise WireError(
            f"Expected {_DIGEST} {_digest(manifest)[:16]}... in {path}, got {given[:16]}...: "
            "somebody edited it. Try the file as it was committed, or `grokwatch corpus build`."
        )
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a corpus; equal content gives equal bytes.

    Args:
        folder: of the corpus.
        manifest: its content.

    Raises:
        JournalError: the folder cannot be written.
    """
    content = {**msgspec.to_builtins(manifest), _DIGEST: _digest(manifest)}
    text = msgspec.json.encode(content, order="sorted")
    replace_text(folder / FILE, f"{msgspec.json.format(text, indent=1).decode()}\n")


def _check_format(path: Path, version: int) -> None:
    """Refuse another format.

    Raises:
        SchemaError: it is another one.
    """
    if version != FORMAT:
        raise SchemaError(
            f"Expected format {FORMAT} of the corpus in {path}, got {version}. "
            "Try the version of grokwatch that wrote it."
        )


def _digest(manifest: Manifest) -> str:
    """Hash of all that a manifest says."""
    return hashlib.sha256(msgspec.json.encode(manifest, order="sorted")).hexdigest()


def _tally(names: Iterable[str]) -> dict[str, int]:
    """How often each comes, by name."""
    return dict(sorted(Counter(names).items()))
