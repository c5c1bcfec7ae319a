"""What was replayed, kept in files: one for the runs of a slice and split and a predictor."""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from grokwatch import monitor
from grokwatch.experiments.corpus.manifest import FileEntry
from grokwatch.experiments.validation.trace import Curve, Facts, Trace
from grokwatch.monitor.vocabulary import AlertCode

_JUDGING = (
    "predictors",
    "alerts",
    "chances.py",
    "labels.py",
    "records.py",
    "state.py",
    "vocabulary.py",
    "watcher.py",
)
_LAYOUT = b"2"
_COLUMNS = ("step", "probability", "rising", "horizons", "chances", "eta", "stage")
_CURVES = ("train_loss", "test_loss", "test_accuracy")
_DIGITS = 16


class _Told(msgspec.Struct, frozen=True):
    """What is kept of one trace as text."""

    facts: Facts
    predictor: str
    looks: int
    fired: dict[str, int]
    concerned: dict[str, int]
    access: str


@dataclass(frozen=True)
class Shelf:
    """Where the traces of one slice and split are kept.

    Attributes:
        folder: of the slice, as its bytes were.
        split: of the runs.
    """

    folder: Path
    split: str

    @staticmethod
    def of(kept: Path, files: Iterable[FileEntry], name: str, split: str) -> "Shelf":
        """The shelf of a slice: another one as soon as its files differ."""
        text = "".join(sorted(file.sha256 for file in files))
        digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
        return Shelf(kept / f"{name}-{digest}", split)

    def has(self, name: str) -> bool:
        """Whether traces by that signature are there."""
        return self._path(name).exists()

    def write(self, name: str, traces: Sequence[Trace]) -> None:
        """Keep traces, as a whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(name)
        partial = path.with_suffix(f".{os.getpid()}.part")
        with partial.open("wb") as file:
            np.savez_compressed(file, **_packed(traces))
        partial.replace(path)

    def read(self, name: str) -> list[Trace]:
        """Traces again, as they were written."""
        with np.load(self._path(name)) as found:
            return list(_unpacked(dict(found)))

    def _path(self, name: str) -> Path:
        return self.folder / f"{self.split}-{name}.npz"


def signature(target: str) -> str:
    """Names what a predictor would say: its target, the code that judges, and its model's bytes.

    Args:
        target: `<module>:<options>`; the bytes of files that options name count.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256(_LAYOUT + _code() + target.encode())
    for part in target.partition(":")[2].split(","):
        path = Path(part.partition("=")[2] or part)
        if part and path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:_DIGITS]


@cache
def _code() -> bytes:
    """Hash of all that can change a judgement, models shipped as data included."""
    root = Path(str(monitor.__file__)).parent
    digest = hashlib.sha256()
    for part in _JUDGING:
        path = root / part
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(file.name.encode() + file.read_bytes())
    return digest.digest()


def _packed(traces: Sequence[Trace]) -> dict[str, Any]:
    """Columns end to end; chances in as many columns as the widest trace has."""
    told = [
        _Told(
            facts=trace.facts,
            predictor=trace.predictor,
            looks=len(trace.step),
            fired={code.value: step for code, step in trace.fired.items()},
            concerned={code.value: step for code, step in trace.concerned.items()},
            access=trace.access,
        )
        for trace in traces
    ]
    text = np.frombuffer(msgspec.json.encode(told), dtype=np.uint8)
    if not traces:
        return {"told": text}
    width = max(trace.chances.shape[1] for trace in traces)
    columns = {
        name: np.concatenate([_widened(getattr(trace, name), name, width) for trace in traces])
        for name in _COLUMNS
    }
    curves = {
        name: np.concatenate([getattr(trace.curve, name) for trace in traces]) for name in _CURVES
    }
    return {"told": text, **columns, **curves}


def _widened(values: Any, name: str, width: int) -> Any:
    """Chances and horizons of a trace that never told, as wide as the others'."""
    if name not in {"horizons", "chances"} or values.shape[1] == width:
        return values
    fill = 0 if name == "horizons" else np.nan
    return np.pad(values, ((0, 0), (0, width - values.shape[1])), constant_values=fill)


def _unpacked(found: Mapping[str, Any]) -> Iterable[Trace]:
    """Traces from columns."""
    first = 0
    for told in msgspec.json.decode(found["told"].tobytes(), type=list[_Told]):
        part = slice(first, first + told.looks)
        first += told.looks
        yield Trace(
            facts=told.facts,
            predictor=told.predictor,
            curve=Curve(**{name: found[name][part] for name in _CURVES}),
            fired={AlertCode(code): step for code, step in told.fired.items()},
            concerned={AlertCode(code): step for code, step in told.concerned.items()},
            access=told.access,
            **{name: found[name][part] for name in _COLUMNS},
        )
