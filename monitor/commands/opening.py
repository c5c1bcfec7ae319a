"""Opens a run of the past, wherever it lies: what `replay` and `report` share."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grokwatch.monitor import history, journal
from grokwatch.monitor.commands.journals import choose
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.records import AnyRecord
from grokwatch.monitor.service.sources import files
from grokwatch.monitor.story import newest


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A run as it stands.

    Attributes:
        records: in order, without those that a later attempt trained again.
        remarks: sentences on what is broken in its journal.
    """

    records: list[AnyRecord]
    remarks: tuple[str, ...] = ()


def open_run(root: Path, name: str, *, names: Mapping[str, str]) -> Opened:
    """Open a run by what a person calls it.

    Args:
        root: the directory that holds the journals.
        name: id of a run, or the beginning of it; the folder of a journal; a file that ends in one
            of `files.FORMATS`; or `mlflow:http://host:5000/RUN_ID`.
        names: what the metrics of a file or of MLflow mean, their name -> ours; else guessed.

    Returns:
        The run.

    Raises:
        ConfigurationError: no such run, or names for a run of ours.
    """
    is_ours = not name.startswith("mlflow:") and Path(name).suffix.lower() not in files.FORMATS
    if not is_ours:
        return Opened(records=_foreign(name, names))
    if names:
        msg = (
            f"Expected --map with a file or an MLflow run, got it with the journal {name!r}. "
            "Try it without: what a journal holds has our names."
        )
        raise ConfigurationError(msg)
    folder = _folder(root, name)
    return Opened(records=newest(journal.read(folder)), remarks=_broken(folder))


def _folder(root: Path, name: str) -> Path:
    """The folder of a journal, named by its path or by its run."""
    given = Path(name)
    if not given.is_dir() or name in {".", ".."}:
        return journal.run_directory(root, choose(root, name))
    if not any(given.glob("*.journal")):
        msg = f"Expected a folder that holds a journal, got {name!r}. Try 'grokwatch runs'."
        raise ConfigurationError(msg)
    return given


def _broken(folder: Path) -> tuple[str, ...]:
    """Sentences on what of a journal cannot be read."""
    found = history.inspect(folder)
    num = len(found.problems)
    where = "1 place" if num == 1 else f"{num:,} places"
    torn = (
        f"The journal ends in {found.torn_bytes:,} bytes of a record that was never finished, as "
        "a kill leaves it. All before it is here."
    )
    lost = (
        f"The journal is broken in {where}, which no kill explains. What stood there is not here."
    )
    return (*([torn] if found.torn_bytes else []), *([lost] if found.problems else []))


def _foreign(name: str, names: Mapping[str, str]) -> list[AnyRecord]:
    """Records of a run of others."""
    if not name.startswith("mlflow:"):
        return files.past(Path(name), names=names)
    from grokwatch.monitor.service.sources import mlflow_run

    records = mlflow_run.past(name, names=names, environment=os.environ)
    if not records:
        msg = (
            "Expected metrics that mean something in the MLflow run, got none of them. "
            "Try --map THEIRS=train_loss."
        )
        raise ConfigurationError(msg)
    return records
