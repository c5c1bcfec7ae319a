"""Runs of a sweep from a CSV table of outcomes, which has no curves."""

import csv
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from grokwatch.monitor.errors import SourceError
from grokwatch.monitor.records import HyperParameter
from grokwatch.monitor.report.sweep_run import SEED, SweepRun
from grokwatch.monitor.vocabulary import Phase

_TRAIN = ("min_train_loss", "minTrainLoss")
_TEST = ("min_test_loss", "minEvalLoss")
_ENDS = ("steps",)
_PHASE = ("phase",)
_NAMES = ("run_id", "slug")
_NO_AXES = frozenset({SEED, "cell", "maxRatio", *_TRAIN, *_TEST, *_ENDS, *_PHASE, *_NAMES})
_PHASES = frozenset(phase.value for phase in Phase)


def read_table(path: Path) -> list[SweepRun]:
    """Read a table of outcomes.

    A column `phase`, or least losses (`min_train_loss` and `min_test_loss`, or the names of the
    published parity table), say what became of a run; `seed`, `steps` and `run_id` are what they
    are called; every other column is a hyper-parameter.

    Args:
        path: of the CSV file.

    Returns:
        A run for each row.

    Raises:
        SourceError: the file cannot be read, or is no such table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        msg = f"Expected a CSV table of outcomes, got {path} ({error}). Try another file."
        raise SourceError(msg) from error
    if not rows or not _says_outcomes(rows[0]):
        msg = (
            f"Expected rows with a column phase, or min_train_loss and min_test_loss, in {path}, "
            f"got {_found(rows)}. Try a table such as experiments/data/parity_sweep.csv."
        )
        raise SourceError(msg)
    return [_run(number, row) for number, row in enumerate(rows, 1)]


def parsed(text: str | None) -> HyperParameter:
    """What a cell of a table says.

    Example:
        >>> [parsed(text) for text in ("1", "0.5", "adamw", "True", "", None)]
        [1, 0.5, 'adamw', True, None, None]
    """
    if text is None or not text.strip():
        return None
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    number = _float(text)
    if number is None:
        return text
    is_whole = number.is_integer() and abs(number) < 2**53 and "e" not in text.lower()
    return int(number) if is_whole and "." not in text else number


def _run(number: int, row: Mapping[str, str | None]) -> SweepRun:
    """One row; a phase that nobody knows is none."""
    phase = _first(row, _PHASE)
    seed = parsed(row.get(SEED))
    last = _float(_first(row, _ENDS)) or 0.0
    settings = {key: parsed(row[key]) for key in row if key and key not in _NO_AXES}
    return SweepRun(
        run_id=_first(row, _NAMES) or f"row {number}",
        seed=seed if isinstance(seed, int) else None,
        hyper_parameters=settings,
        phase=phase if phase in _PHASES else None,
        last_step=int(last),
        min_train_loss=_float(_first(row, _TRAIN)),
        min_test_loss=_float(_first(row, _TEST)),
    )


def _says_outcomes(row: Mapping[str, str | None]) -> bool:
    has_losses = any(name in row for name in _TRAIN) and any(name in row for name in _TEST)
    return has_losses or any(name in row for name in _PHASE)


def _found(rows: Iterable[Mapping[str, str | None]]) -> str:
    """The columns of a table that is none, in few words."""
    names = next((", ".join(filter(None, row)) for row in rows), "")
    return f"columns {names[:200]}" if names else "no rows"


def _first(row: Mapping[str, str | None], names: Iterable[str]) -> str | None:
    return next((row[name] for name in names if row.get(name)), None)


def _float(text: str | None) -> float | None:
    """A finite number, or nothing."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
