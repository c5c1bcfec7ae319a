"""Input-coordinate sparsity: how few of its inputs a network reads.

A network that finds a sparse parity stops reading the irrelevant bits, so that the energy of its
first layer gathers on a few coordinates. For each role in `Snapshot.inputs` every measure gives its
reading on the energy of all neurons together, the mean over neurons of its reading on each one's
own (`neuron`), and both as excess over what iid Gaussian weights would read. Interactions between
coordinates are not seen.
"""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.nulls import Components
from grokwatch.monitor.signals.sparsity import (
    GINI,
    PARTICIPATION,
    TOP_SHARE,
    Measure,
    energy_shares,
)
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot


def coordinate_energy(W: Float[Tensor, "*models N D"]) -> Float[Tensor, "*models N"]:
    """Energy with which a layer reads each of its inputs.

    e_i = sum_d W_id^2.

    Args:
        W: weights, the N input coordinates on axis -2, neurons on axis -1.

    Returns:
        Non-negative energy per input coordinate; unit of W squared.

    Example:
        >>> coordinate_energy(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([25.,  1.])

    Source:
        Barak et al. 2022 (weights on the relevant coordinates).
    """
    return W.to(torch.promote_types(W.dtype, torch.float32)).square().sum(-1)


def neuron_energy(W: Float[Tensor, "*models N D"]) -> Float[Tensor, "*models D N"]:
    """Energy with which each neuron reads each of the layer's inputs.

    e_di = W_id^2.

    Args:
        W: weights, the N input coordinates on axis -2, neurons on axis -1.

    Returns:
        Non-negative energy, neurons on axis -2, input coordinates on axis -1; unit of W squared.

    Example:
        >>> neuron_energy(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[ 9.,  0.],
                [16.,  1.]])

    Source:
        Barak et al. 2022 (weights on the relevant coordinates).
    """
    return W.to(torch.promote_types(W.dtype, torch.float32)).mT.square()


def _shares(snapshot: Snapshot, role: str) -> tuple[Tensor, Tensor]:
    """Shares of energy over the inputs, of all neurons together and of each, once per snapshot."""
    W = snapshot.inputs[role]
    return (
        snapshot.once(f"coordinates.shares@{role}", lambda: energy_shares(coordinate_energy(W))),
        snapshot.once(f"coordinates.each@{role}", lambda: energy_shares(neuron_energy(W))),
    )


def _read(snapshot: Snapshot, *, name: str, measure: Measure) -> Readings:
    """Read one measure in its four parts for every role with an input axis."""
    readings: dict[str, Tensor] = {}
    for role, W in snapshot.inputs.items():
        N, D = W.shape[-2:]
        added, each = _shares(snapshot, role)
        value, mean = measure.of(added), measure.of(each).mean(-1)
        readings[f"{name}@{role}"] = value
        layer, neuron = (Components(pairs=0, singles=N, copies=copies) for copies in (D, 1))
        readings[f"{name}.excess@{role}"] = measure.excess(value, layer)
        readings[f"{name}.neuron@{role}"] = mean
        readings[f"{name}.neuron_excess@{role}"] = measure.excess(mean, neuron)
    return readings


def _signal(name: str, measure: Measure, cost: Cost, summary: str, source: str) -> Signal:
    """Describe one measure of the energy over input coordinates."""
    return Signal(
        name=name,
        read=partial(_read, name=name, measure=measure),
        needs=frozenset({Need.INPUTS}),
        bounds=measure.bounds,
        cost=cost,
        summary=summary,
        source=source,
    )


SIGNALS: tuple[Signal, ...] = (
    _signal(
        "coordinate_gini_coefficient",
        GINI,
        Cost.MODERATE,
        "Inequality of weight energy over inputs; rises as irrelevant inputs are dropped.",
        "Hurley and Rickard 2009; Barak et al. 2022",
    ),
    _signal(
        "coordinate_inverse_participation_ratio",
        PARTICIPATION,
        Cost.CHEAP,
        "Sum of squared shares of weight energy over inputs; rises to one over those read.",
        "Gromov 2023 (the ratio); Barak et al. 2022",
    ),
    _signal(
        "coordinate_top_share",
        TOP_SHARE,
        Cost.MODERATE,
        "Share of the five strongest input coordinates in weight energy; rises to 1.",
        "Barak et al. 2022 (weights on the relevant coordinates)",
    ),
)
