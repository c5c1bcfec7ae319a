"""The shape of the path that the weights take, from sketches of their last positions.

Updates here are differences of the weights between readings, the last ten of them, each a count
sketch of 16,381 numbers. On the plateau they were seen to follow one slow direction, along which at
grokking the gradient gives way to weight decay; the runs that did not grok in those studies had no
weight decay. Readings grow further apart during a run, and the updates longer with them. Where
learning rate times decay times the steps between two readings comes near 1, decay and gradient
cancel over an update, and the share of decay is known to about .1 only.

Where nothing moved, and before the third update, no direction counts as stronger than another. A
reading that is not finite is left out; the next update then spans its gap.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from grokwatch.monitor.signals.sparsity import energy_shares
from grokwatch.monitor.signals.spectrum import spectral_entropy_rank, squared_singular_values
from grokwatch.monitor.signals.vectors import cosine, count_sketch, sample
from grokwatch.monitor.signals.weights import sampled_weights
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

NUM_UPDATES = 10
FEWEST = 3
MOST_DOMINANT = 1e6

_KEY = "update_gram"
_TIMES = "update_gram.steps"


def dominance(singular: Float[Tensor, "*models r"]) -> Float[Tensor, "*models"]:
    """How far the strongest direction stands out.

    s_1 / s_2, at most 10^6: what is below that is rounding.

    Args:
        singular: singular values, ascending, r at least 2.

    Returns:
        In [1, 10^6]; 1 where all are 0.

    Example:
        >>> dominance(torch.tensor([0.0, 2.0, 6.0]))
        tensor(3.)

    Source:
        Xu 2026 (arXiv:2603.15678, spectral edge).
    """
    first, second = singular[..., -1], singular[..., -2]
    ratio = first / second.clamp_min(first / MOST_DOMINANT)
    return torch.where(first == 0, 1.0, ratio)


def spectral_gap(singular: Float[Tensor, "*models r"]) -> Float[Tensor, "*models"]:
    """Gap between the second and the third direction.

    (s_2 - s_3) / s_1.

    Args:
        singular: singular values, ascending, r at least 3.

    Returns:
        In [0, 1]; 0 where all are 0.

    Example:
        >>> spectral_gap(torch.tensor([1.0, 3.0, 4.0]))
        tensor(0.5000)

    Source:
        Xu 2026 (arXiv:2603.15678), there without the divisor.
    """
    first = singular[..., -1]
    return torch.where(first == 0, 0.0, (singular[..., -2] - singular[..., -3]) / first)


def share_along(
    part: Float[Tensor, "*models K"],
    whole: Float[Tensor, "*models K"],
    direction: Float[Tensor, "*models K"],
) -> Float[Tensor, "*models"]:
    """Share of one part of an update in its energy along a direction.

    a^2 / (a^2 + b^2) with a = <part, v> and b = <whole - part, v>.

    Args:
        part: one of the two parts of the update.
        whole: the update.
        direction: v, of any length.

    Returns:
        A share in [0, 1]; 0 where neither part has anything along v.

    Example:
        >>> east = torch.tensor([1.0, 0.0])
        >>> share_along(torch.tensor([1.0, 5.0]), torch.tensor([4.0, 0.0]), east)
        tensor(0.1000)

    Source:
        Xu 2026 (arXiv:2604.07380, share of weight decay on the first direction).
    """
    own = torch.linalg.vecdot(part, direction).square()
    rest = torch.linalg.vecdot(whole - part, direction).square()
    return torch.where(own + rest == 0, 0.0, own / (own + rest))


def top_direction(updates: Float[Tensor, "*models n K"]) -> Float[Tensor, "*models K"]:
    """The direction along which the updates have most of their energy.

    First right singular vector of the matrix of updates, by its Gram matrix.

    Args:
        updates: one per row, float64.

    Returns:
        A vector of length 1, of either sign; zeros where nothing moved or is not finite.

    Example:
        >>> top_direction(torch.tensor([[0.0, 2.0], [0.0, 1.0]], dtype=torch.float64)).abs()
        tensor([0., 1.], dtype=torch.float64)

    Source:
        definition.
    """
    gram = updates @ updates.mT
    finite = gram.isfinite().all(-1).all(-1)[..., None, None]
    rows = torch.linalg.eigh(torch.where(finite, gram, 0.0)).eigenvectors[..., -1]
    along = (rows[..., None, :] @ torch.where(finite, updates, 0.0))[..., 0, :]
    return torch.nn.functional.normalize(along, dim=-1, eps=1e-300)


def _kept(snapshot: Snapshot, key: str, like: Tensor, fill: float) -> Tensor:
    """What memory keeps under a key, or that much of nothing."""
    kept = snapshot.memory.get(key)
    if kept is None or kept.shape != like.shape:
        return torch.full_like(like, fill)
    return kept.to(like)


def _positions(snapshot: Snapshot) -> tuple[Tensor, Tensor]:
    """The last positions, oldest first, with the step of each, -1 where there was none."""
    now = count_sketch(sampled_weights(snapshot))
    finite = now.isfinite().all(-1)[..., None]
    space = now[..., None, :].expand(*now.shape[:-1], NUM_UPDATES + 1, now.shape[-1])
    past, times = _kept(snapshot, _KEY, space, 0.0), _kept(snapshot, _TIMES, space[..., 0], -1.0)
    positions = torch.cat([past[..., 1:, :], now[..., None, :]], -2)
    steps = torch.cat([times[..., 1:], torch.full_like(times[..., :1], snapshot.step)], -1)
    snapshot.memory[_KEY] = torch.where(finite[..., None], positions, past)
    snapshot.memory[_TIMES] = torch.where(finite, steps, times)
    return positions, steps


def _updates(snapshot: Snapshot) -> Tensor:
    """Sketches of the last ten updates, once per snapshot; zeros where there were fewer."""

    def compute() -> Tensor:
        positions, steps = _positions(snapshot)
        snapshot.once(_TIMES, lambda: steps)
        is_first = steps[..., :-1, None] < 0
        updates = torch.where(is_first, 0.0, positions.diff(dim=-2))
        finite = positions[..., -1:, :].isfinite().all(-1, keepdim=True)
        return torch.where(finite, updates, torch.nan)

    return snapshot.once(f"{_KEY}.updates", compute)


def _read_gram(snapshot: Snapshot) -> Readings:
    """Read the four measures of the singular values of the updates."""
    updates = _updates(snapshot)
    is_new = (updates != 0).any(-1).sum(-1) < FEWEST
    squares = squared_singular_values(torch.where(is_new[..., None, None], 0.0, updates))
    singular, shares = squares.sqrt(), energy_shares(squares)
    return {
        "update_gram.dominance": dominance(singular),
        "update_gram.gap": spectral_gap(singular),
        "update_gram.entropy_rank": spectral_entropy_rank(shares),
        "update_gram.top_share": shares.amax(-1),
    }


def _read_cosine(snapshot: Snapshot) -> Readings:
    """Read the cosine between the last two updates."""
    updates = _updates(snapshot)
    return {"update_cosine": cosine(updates[..., -1, :], updates[..., -2, :])}


def _decayed(snapshot: Snapshot) -> Tensor:
    """Sketch of what weight decay takes from the weights in one step."""
    decay, models = snapshot.decay or {}, snapshot.models
    parts = {}
    for name, weight in snapshot.weights.items():
        rate = decay.get(name, torch.zeros(()))
        rate = rate.reshape((*rate.shape, *[1] * (weight.ndim - rate.ndim)))
        parts[name] = -rate * weight
    return count_sketch(sample(parts, models))


def _read_decay(snapshot: Snapshot) -> Readings:
    """Read the share of weight decay in the newest update along the first direction."""
    name, updates = "decay_share", _updates(snapshot)
    times = snapshot.once(_TIMES, lambda: snapshot.memory[_TIMES])[..., -2:]
    now = torch.cat([_decayed(snapshot), times[..., 1:]], -1)
    last = _kept(snapshot, name, now, -1.0)
    finite = now.isfinite().all(-1, keepdim=True)
    snapshot.memory[name] = torch.where(finite, now, last)
    # the mean of both ends, where the other end was read too
    older = torch.where(last[..., -1:] == times[..., :1], last, now)
    taken = (now + older)[..., :-1] / 2 * times.diff(dim=-1)
    newest = updates[..., -1, :]
    share = share_along(taken, newest, top_direction(updates))
    return {name: torch.where((newest != 0).any(-1), share, 0.0)}


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="update_gram",
        read=_read_gram,
        bounds=(0.0, MOST_DOMINANT),
        cost=Cost.MODERATE,
        summary="Spectrum of the last ten updates: whether they follow one direction, or many.",
        source="Xu 2026 (arXiv:2603.15678)",
    ),
    Signal(
        name="update_cosine",
        read=_read_cosine,
        bounds=(-1.0, 1.0),
        cost=Cost.MODERATE,
        summary="Cosine of the last two updates between readings; near 1 on a straight path.",
        source="Xu 2026 (arXiv:2603.15678)",
    ),
    Signal(
        name="decay_share",
        read=_read_decay,
        needs=frozenset({Need.DECAY}),
        bounds=(0.0, 1.0),
        cost=Cost.MODERATE,
        summary="Share of decay in the newest update on its first direction; noise if read seldom.",
        source="Xu 2026 (arXiv:2604.07380)",
    ),
)
