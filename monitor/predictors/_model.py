"""A fitted hazard as data: what it reads, its weights, and what it was fitted on.

No code is in it, so that reading one executes nothing (ADR-0008). A file carries a hash of itself;
one that was edited, or does not fit this version's features, is refused.
"""

import hashlib
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors._features import Floats
from grokwatch.monitor.predictors._readings import NAMES

FORMAT: Final = 2
GROKKING, RISING = 0, 1
"""Heads of the network; a model of format 1 has the first one alone."""

_MOST_SPREADS = 4.0
_LEAST_SPREAD = 1e-9


class Layer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`y = x W + b`; tanh comes between two of them.

    Attributes:
        weights: `(inputs, outputs)`.
        biases: `(outputs,)`.
    """

    weights: list[list[float]]
    biases: list[float]


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was chosen on runs that the network was not trained on.

    Attributes:
        slope: on the logits of grokking.
        intercept: added to these.
        rise_slope: on the logits of rising.
        rise_intercept: added to these.
        raise_at: chance of rising, at the standard horizon, from which a run is warned of.
        give_up_at: chance of grokking by the budget, up to which it is given up.
        arrival: shares of the chance that have come by the ends of the interval of arrival.
    """

    slope: float = 1.0
    intercept: float = 0.0
    rise_slope: float = 1.0
    rise_intercept: float = 0.0
    raise_at: float = 0.9
    give_up_at: float = 0.05
    arrival: tuple[float, float] = (0.1, 0.9)


class HazardModel(Calibration, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that a fit found; it is itself the calibration for runs of any basis.

    Attributes:
        format: of the file.
        name: signs assessments, `name@version`.
        features: that it reads, by name.
        centers: of the features, `(F,)`: medians of the training runs.
        spreads: of the features, `(F,)`: half of what the middle 68 % span.
        low: `(F,)` below which hardly a value was seen in training.
        high: `(F,)` above which hardly one was.
        most_unlike: share of the features that may lie beyond these.
        layers: from 2 F inputs, spreads from the center and whether it is missing, to K logits of
            grokking, and K of rising.
        edges: `(K + 1,)` of the bins of time from now, in steps since memorization, from 0.
        by_basis: kind of group -> calibration for runs over such a one.
        coverage: of that interval, among runs that grok.
        corpus_sha256: of the corpus it was fitted on.
        splits_sha256: of the splits.
        summary: what its own validation found, by name.
    """

    format: int = FORMAT
    name: str
    features: list[str]
    centers: list[float]
    spreads: list[float]
    low: list[float]
    high: list[float]
    most_unlike: float
    layers: list[Layer]
    edges: list[float]
    by_basis: dict[str, Calibration] = {}
    coverage: float = 0.8
    corpus_sha256: str = ""
    splits_sha256: str = ""
    summary: dict[str, float] = {}

    def over(self, basis: str) -> "HazardModel":
        """The model as it speaks of runs over one kind of group, by its name."""
        own = self.by_basis.get(basis, self)
        fields = {name: getattr(own, name) for name in Calibration.__struct_fields__}
        return msgspec.structs.replace(self, by_basis={}, **fields)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """A model, and a hash of it."""

    sha256: str
    model: msgspec.Raw


class Hazard:
    """A model as arrays, ready to be asked.

    Args:
        model: as read.

    Attributes:
        model: as read.
        heads: 2 where it tells rising from grokking, else 1.
        readings: names of what its features are of.
    """

    def __init__(self, model: HazardModel) -> None:
        self.model = model
        places = {name: place for place, name in enumerate(NAMES)}
        self._places = np.array([places[name] for name in model.features])
        self._centers, self._spreads = np.array(model.centers), np.array(model.spreads)
        self._low, self._high = np.array(model.low), np.array(model.high)
        self._layers = [(np.array(each.weights), np.array(each.biases)) for each in model.layers]
        self._edges = np.array(model.edges)
        bins = len(model.edges) - 1
        self.heads = len(self._layers[-1][1]) // bins
        self._slope = np.array([model.slope, model.rise_slope])[: self.heads, None]
        self._intercept = np.array([model.intercept, model.rise_intercept])[: self.heads, None]
        weights = self._layers[-1][0].reshape(-1, self.heads, bins)
        self._mean = (weights * self._slope).mean((1, 2))
        names = [name.partition(".")[0] for name in model.features]
        self.readings = tuple(dict.fromkeys(names))
        self._reading_of = np.array([self.readings.index(name) for name in names])

    def chosen(self, features: Floats) -> Floats:
        """`(..., F)` those that the model reads of features `(..., len(NAMES))`."""
        return features[..., self._places]

    def unlike(self, chosen: Floats) -> Floats:
        """`(...)` share of the features there that lie beyond what training saw."""
        there = ~np.isnan(chosen)
        beyond = there & ((chosen < self._low) | (chosen > self._high))
        found: Floats = beyond.sum(-1) / np.maximum(there.sum(-1), 1)
        return found

    def inputs(self, chosen: Floats) -> Floats:
        """`(..., 2 F)` what the first layer takes."""
        return inputs_of(chosen, self._centers, self._spreads)

    def logits(self, inputs: Floats) -> Floats:
        """`(..., heads, K)` calibrated; the integrated hazard of a bin is softplus of its logit."""
        x = inputs
        for place, (weights, biases) in enumerate(self._layers):
            x = (np.tanh(x) if place else x) @ weights + biases
        found = x.reshape(*x.shape[:-1], self.heads, -1)
        return self._intercept + self._slope * found

    def chances(self, logits: Floats, horizons: Floats) -> Floats:
        """`(..., H)` probability within horizons `(H,)`, in steps since memorization.

        Within a bin the hazard is the same all along; beyond the last one nothing is added.
        """
        low, high = self._edges[:-1, None], self._edges[1:, None]
        shares = np.minimum(np.maximum((horizons - low) / (high - low), 0.0), 1.0)
        found: Floats = -np.expm1(-(np.logaddexp(0.0, logits) @ shares))
        return found

    def arrival(self, logits: Floats) -> tuple[float, float]:
        """When it groks if it does by the last edge: early and late end, in the unit of edges.

        Args:
            logits: `(K,)` of grokking.
        """
        chances = self.chances(logits, self._edges)
        low, high = np.interp(np.array(self.model.arrival) * chances[-1], chances, self._edges)
        return float(low), float(high)

    def slopes(self, inputs: Floats) -> Floats:
        """`(2 F,)` how much the mean logit changes with each of `(2 F,)` inputs."""
        hidden, x = [], inputs
        for weights, biases in self._layers[:-1]:
            x = np.tanh(x @ weights + biases)
            hidden.append(x)
        gradient = self._mean
        for (weights, _), there in zip(self._layers[-2::-1], reversed(hidden), strict=True):
            gradient = weights @ (gradient * (1 - there**2))
        found: Floats = gradient
        return found

    def evidence(self, inputs: Floats) -> Floats:
        """`(readings,)` what each of `readings` adds to the mean logit; a missing one nothing."""
        parts = inputs[: len(self._reading_of)] * self.slopes(inputs)[: len(self._reading_of)]
        return np.bincount(self._reading_of, parts, len(self.readings)).astype(np.float64)


def inputs_of(chosen: Floats, centers: Floats, spreads: Floats) -> Floats:
    """`(..., 2 F)`: spreads from the center, 0 where missing; then 1 where missing.

    Args:
        chosen: `(..., F)` features, NaN where missing.
        centers: `(F,)`.
        spreads: `(F,)`.
    """
    missing = np.isnan(chosen)
    with np.errstate(over="ignore"):  # a value too large to scale is clipped like any other
        scaled = (chosen - centers) / np.maximum(spreads, _LEAST_SPREAD)
    scaled = np.minimum(np.maximum(scaled, -_MOST_SPREADS), _MOST_SPREADS)
    scaled[missing] = 0.0
    return np.concatenate((scaled, missing), -1)


def encode_model(model: HazardModel) -> bytes:
    """A model as the bytes of a file."""
    body = msgspec.json.encode(model)
    file = _File(sha256=hashlib.sha256(body).hexdigest(), model=msgspec.Raw(body))
    return msgspec.json.encode(file)


def read_model(path: Path) -> HazardModel:
    """Read a model's file.

    Args:
        path: of the file.

    Returns:
        The model.

    Raises:
        ConfigurationError: there is none, it was edited, or this version cannot read it.
    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        body = bytes(file.model)
        model = msgspec.json.decode(body, type=HazardModel)
    except (OSError, msgspec.MsgspecError) as error:
        msg = f"Expected a fitted model in {path}, got {error}. Try one that `grokwatch fit` wrote."
        raise ConfigurationError(msg) from error
    found = hashlib.sha256(body).hexdigest()
    if found != file.sha256:
        raise ConfigurationError(
            f"Expected the model in {path} with hash {file.sha256[:16]}, got {found[:16]}. "
            "Try the file as `grokwatch fit` wrote it."
        )
    unknown = sorted(set(model.features) - set(NAMES))
    if model.format > FORMAT or unknown:
        raise ConfigurationError(
            f"Expected a model of format {FORMAT} or older over known features in {path}, got "
            f"format {model.format} over {', '.join(unknown) or 'known ones'}. "
            "Try the version of grokwatch that fitted it."
        )
    return model
