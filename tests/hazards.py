"""A small hazard drawn by hand, for tests that need one whose answers are known."""

from grokwatch.monitor.predictors._model import HazardModel, Layer
from grokwatch.monitor.predictors._readings import NAMES

EDGES = [0.0, 1.0, 10.0, 100.0]
_BINS = len(EDGES) - 1


def model(
    weights: dict[str, float] | None = None,
    *,
    bias: float = -3.0,
    rise: float | None = None,
    **fields: object,
) -> HazardModel:
    """One linear layer: the logit of every bin is the bias and a weighted sum of features.

    Args:
        weights: of features by name, on their own scale; all others weigh nothing.
        bias: of every bin.
        rise: the same of a second head, of rising; None for a model without one.
        fields: of the model, in place of those here.
    """
    places = {name: place for place, name in enumerate(NAMES)}
    biases = [each for head in (bias, rise) if head is not None for each in [head] * _BINS]
    rows = [[0.0] * len(biases) for _ in range(2 * len(NAMES))]
    for name, weight in (weights or {}).items():
        rows[places[name]] = [weight] * len(biases)
    usual: dict[str, object] = {
        "name": "hazard@test",
        "features": list(NAMES),
        "centers": [0.0] * len(NAMES),
        "spreads": [1.0] * len(NAMES),
        "low": [-50.0] * len(NAMES),
        "high": [50.0] * len(NAMES),
        "most_unlike": 0.2,
        "layers": [Layer(rows, biases)],
        "edges": EDGES,
    }
    return HazardModel(**(usual | fields))  # type: ignore[arg-type]
