"""Calibrating a fitted model on a team's own finished runs.

Weights stay as they were fitted: a few dozen runs are too few to train on, and enough to say
whether chances are too high or too low there, and from which chance on to warn.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from grokwatch.experiments.corpus import RunRow, StoredRun
from grokwatch.experiments.fitting.calibrating import calibrated, log_loss
from grokwatch.experiments.fitting.examples import WHOLE, Examples, examples
from grokwatch.experiments.fitting.honesty import Held, honest
from grokwatch.experiments.sweep.ends import has_diverged
from grokwatch.experiments.validation.bootstrap import numbered
from grokwatch.experiments.validation.fitting import parts_of
from grokwatch.experiments.validation.splits import CALIBRATION
from grokwatch.experiments.validation.trace import Floats, Whole
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.labels import label
from grokwatch.monitor.predictors._model import GROKKING, Hazard, HazardModel
from grokwatch.monitor.predictors.hazard import basis_of
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, RunEnded, RunStarted

FEWEST = 20
"""Runs that memorized, ..."""

FEWEST_OF_EACH = 5
"""... of which so many have grokked, and so many have not."""

_SEED = "seed"
_STAY = 1.0
"""Runs' worth of saying that the calibration was right before."""


class Refit(msgspec.Struct, frozen=True, kw_only=True):
    """What a team's own runs changed.

    Attributes:
        model: calibrated on all of them.
        runs: that memorized.
        grokked: of these.
        before: log-loss as the model was.
        after: log-loss of each run by a calibration on other cells, or on other runs where all are
            of one cell.
    """

    model: HazardModel
    runs: int
    grokked: int
    before: float
    after: float

    @property
    def helps(self) -> bool:
        """Whether it is better on runs that it was not calibrated on."""
        return self.after < self.before


def finished(records: Sequence[AnyRecord]) -> StoredRun | None:
    """A run as it stands in a journal, labelled; None where it has not ended or was never tested.

    Args:
        records: of one run, in order, without what a later attempt replaced.
    """
    starts = [record for record in records if isinstance(record, RunStarted)]
    ends = [record for record in records if isinstance(record, RunEnded)]
    observations = tuple(record for record in records if isinstance(record, Observation))
    evaluations = tuple(record for record in records if isinstance(record, Evaluation))
    outcome = label(observations, evaluations)
    if not (starts and ends and observations) or not outcome.censored_at:
        return None
    start = starts[-1]
    cell = _cell(start)
    row = RunRow(
        run_id=start.run_id,
        cell=cell,
        fold=cell,
        twin_id="",
        split=CALIBRATION,
        family=(start.group or "").partition(":")[0] or "unknown",
        architecture="unknown",
        seed=0,
        random_labels=False,
        num_train=0,
        num_test=0,
        steps=observations[-1].step,
        diverged=has_diverged(records),
        chunk="",
        machine=0,
        start=start,
        end=ends[-1],
        outcome=outcome,
    )
    return StoredRun(row, start, observations, evaluations)


def refit(model: HazardModel, runs: Sequence[StoredRun]) -> Refit:
    """Calibrate a model on runs, and choose its levels again.

    Args:
        model: as it was fitted.
        runs: that have ended.

    Returns:
        The model, and whether it got better.

    Raises:
        ConfigurationError: there are too few runs to say anything.
    """
    memorized = [run for run in runs if run.row.outcome.train_step is not None]
    grokked = sum(run.row.generalized for run in memorized)
    _check_enough(len(memorized), grokked)
    data = replace(examples(memorized, thinnings=(WHOLE,)), edges=tuple(model.edges))
    bases = {basis_of(run.start) for run in memorized}
    if len(bases) == 1:
        model = model.over(bases.pop())
    hazard = Hazard(model)
    known = hazard.logits(hazard.inputs(hazard.chosen(data.features)))[:, GROKKING]
    cells, _ = numbered([run.row.cell for run in memorized])
    return Refit(
        model=honest(model, Held(memorized, data, cells), stay=_STAY / len(memorized)),
        runs=len(memorized),
        grokked=grokked,
        before=log_loss(known, data, data.grokked),
        after=log_loss(_by_others(known, data, cells), data, data.grokked),
    )


def _by_others(logits: Floats, data: Examples, cells: Whole) -> Floats:
    """Logits of each run, calibrated on runs of other cells, or on others of its only cell."""
    groups = cells if cells.any() else np.arange(len(cells))
    found, parts = logits.copy(), parts_of(groups)
    for part in np.unique(parts):
        own = parts == part
        mine = own[data.run]
        stay = _STAY / max(int((~own).sum()), 1)
        slope, intercept = calibrated(logits[~mine], data.of(~own), data.grokked, stay=stay)
        found[mine] = intercept + slope * logits[mine]
    return found


def _check_enough(memorized: int, grokked: int) -> None:
    """Refuse to calibrate on next to nothing."""
    flat = memorized - grokked
    lacking = max(FEWEST - memorized, FEWEST_OF_EACH - grokked, FEWEST_OF_EACH - flat)
    if lacking > 0:
        raise ConfigurationError(
            f"Expected at least {FEWEST} finished runs that memorized, {FEWEST_OF_EACH} of them "
            f"grokked and {FEWEST_OF_EACH} not, got {memorized}: {grokked} grokked and {flat} not. "
            f"Try again after {lacking} more, or keep the shipped model."
        )


def _cell(start: RunStarted) -> str:
    """The same for runs that differ in their seed alone."""
    options = {key: x for key, x in start.hyper_parameters.items() if _SEED not in key}
    return hashlib.sha256(msgspec.json.encode(options, order="sorted")).hexdigest()[:16]
