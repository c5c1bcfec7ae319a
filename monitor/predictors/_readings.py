"""What the hazard reads of a run: one row per reading. A new row asks for a new fit.

A reading follows the first signal that a run measures of those named, so that a network over a
cyclic group, over bits or over permutations is read alike.
"""

import msgspec

LEVEL, CHANGE, SLOPE = "level", "change", "slope"


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One number that is followed.

    Attributes:
        name: of the reading.
        family: what it takes to measure it: `loss`, `norms`, `updates`, `logits`, `spectra`,
            `structure`, or `landscape`.
        keys: of `Observation.values`, best first; the first one present is followed.
        scale: `plain`, `log` for what is positive, or `log1p` for what is not below 0.
        parts: which of level, change and slope are features.
    """

    name: str
    family: str
    keys: tuple[str, ...]
    parts: tuple[str, ...]
    scale: str


def _at(name: str, *roles: str) -> tuple[str, ...]:
    """The same signal at several roles, best first."""
    return tuple(f"{name}@{role}" for role in roles)


def _reading(
    name: str, family: str, keys: tuple[str, ...], parts: tuple[str, ...], scale: str = "plain"
) -> Reading:
    """A row of the table."""
    return Reading(name=name, family=family, keys=keys, parts=parts, scale=scale)


ALL = (LEVEL, CHANGE, SLOPE)
_RELATIVE = (CHANGE, SLOPE)
_NOW = (LEVEL, SLOPE)
_FIRST = ("input", "embedding")
_LAST = ("unembedding", "output", "embedding")

READINGS: tuple[Reading, ...] = (
    _reading("loss", "loss", ("probe_loss.log", "train_loss.log"), ALL),
    _reading("loss_activity", "loss", ("loss_activity",), (LEVEL,), "log1p"),
    _reading("loss_mobility", "loss", ("loss_mobility",), (LEVEL,)),
    _reading("loss_flatness", "loss", ("loss_flatness",), (LEVEL,)),
    _reading("weight_norm", "norms", ("weight_norm",), _RELATIVE, "log"),
    _reading("last_layer_norm", "norms", ("last_layer_norm",), _RELATIVE, "log"),
    _reading("weight_sparsity", "norms", ("weight_sparsity",), ALL),
    _reading("angle", "norms", ("angle_since_memorization",), _NOW),
    _reading("crossing_rate", "norms", ("norm_crossing.rate",), (LEVEL,)),
    _reading("update_ratio", "updates", ("update_ratio",), _RELATIVE, "log"),
    _reading("update_cosine", "updates", ("update_cosine",), _NOW),
    _reading("update_directions", "updates", ("update_gram.entropy_rank",), _NOW),
    _reading("gradient_cosine", "updates", ("gradient_cosine",), _NOW),
    _reading("gradient_weight_cosine", "updates", ("gradient_weight_cosine",), _NOW),
    _reading("gradient_upright", "updates", ("gradient_perpendicular_fraction",), _NOW),
    _reading("momentum_ratio", "updates", ("momentum_ratio",), _NOW, "log1p"),
    _reading("decay_share", "updates", ("decay_share",), (LEVEL,)),
    _reading("margin", "logits", ("margin",), _NOW, "log1p"),
    _reading("least_margin", "logits", ("margin.least",), _NOW),
    _reading("logit_scale", "logits", ("logit_scale",), _RELATIVE, "log"),
    _reading("efficiency", "logits", ("logit_scale.efficiency",), _RELATIVE, "log"),
    _reading("softmax_collapse", "logits", ("softmax_collapse",), (LEVEL,)),
    _reading("zero_loss", "logits", ("zero_loss",), (LEVEL,)),
    _reading("first_entropy", "spectra", _at("spectral_entropy", *_FIRST), ALL),
    _reading("last_entropy", "spectra", _at("spectral_entropy", *_LAST), ALL),
    _reading("stable_rank", "spectra", _at("stable_rank", *_FIRST), _RELATIVE, "log"),
    _reading("hidden_entropy", "spectra", ("representation_entropy@last",), ALL),
    _reading("class_separation", "spectra", ("class_separation@last",), _RELATIVE, "log"),
    _reading(
        "neuron_sparsity",
        "structure",
        (
            *_at("gini_coefficient.excess", *_FIRST),
            "coordinate_gini_coefficient.neuron_excess@input",
            *_at("irrep_gini_coefficient.excess", *_FIRST),
        ),
        ALL,
    ),
    _reading(
        "common_sparsity",
        "structure",
        (
            *_at("gini_coefficient.aggregate_excess", *_FIRST),
            "coordinate_gini_coefficient.excess@input",
            *_at("irrep_gini_coefficient.aggregate_excess", *_FIRST),
        ),
        ALL,
    ),
    _reading(
        "dominance",
        "structure",
        (
            *_at("dominant_share.excess", *_FIRST),
            "coordinate_inverse_participation_ratio.neuron_excess@input",
            *_at("irrep_share.top_excess", *_FIRST),
        ),
        ALL,
    ),
    _reading(
        "concentration",
        "structure",
        (
            *_at("inverse_participation_ratio.excess", *_FIRST),
            "coordinate_inverse_participation_ratio.excess@input",
            *_at("irrep_share.aggregate_excess", *_FIRST),
        ),
        ALL,
    ),
    _reading(
        "last_sparsity",
        "structure",
        (*_at("gini_coefficient.excess", *_LAST), *_at("irrep_gini_coefficient.excess", *_LAST)),
        ALL,
    ),
    _reading("basis_evidence", "structure", _at("basis_evidence", *_FIRST), ALL, "log1p"),
    _reading("synchrony", "structure", _at("frequency_synchronization.z", *_FIRST), ALL, "log1p"),
    _reading("sharpness", "landscape", ("sharpness.normalized",), _RELATIVE, "log"),
    _reading("trace", "landscape", ("hessian_trace.per_loss",), _RELATIVE, "log"),
    _reading("noise_scale", "landscape", ("gradient_noise_scale",), _RELATIVE, "log"),
    _reading("commutator", "landscape", ("commutator_defect.log",), ALL),
)
"""All of them; a new one is a new row, and a new fit."""


NAMES: tuple[str, ...] = ("clock", *(f"{r.name}.{part}" for r in READINGS for part in r.parts))
"""Of the features, in their order."""

FAMILIES: tuple[str, ...] = ("clock", *(r.family for r in READINGS for _ in r.parts))
"""What it takes to measure each feature."""
