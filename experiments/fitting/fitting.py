"""From examples to a model: trained on some runs, made honest on others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from grokwatch.experiments.corpus import StoredRun
from grokwatch.experiments.fitting.calibrating import arrival_levels, calibrated, log_loss
from grokwatch.experiments.fitting.examples import Examples
from grokwatch.experiments.fitting.network import RECIPE, Recipe, rounded, train
from grokwatch.experiments.validation.deciding import settle
from grokwatch.experiments.validation.metrics import auroc
from grokwatch.experiments.validation.problems import landmarks
from grokwatch.experiments.validation.replaying import replay_run
from grokwatch.experiments.validation.thresholds import HEADLINE_RATE
from grokwatch.experiments.validation.trace import Floats, Mask, Trace, Whole
from grokwatch.monitor.predictors._model import Hazard, HazardModel, encode_model, inputs_of
from grokwatch.monitor.predictors._readings import NAMES

COVERAGE = 0.8
LANDMARK = 5
"""Memorization steps at which a fit's own validation asks who will grok."""

_AT = (16.0, 50.0, 84.0, 0.1, 99.9)
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

    def of(self, runs: Mask) -> "Held":
        """Some of them, `(R,)`; numbers stay."""
        return Held(self.runs, self.data.of(runs), self.cells)


def trained(data: Examples, *, name: str, recipe: Recipe = RECIPE, seed: int = 0) -> HazardModel:
    """Train on looks at runs.

    Args:
        data: of the train split.
        name: that will sign assessments.
        recipe: how.
        seed: of the network.

    Returns:
        A model that is not calibrated, and has no levels yet.
    """
    features = data.features
    low, centers, high, least, most = _percentiles(features)
    spreads = (high - low) / 2
    return HazardModel(
        name=name,
        features=list(NAMES),
        centers=_listed(centers),
        spreads=_listed(spreads),
        low=_listed(least),
        high=_listed(most),
        most_unlike=1.0,
        layers=train(inputs_of(features, centers, spreads), data, recipe, seed),
        edges=list(data.edges),
    )


def honest(model: HazardModel, held: Held, *, stay: float = 0.0) -> HazardModel:
    """Calibrate a model, and choose its levels, on runs that it was not trained on.

    Args:
        model: as it was trained.
        held: the runs.
        stay: weight of the calibration that it has.

    Returns:
        The model with slope, intercept, the interval of arrival, how unlike a look may be, levels
        of alerts, and a summary.
    """
    hazard, data = Hazard(model), held.data
    chosen = hazard.chosen(data.features)
    slope, intercept = calibrated(hazard.logits(hazard.inputs(chosen)), data, stay=stay)
    model = msgspec.structs.replace(
        model,
        slope=rounded(slope * model.slope),
        intercept=rounded(intercept + slope * model.intercept),
        most_unlike=max(rounded(float(np.quantile(hazard.unlike(chosen), _LIKE))), _LEAST_UNLIKE),
    )
    hazard = Hazard(model)
    logits = hazard.logits(hazard.inputs(chosen))
    model = msgspec.structs.replace(
        model, arrival=_arrival(hazard, logits, held), coverage=COVERAGE
    )
    traces = replayed(model, [held.runs[place] for place in np.unique(data.run)])
    return msgspec.structs.replace(
        model, **_levels(traces), summary=_summary(traces, log_loss(logits, data))
    )


def replayed(model: HazardModel, runs: Sequence[StoredRun]) -> list[Trace]:
    """What a model says of runs, by the watcher that judges live ones."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        path.write_bytes(encode_model(model))
        return [replay_run(run, f"hazard:model={path}") for run in runs]


def _levels(traces: Sequence[Trace]) -> dict[str, float]:
    """From which chances on alerts are raised.

    A run that rose and did not reach .95 is no false alarm here: what it has learned is what an
    alert of grokking is about.
    """
    rule = settle(traces)
    raise_at, stop = rule.alarm(HEADLINE_RATE, apart=True).value, rule.stop
    return {
        "raise_at": min(max(rounded(raise_at), _NEVER), 1.0),
        "give_up_at": _NEVER if stop is None else min(rounded(stop), _MOST_GIVEN_UP),
    }


def _arrival(hazard: Hazard, logits: Floats, held: Held) -> tuple[float, float]:
    """Levels of the interval, from all looks at runs that grokked; every cell counts the same."""
    data = held.data
    groks = data.groks[data.run]
    if not groks.any():
        return hazard.model.arrival
    edges = np.array(hazard.model.edges)
    chances = hazard.chances(logits[groks], edges)
    shares = [
        np.interp(left, edges, row) / max(row[-1], _NEVER)
        for left, row in zip(data.left[groks], chances, strict=True)
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


def _percentiles(features: Floats) -> Floats:
    """`(5, F)` at `_AT`; 0 for a feature that no run has, so that any value of it is unlike."""
    is_there = ~np.isnan(features).all(axis=0)
    found = np.zeros((len(_AT), features.shape[1]))
    found[:, is_there] = np.nanpercentile(features[:, is_there], _AT, axis=0)
    return found


def _listed(values: Floats) -> list[float]:
    return [rounded(x) for x in values.tolist()]
