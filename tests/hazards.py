"""A small hazard drawn by hand, for tests that need one whose answers are known."""

from grokwatch.monitor.predictors._model import HazardModel, Layer
from grokwatch.monitor.predictors._readings import NAMES

EDGES = [0.0, 1.0, 10.0, 100.0]


def model(
    weights: dict[str, float] | None = None, *, bias: float = -3.0, **fields: object
) -> HazardModel:
    """One linear layer: the logit of every bin is the bias and a weighted sum of features.

    Args:
        weights: of features by name, on their own scale; all others weigh nothing.
        bias: of every bin.
        fields: of the model, in place of those here.
    """
    places = {name: place for place, name in enumerate(NAMES)}
    rows = [[0.0] * (len(EDGES) - 1) for _ in range(2 * len(NAMES))]
    for name, weight in (weights or {}).items():
        rows[places[name]] = [weight] * (len(EDGES) - 1)
    usual: dict[str, object] = {
        "name": "hazard@test",
        "features": list(NAMES),
        "centers": [0.0] * len(NAMES),
        "spreads": [1.0] * len(NAMES),
        "low": [-50.0] * len(NAMES),
        "high": [50.0] * len(NAMES),
        "most_unlike": 0.2,
        "layers": [Layer(rows, [bias] * (len(EDGES) - 1))],
        "edges": EDGES,
    }
    return HazardModel(**(usual | fields))  # type: ignore[arg-type]
