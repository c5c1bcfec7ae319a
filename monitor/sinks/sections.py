"""Under which key MLflow shows a signal: its charts fold by the part of a key before the slash.

The verdict has the section `grokwatch`, and signals that are read together have one of their own.
Pure text: the table names signals, so that a sink needs no torch; a test compares it with them.
"""

import re
from collections.abc import Mapping

from grokwatch.monitor.records import signal_of

VERDICT = "grokwatch"
"""What a person looks at first: accuracies, losses, stage, and chances."""

UNLISTED = "grokwatch signals"
"""Signals that are not ours."""

SECTIONS: Mapping[str, tuple[str, ...]] = {
    VERDICT: (),
    "grokwatch cost": ("overhead_ratio",),
    "grokwatch landscape": (
        "update_curvature", "relative_update_curvature", "sharpness", "preconditioned_sharpness",
        "hessian_trace", "perturbation_sharpness", "commutator_defect", "tangent_alignment",
        "tangent_velocity",
    ),
    "grokwatch logits": (
        "margin", "logit_scale", "softmax_collapse", "zero_loss", "probe_loss",
    ),
    "grokwatch loss": (
        "train_loss", "loss_activity", "loss_mobility", "loss_complexity", "oscillation_energy",
        "loss_spikes", "loss_drawdown", "loss_flatness",
    ),
    "grokwatch representations": (
        "representation_entropy", "class_separation", "local_intrinsic_dimension",
        "head_similarity", "head_entropy_deviation",
    ),
    UNLISTED: (),
    "grokwatch spectrum": (
        "spectral_entropy", "spectral_entropy_rank", "stable_rank", "power_law_exponent",
        "correlation_traps",
    ),
    "grokwatch structure": (
        "gini_coefficient", "inverse_participation_ratio", "top_share", "dominant_share",
        "fourier_entropy", "frequency_synchronization", "basis_evidence", "excluded_loss",
        "restricted_loss", "irrep_gini_coefficient", "irrep_share", "coordinate_gini_coefficient",
        "coordinate_inverse_participation_ratio", "coordinate_top_share", "walsh_concentration",
    ),
    "grokwatch updates": (
        "update_ratio", "frozen_update_fraction", "angle_since_memorization", "update_gram",
        "update_cosine", "decay_share", "gradient_norm", "gradient_weight_cosine",
        "gradient_perpendicular_fraction", "weight_slope", "gradient_cosine", "momentum_ratio",
        "gradient_noise_scale",
    ),
    "grokwatch weights": (
        "weight_norm", "weight_norm_l1", "last_layer_norm", "weight_sparsity",
        "absolute_weight_entropy", "norm_crossing",
    ),
}  # fmt: skip
"""Section -> names of its signals; the files of `monitor/signals` that go together."""

_LONGEST_KEY = 250
_TRAIN_LOSS = "train_loss"  # its parts, such as its slope, are with the other signals
_NOT_MLFLOW = re.compile(r"[^A-Za-z0-9_.\- ]")
_SECTION_OF = {name: section for section, names in SECTIONS.items() for name in names}


def section_of(key: str) -> str:
    """The section of a signal's value.

    Example:
        >>> section_of("stable_rank@embedding"), section_of("of_my_own")
        ('grokwatch spectrum', 'grokwatch signals')
    """
    return VERDICT if key == _TRAIN_LOSS else _SECTION_OF.get(signal_of(key), UNLISTED)


def plain_key(key: str) -> str:
    """A key in the letters that MLflow takes; `.` for `@`.

    Example:
        >>> plain_key("stable_rank@embedding")
        'stable_rank.embedding'
    """
    plain = _NOT_MLFLOW.sub("_", key.replace("@", "."))
    return re.sub(r"\.{2,}", ".", plain).strip(". ") or "_"


def mlflow_key(key: str) -> str:
    """Name a signal's value in MLflow.

    Args:
        key: `name[.part][@role]`.

    Returns:
        Section, slash, and the plain key; at most 250 characters.

    Example:
        >>> mlflow_key("stable_rank@embedding")
        'grokwatch spectrum/stable_rank.embedding'
    """
    return f"{section_of(key)}/{plain_key(key)}"[:_LONGEST_KEY]


def name_within(name: str) -> str | None:
    """What stands behind a section of ours; runs of old have everything in the first section.

    Args:
        name: of a metric in MLflow.

    Returns:
        The rest of the name; None where the metric is not ours.

    Example:
        >>> name_within("grokwatch weights/weight_norm"), name_within("grokwatch/weight_norm")
        ('weight_norm', 'weight_norm')
    """
    section, slash, rest = name.partition("/")
    return rest if slash and section in SECTIONS else None
