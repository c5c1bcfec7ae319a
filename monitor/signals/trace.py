"""The Hessian's trace: the sum of all curvatures of the train loss, with its standard error.

Estimated by products with random vectors of signs. At ten products, taking away the one eigenvector
that sharpness has found already was as good as or better than Hutch++ and XTrace on spectra that
fall like 1/k or slower, and keeps three vectors where they keep half a dozen; those two pay off on
steeper spectra (relative error .07 and .04 against .08 at 1/k^2).
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from grokwatch.monitor.signals.landscape import per_loss, train_loss
from grokwatch.monitor.signals.weights import total_norm
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

NUM_PRODUCTS = 10
SEED = 1


class TraceEstimate(NamedTuple):
    """An estimate of a trace.

    Attributes:
        value: `(*models,)` float64, right on average.
        error: `(*models,)` float64 standard error, with one degree of freedom less than vectors.
    """

    value: Tensor
    error: Tensor


def hutchinson_trace(
    product: Callable[[Tensor], Tensor],
    vectors: Iterable[Float[Tensor, "*models P"]],
    known: Float[Tensor, "*models P"] | None = None,
) -> TraceEstimate:
    """Trace of a symmetric matrix from its products with random vectors.

    q^T H q + mean_i z_i^T H z_i, where q is a unit vector and z_i what a vector of random signs has
    left at right angles to q. Right on average for any q; nearer, the more of H lies along q.

    Args:
        product: multiplies H with `(*models, P)` vectors.
        vectors: entries of 1 and -1, independent of each other and of q; at least two.
        known: q, such as an eigenvector; of any length, and none where its length is 0.

    Returns:
        The estimate, of one product for each vector and one for q.

    Example:
        >>> diagonal = torch.tensor([5.0, 1.0, -7.0])
        >>> signs = [torch.tensor([1.0, 1.0, -1.0]), torch.tensor([-1.0, 1.0, 1.0])]
        >>> hutchinson_trace(lambda v: diagonal * v, signs).value
        tensor(-1., dtype=torch.float64)

    Source:
        Hutchinson 1989; Gambhir, Stathopoulos and Orginos 2017 (deflation).
    """
    q = None if known is None else normalize(known, dim=-1)
    samples = []
    for z in vectors:
        rest = z if q is None else z - q * torch.linalg.vecdot(q, z)[..., None]
        samples.append(_inner(rest, product(rest)))
    forms = torch.stack(samples, -1)
    value, error = forms.mean(-1), forms.std(-1) / math.sqrt(len(samples))
    return TraceEstimate(value if q is None else value + _inner(q, product(q)), error)


def random_signs(
    size: int, count: int, like: Float[Tensor, "..."], models: tuple[int, ...] = ()
) -> Iterator[Float[Tensor, "..."]]:
    """Draw vectors of independent signs, one at a time, the same for each model and every time.

    The same vectors at each observation make the error of a trace nearly the same at each: its
    changes are known better than its level, of which the standard error speaks.

    Args:
        size: P.
        count: how many vectors.
        like: gives dtype and device.
        models: the leading model axes.

    Yields:
        `(*models, P)`, of 1 and -1.

    Example:
        >>> [vector.abs().sum().item() for vector in random_signs(3, 2, torch.ones(1))]
        [3.0, 3.0]

    Source:
        Hutchinson 1989.
    """
    generator = torch.Generator(device="cpu").manual_seed(SEED)
    for _ in range(count):
        bits = torch.randint(2, (size,), generator=generator, device="cpu", dtype=torch.int8)
        yield (2 * bits - 1).to(like).expand(*models, size)


def _inner(x: Tensor, y: Tensor) -> Tensor:
    """Inner product, added up in float64."""
    return (x * y).sum(-1, dtype=torch.float64)


def _read(snapshot: Snapshot) -> Readings:
    """Read the trace; where sharpness has left its eigenvector, apart from it."""
    landscape = snapshot.landscape
    assert landscape is not None  # its need
    weights = list(snapshot.weights.values())
    size = sum(math.prod(w.shape[len(snapshot.models) :]) for w in weights)
    like = torch.empty(0, dtype=landscape.dtype, device=weights[0].device)
    known = snapshot.memory.get("sharpness")
    fits = known is not None and known.shape == (*snapshot.models, size)
    known = known.to(like) if known is not None and fits else None
    count = NUM_PRODUCTS - (known is not None)
    signs = random_signs(size, count, like, snapshot.models)
    trace = hutchinson_trace(landscape.product, signs, known)
    length = total_norm(snapshot)
    return {
        "hessian_trace": trace.value,
        "hessian_trace.error": trace.error,
        "hessian_trace.normalized": trace.value * length.square() / size,
        "hessian_trace.per_loss": per_loss(trace.value, train_loss(snapshot)),
    }


SIGNALS: tuple[Signal, ...] = (
    Signal(
        name="hessian_trace",
        read=_read,
        needs=frozenset({Need.LANDSCAPE}),
        bounds=(-math.inf, math.inf),
        cost=Cost.DEAR,
        summary="Sum of all curvatures of the train loss, with error; rises, falls with the loss.",
        source="Hutchinson 1989; deflated; normalized is trace |theta|^2 / P",
    ),
)
