"""Making a trained model honest: calibration and levels, on runs that it was not trained on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from grokwatch.experiments.corpus import StoredRun
from grokwatch.experiments.fitting.calibrating import arrival_levels, calibrated, log_loss
from grokwatch.experiments.fitting.examples import Examples, only
from grokwatch.experiments.fitting.network import rounded
from grokwatch.experiments.validation.deciding import settle
from grokwatch.experiments.validation.metrics import auroc
from grokwatch.experiments.validation.problems import landmarks
from grokwatch.experiments.validation.replaying import replay_run
from grokwatch.experiments.validation.thresholds import HEADLINE_RATE
from grokwatch.experiments.validation.trace import Floats, Mask, Trace, Whole
from grokwatch.monitor.predictors._model import (
    GROKKING,
    RISING,
    Calibration,
    Hazard,
    HazardModel,
    encode_model,
)
from grokwatch.monitor.predictors.hazard import basis_of
from grokwatch.monitor.presets import choose

COVERAGE = 0.8
EVERYTHING = "full"
LANDMARK = 5
"""Memorization steps at which a fit's own validation asks who will grok."""

FEWEST_OF_BASIS = 10
"""Runs over one kind of group that grokked, and that did not, for a calibration of its own."""

_LIKE = 0.99
_LEAST_UNLIKE = 0.2
_NEVER = 1e-6
_MOST_GIVEN_UP = 0.5


@dataclass(frozen=True)
class Held:
    """Runs that were set aside, to be honest on.

    Attributes:
        runs: R of them.
        data: looks at these.
        cells: `(R,)` number of each run's cell.
    """

    runs: Sequence[StoredRun]
    data: Examples
    cells: Whole

    @property
    def looked_at(self) -> list[StoredRun]:
        """Those that there are looks at."""
        return [self.runs[place] for place in np.unique(self.data.run)]

    def of(self, runs: Mask) -> "Held":
        """Looks at some of the runs, `(R,)`; numbers stay."""
        return Held(self.runs, self.data.of(runs), self.cells)


def honest(
    model: HazardModel,
    held: Held,
    *,
    stay: float = 0.0,
    seen_as: Sequence[str] = (EVERYTHING,),
) -> HazardModel:
    """Calibrate a model, and choose its levels, on runs that it was not trained on.

    Args:
        model: as it was trained.
        held: the runs.
        stay: weight of the calibration that it has.
        seen_as: presets; levels are chosen on what the model says of every run under each of them,
            so that they hold for who measures little.

    Returns:
        The model with its calibration, one for each kind of group that there are enough runs over,
        how unlike a look may be, and a summary.
    """
    hazard = Hazard(model)
    unlike = hazard.unlike(hazard.chosen(held.data.features))
    model = msgspec.structs.replace(
        model,
        most_unlike=max(rounded(float(np.quantile(unlike, _LIKE))), _LEAST_UNLIKE),
        coverage=COVERAGE,
        by_basis={},
    )
    model, traces = _calibrated(model, held, stay, seen_as)
    return msgspec.structs.replace(
        model,
        by_basis={
            basis: _own(model, part, stay, seen_as) for basis, part in _by_basis(held).items()
        },
        summary=_summary(
            traces, log_loss(_logits(model, held.data, GROKKING), held.data, held.data.grokked)
        ),
    )


def replayed(
    model: HazardModel, runs: Sequence[StoredRun], preset: str = EVERYTHING
) -> list[Trace]:
    """What a model says of runs as a preset measures them, by the watcher that judges live ones."""
    names = {signal.name for signal in choose(preset)}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        path.write_bytes(encode_model(model))
        return [replay_run(_measured(run, names), f"hazard:model={path}") for run in runs]


def _measured(run: StoredRun, names: set[str]) -> StoredRun:
    """A run with the values of some signals alone."""
    return replace(run, observations=tuple(only(each, names) for each in run.observations))


def _by_basis(held: Held) -> dict[str, Held]:
    """Runs over each kind of group that has enough of them."""
    bases = np.array([basis_of(run.start) for run in held.runs])
    ends = Counter((basis_of(run.start), run.row.generalized) for run in held.looked_at)
    kinds = sorted({basis for basis, _ in ends} - {""})
    return {
        kind: held.of(bases == kind)
        for kind in kinds
        if min(ends[kind, True], ends[kind, False]) >= FEWEST_OF_BASIS
    }


def _own(model: HazardModel, held: Held, stay: float, seen_as: Sequence[str]) -> Calibration:
    """The calibration for one kind of group."""
    found, _ = _calibrated(model, held, stay, seen_as)
    names = Calibration.__struct_fields__
    return Calibration(**{name: getattr(found, name) for name in names})


def _calibrated(
    model: HazardModel, held: Held, stay: float, seen_as: Sequence[str]
) -> tuple[HazardModel, list[Trace]]:
    """A model with all that is chosen on these runs, and what it says of them."""
    data = held.data
    slope, intercept = calibrated(_logits(model, data, GROKKING), data, data.grokked, stay=stay)
    model = msgspec.structs.replace(
        model,
        slope=rounded(slope * model.slope),
        intercept=rounded(intercept + slope * model.intercept),
    )
    if Hazard(model).heads > RISING:
        slope, intercept = calibrated(_logits(model, data, RISING), data, data.risen, stay=stay)
        model = msgspec.structs.replace(
            model,
            rise_slope=rounded(slope * model.rise_slope),
            rise_intercept=rounded(intercept + slope * model.rise_intercept),
        )
    model = msgspec.structs.replace(model, arrival=_arrival(model, held))
    traces = {preset: replayed(model, held.looked_at, preset) for preset in seen_as}
    model = msgspec.structs.replace(model, **_levels([*chain(*traces.values())]))
    return model, traces[seen_as[0]]


def _logits(model: HazardModel, data: Examples, head: int) -> Floats:
    """`(N, K)` of one head at all looks."""
    hazard = Hazard(model)
    found: Floats = hazard.logits(hazard.inputs(hazard.chosen(data.features)))[:, head]
    return found


def _levels(traces: Sequence[Trace]) -> dict[str, float]:
    """From which chances on alerts are raised.

    A run that rose and did not reach .95 is no false alarm here: rising is what is warned of.
    """
    rule = settle(traces)
    raise_at, stop = rule.alarm(HEADLINE_RATE, apart=True).value, rule.stop
    return {
        "raise_at": min(max(rounded(raise_at), _NEVER), 1.0),
        "give_up_at": _NEVER if stop is None else min(rounded(stop), _MOST_GIVEN_UP),
    }


def _arrival(model: HazardModel, held: Held) -> tuple[float, float]:
    """Levels of the interval, from all looks at runs that grokked; every cell counts the same."""
    data = held.data
    groks = data.grokked.came[data.run]
    if not groks.any():
        return model.arrival
    edges = np.array(model.edges)
    chances = Hazard(model).chances(_logits(model, data, GROKKING)[groks], edges)
    shares = [
        np.interp(left, edges, row) / max(row[-1], _NEVER)
        for left, row in zip(data.left(data.grokked)[groks], chances, strict=True)
    ]
    return arrival_levels(np.array(shares), held.cells[data.run[groks]], COVERAGE)


def _summary(traces: Sequence[Trace], loss: float) -> dict[str, float]:
    """What a fit's own validation found; not on runs of the test split."""
    found = {
        "runs": float(len(traces)),
        "grokked": float(sum(trace.facts.generalized for trace in traces)),
        "log_loss": rounded(loss),
    }
    for family in sorted({trace.facts.family for trace in traces}):
        asked = landmarks([t for t in traces if t.facts.family == family], LANDMARK)
        area = auroc(asked.filled(0.0), asked.labels)
        if area is not None:
            found[f"auroc at {LANDMARK} T_mem, {family}"] = round(area, 3)
    return found
