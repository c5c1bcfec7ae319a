"""`grokwatch fit`: fit the hazard on the corpus, or calibrate it on a team's own runs."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from grokwatch.experiments.corpus import StoredRun
from grokwatch.experiments.corpus.writing import replace_text
from grokwatch.experiments.counting import counting
from grokwatch.experiments.fitting.corpus import fit_corpus
from grokwatch.experiments.fitting.network import RECIPE
from grokwatch.experiments.fitting.store import finished, refit
from grokwatch.monitor import journal
from grokwatch.monitor.commands import Report, number, table
from grokwatch.monitor.commands.journals import run_ids
from grokwatch.monitor.predictors._model import HazardModel, encode_model, read_model
from grokwatch.monitor.predictors.hazard import MODELS
from grokwatch.monitor.story import newest

QUICK = msgspec.structs.replace(RECIPE, batches=100)

_NAME = "hazard"


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was written."""

    file: str
    sha256: str
    raise_at: float
    give_up_at: float
    summary: dict[str, float]


def fit(
    corpus: Path,
    to: Path,
    *,
    slices: Sequence[str] | None = None,
    quick: bool = False,
    show: Callable[[str], None],
    progress: bool,
) -> Report:
    """Fit the hazard on the train split, and calibrate it on the calibration split.

    Args:
        corpus: its folder.
        to: folder of the models: the one that is shipped, and those that validation judges beside
            it, each fitted without a part.
        slices: names; None for all of the corpus.
        quick: train a hundred batches: models worth nothing.
        show: takes a line now and then.
        progress: draw a progress bar on stderr, instead of showing lines.

    Returns:
        One row per model; `holds` is always True.

    Raises:
        ConfigurationError: there is no corpus, or nothing in it that can be fitted on.
        WireError: a file of it is broken.
        JournalError: the folder cannot be written.
    """
    count = counting(show, progress=progress)
    found = []
    for name, model in fit_corpus(corpus, count, slices=slices, recipe=QUICK if quick else RECIPE):
        found.append(_written(model, to / f"{name}.json"))
    return Report(data=found, lines=_table(found))


def fit_store(root: Path, to: Path, *, model: Path | None) -> Report:
    """Calibrate the shipped model on the runs below a directory that have ended.

    Args:
        root: the directory that holds the journals.
        to: folder of the model.
        model: file of another one to begin with.

    Returns:
        What it took and whether it helped, which `holds` says too.

    Raises:
        ConfigurationError: there are too few runs, or no such model.
        WireError: a journal is of a version that cannot be read.
        JournalError: the folder cannot be written.
    """
    runs = _finished_runs(root)
    found = refit(read_model(model or MODELS / f"{_NAME}.json"), runs)
    written = _written(found.model, to / f"{_NAME}.json")
    verdict = "better" if found.helps else "no better: keep the shipped model"
    lines = (
        f"{number(found.runs)} finished runs that memorized, {number(found.grokked)} grokked",
        f"log-loss on runs left out: {found.before:.4f} before, {found.after:.4f} now: {verdict}",
        *_table([written]),
        f"use it as predictor hazard:model={to / _NAME}.json",
    )
    data = {
        "runs": found.runs,
        "grokked": found.grokked,
        "before": found.before,
        "after": found.after,
        "model": written,
    }
    return Report(data=data, lines=lines, holds=found.helps)


def _finished_runs(root: Path) -> list[StoredRun]:
    """Runs that have ended and were tested."""
    found = (
        finished(newest(journal.read(journal.run_directory(root, run_id))))
        for run_id in run_ids(root)
    )
    return [run for run in found if run is not None]


def _written(model: HazardModel, path: Path) -> Fitted:
    content = encode_model(model)
    replace_text(path, content.decode())
    return Fitted(
        file=str(path),
        sha256=hashlib.sha256(content).hexdigest(),
        raise_at=model.raise_at,
        give_up_at=model.give_up_at,
        summary=model.summary,
    )


def _table(found: Sequence[Fitted]) -> tuple[str, ...]:
    names = sorted({name for each in found for name in each.summary})
    return table(
        ("model", "warns from", "gives up at", *names),
        [
            (
                Path(each.file).stem,
                f"{each.raise_at:.2f}",
                f"{each.give_up_at:.2g}",
                *(f"{each.summary[n]:g}" if n in each.summary else "-" for n in names),
            )
            for each in found
        ],
    )
