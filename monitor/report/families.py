"""Which signals belong together: the order in which a report draws them, and how it heads them."""

from collections.abc import Iterable

from grokwatch.monitor.records import signal_of

OTHERS = "Other values"

FAMILIES: dict[str, tuple[str, ...]] = {
    "Structure in the weights": (
        "gini_coefficient",
        "inverse_participation_ratio",
        "top_share",
        "dominant_share",
        "fourier_entropy",
        "frequency_synchronization",
        "basis_evidence",
        "excluded_loss",
        "restricted_loss",
        "irrep_gini_coefficient",
        "irrep_share",
        "coordinate_gini_coefficient",
        "coordinate_inverse_participation_ratio",
        "coordinate_top_share",
        "walsh_concentration",
    ),
    "Weights": (
        "weight_norm",
        "weight_norm_l1",
        "last_layer_norm",
        "weight_sparsity",
        "absolute_weight_entropy",
        "norm_crossing",
        "spectral_entropy",
        "spectral_entropy_rank",
        "stable_rank",
        "power_law_exponent",
        "correlation_traps",
    ),
    "Train loss": (
        "train_loss",
        "oscillation_energy",
        "loss_activity",
        "loss_mobility",
        "loss_complexity",
        "loss_spikes",
        "loss_drawdown",
        "loss_flatness",
    ),
    "Updates and gradients": (
        "update_ratio",
        "frozen_update_fraction",
        "angle_since_memorization",
        "update_gram",
        "update_cosine",
        "decay_share",
        "gradient_norm",
        "gradient_weight_cosine",
        "gradient_perpendicular_fraction",
        "weight_slope",
        "gradient_cosine",
        "momentum_ratio",
        "gradient_noise_scale",
    ),
    "Loss landscape": (
        "update_curvature",
        "relative_update_curvature",
        "sharpness",
        "preconditioned_sharpness",
        "hessian_trace",
        "perturbation_sharpness",
        "commutator_defect",
        "tangent_alignment",
        "tangent_velocity",
    ),
    "Logits and hidden states": (
        "margin",
        "logit_scale",
        "softmax_collapse",
        "zero_loss",
        "probe_loss",
        "representation_entropy",
        "class_separation",
        "local_intrinsic_dimension",
        "head_similarity",
        "head_entropy_deviation",
    ),
    "The monitor itself": ("overhead_ratio",),
}

_FAMILY = {name: family for family, names in FAMILIES.items() for name in names}
_PLACE = {name: place for place, name in enumerate(_FAMILY)}


def grouped(keys: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Sort keys into families, and within a family into charts.

    Args:
        keys: of `Observation.values`.

    Returns:
        Family -> chart `name[.part]` -> its keys, one for each role.

    Example:
        >>> grouped(["weight_norm@input", "weight_norm"])
        {'Weights': {'weight_norm': ['weight_norm', 'weight_norm@input']}}
    """
    found: dict[str, dict[str, list[str]]] = {}
    for key in sorted(keys, key=_order):
        family = _FAMILY.get(signal_of(key), OTHERS)
        found.setdefault(family, {}).setdefault(key.partition("@")[0], []).append(key)
    return found


def _order(key: str) -> tuple[int, str, str]:
    name, _, role = key.partition("@")
    return _PLACE.get(signal_of(key), len(_PLACE)), name, role
