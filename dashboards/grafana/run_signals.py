"""The signals of a run: what the verdict rests on."""

from dashboards.grafana import colors, scales
from dashboards.grafana.entries import Entry, Query, Section
from dashboards.grafana.expressions import ONE_RUN, of_signals

_EVERY_TASK = "Measured for every task."
_FROM_STANDARD = f"{_EVERY_TASK[:-1]}, with `standard` or `full` signals."
_OF_NUMBERS = "Measured where inputs are numbers modulo another, as in addition, and not for bits."
_OF_BITS = "Measured where inputs are bits, as in parity, and not for numbers."
_COLORS = (colors.BLUE, colors.ORANGE, colors.GREEN, colors.PURPLE, colors.SKY)


def _drawn(
    title: str,
    description: str,
    *signals: str,
    where: str = _EVERY_TASK,
    part: str = "",
    unit: str = scales.COUNT,
    is_log: bool = False,
) -> Entry:
    """A panel with a color for each signal, and a dash for each matrix that it is read from."""
    queries = tuple(
        Query(
            expression=of_signals((signal,), ONE_RUN, part=part),
            legend="{{signal}}",
            color=color,
            has_many=True,
        )
        for signal, color in zip(signals, _COLORS, strict=False)
    )
    return Entry(
        kind="timeseries",
        title=title,
        description=f"{description} {where}",
        unit=unit,
        queries=queries,
        is_log=is_log,
        height=10 if len(signals) > 2 else 8,
        if_empty="not measured in this run",
    )


SECTIONS = (
    Section(
        "Structure in the weights",
        (
            _drawn(
                "Fourier sparsity",
                "How few frequencies hold the power of the weights. It grows as the circuit forms.",
                "gini_coefficient",
                "inverse_participation_ratio",
                "top_share",
                "dominant_share",
                where=_OF_NUMBERS,
                unit=scales.RATIO,
            ),
            _drawn(
                "Fourier sparsity above chance",
                "The same, above what random weights give, as a share of the most it could be "
                "above it.",
                "gini_coefficient",
                "inverse_participation_ratio",
                "top_share",
                "dominant_share",
                where=_OF_NUMBERS,
                part="excess",
                unit=scales.RATIO,
            ),
            _drawn(
                "Coordinate sparsity",
                "How few inputs are read: what grows in tasks over bits, such as parity.",
                "coordinate_gini_coefficient",
                "coordinate_inverse_participation_ratio",
                "coordinate_top_share",
                "walsh_concentration",
                where=_OF_BITS,
                unit=scales.RATIO,
            ),
            _drawn(
                "Spectrum",
                "Effective rank of the weights; it falls as memorising parts are removed.",
                "stable_rank",
                "spectral_entropy_rank",
                "power_law_exponent",
                where=_FROM_STANDARD,
            ),
        ),
    ),
    Section(
        "Size and movement of the weights",
        (
            _drawn(
                "Weight norms",
                "Length of the weights, all and by matrix. They fall in cleanup.",
                "weight_norm",
                "last_layer_norm",
                is_log=True,
            ),
            _drawn(
                "Updates",
                "Length of an update as a share of the weights it changes.",
                "update_ratio",
                "frozen_update_fraction",
                unit=scales.RATIO,
                is_log=True,
            ),
        ),
    ),
    Section(
        "Loss landscape",
        (
            _drawn(
                "Curvature",
                "Sharpness is the largest eigenvalue of the Hessian; update curvature is the one "
                "along the last update.",
                "sharpness",
                "preconditioned_sharpness",
                "update_curvature",
                "hessian_trace",
                "perturbation_sharpness",
            ),
            _drawn(
                "Gradient",
                "Its length, and how noisy it is.",
                "gradient_norm",
                "gradient_noise_scale",
                "commutator_defect",
                unit=scales.SCIENTIFIC,
                is_log=True,
            ),
            _drawn(
                "Logits",
                "How far the network is from its decision's edge, and whether its softmax has "
                "collapsed.",
                "margin",
                "logit_scale",
                "softmax_collapse",
                "zero_loss",
                where=_FROM_STANDARD,
            ),
            _drawn(
                "Train loss curve",
                "What the curve of the train loss alone tells: how it moves and how often it "
                "spikes.",
                "loss_activity",
                "loss_mobility",
                "loss_complexity",
                "oscillation_energy",
                "loss_spikes",
                where=_FROM_STANDARD,
            ),
        ),
    ),
)
