"""Training: from looks at runs to a model that is not calibrated yet."""

import numpy as np

from grokwatch.experiments.fitting.examples import Examples
from grokwatch.experiments.fitting.network import RECIPE, Recipe, rounded, train
from grokwatch.experiments.validation.trace import Floats
from grokwatch.monitor.predictors._model import HazardModel, inputs_of
from grokwatch.monitor.predictors._readings import NAMES

_AT = (16.0, 50.0, 84.0, 0.1, 99.9)


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


def _percentiles(features: Floats) -> Floats:
    """`(5, F)` at `_AT`; 0 for a feature that no run has, so that any value of it is unlike."""
    is_there = ~np.isnan(features).all(axis=0)
    found = np.zeros((len(_AT), features.shape[1]))
    found[:, is_there] = np.nanpercentile(features[:, is_there], _AT, axis=0)
    return found


def _listed(values: Floats) -> list[float]:
    return [rounded(x) for x in values.tolist()]
