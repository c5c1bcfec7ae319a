"""Parameters as one vector per model: flat, sampled, sketched, and the angles between vectors."""

import functools
import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

MOST_SAMPLED = 1 << 18
SKETCHED = 16_381  # a prime, so that the columns of a matrix do not share buckets


def flatten(
    tensors: Mapping[str, Float[Tensor, "..."]], models: tuple[int, ...] = ()
) -> Float[Tensor, "..."]:
    """All tensors as one vector per model, in order.

    Args:
        tensors: by name, each with the leading model axes.
        models: the leading model axes.

    Returns:
        `(*models, P)`, at least float32.

    Example:
        >>> flatten({"a": torch.ones(2, 2), "b": torch.tensor(3.0)})
        tensor([1., 1., 1., 1., 3.])

    Source:
        definition.
    """
    return torch.cat([_flat(tensor, models) for tensor in tensors.values()], -1)


def sample(
    tensors: Mapping[str, Float[Tensor, "..."]],
    models: tuple[int, ...] = (),
    most: int = MOST_SAMPLED,
) -> Float[Tensor, "..."]:
    """An even sample of all entries as one vector per model, scaled to keep lengths on average.

    Every n-th entry of each tensor, where n is the least number that leaves no more than about
    `most` in all, times sqrt(n). The same entries every time, so that samples can be compared.

    Args:
        tensors: by name, each with the leading model axes.
        models: the leading model axes.
        most: entries kept, give or take one for each tensor.

    Returns:
        `(*models, S)`, at least float32; all entries as they are where there are no more.

    Example:
        >>> sample({"a": torch.arange(4.0)}, most=2)
        tensor([0.0000, 2.8284])

    Source:
        definition.
    """
    num_models = math.prod(models)
    total = sum(tensor.numel() for tensor in tensors.values()) // max(num_models, 1)
    stride = max(1, math.ceil(total / most))
    if stride == 1:
        return flatten(tensors, models)
    parts = [_flat(tensor, models)[..., ::stride] for tensor in tensors.values()]
    return torch.cat(parts, -1) * math.sqrt(stride)


def unit(x: Float[Tensor, "*models P"]) -> Float[Tensor, "*models P"]:
    """The vector of length 1 in the same direction.

    x / |x|.

    Args:
        x: a vector per model.

    Returns:
        Of length 1; zeros where x has no length.

    Example:
        >>> unit(torch.tensor([3.0, 4.0]))
        tensor([0.6000, 0.8000])

    Source:
        definition.
    """
    # squares of a small float32 gradient would underflow
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float64).to(x.dtype)
    return torch.where(length == 0, 0.0, x / length)


def cosine(
    x: Float[Tensor, "*models P"], y: Float[Tensor, "*models P"]
) -> Float[Tensor, "*models"]:
    """Cosine of the angle between two vectors.

    x . y / (|x| |y|), each divided by its length before they are multiplied.

    Args:
        x: a vector per model.
        y: another.

    Returns:
        In [-1, 1]; 0 where one of them has no length.

    Example:
        >>> cosine(torch.tensor([1.0, 1.0]), torch.tensor([3.0, 0.0]))
        tensor(0.7071)

    Source:
        definition.
    """
    product: Tensor = torch.linalg.vecdot(unit(x), unit(y))
    return product.clamp(-1, 1)


def angle(x: Float[Tensor, "*models P"], y: Float[Tensor, "*models P"]) -> Float[Tensor, "*models"]:
    """Angle between two vectors, exact also where it is small.

    2 atan2(|x/|x| - y/|y||, |x/|x| + y/|y||), in degrees; the arc cosine of float32 would be off by
    0.02 degrees near 0.

    Args:
        x: a vector per model.
        y: another.

    Returns:
        In [0, 180], degrees; 0 where neither has a length, 90 where one has none.

    Example:
        >>> angle(torch.tensor([1.0, 1.0]), torch.tensor([3.0, 0.0])).round()
        tensor(45.)

    Source:
        Kahan 2006.
    """
    u, v = unit(x), unit(y)
    apart, together = (torch.linalg.vector_norm(w, dim=-1) for w in (u - v, u + v))
    return torch.rad2deg(2 * torch.atan2(apart, together))


def count_sketch(
    x: Float[Tensor, "*models P"], num_buckets: int = SKETCHED
) -> Float[Tensor, "*models K"]:
    """A short vector that keeps inner products on average: a count sketch.

    Bucket j adds up sign_i x_i for i = j, j + K, j + 2K, ..., with fixed random signs. Over the
    draw of the signs <Sx, Sy> has mean <x, y> and a standard deviation of about
    sqrt((|x|^2 |y|^2 + <x, y>^2) / K), .8 to 1.1 % of |x||y|, where x and y are spread over many
    entries; up to K entries are kept as they are.

    Args:
        x: a vector per model.
        num_buckets: K.

    Returns:
        `(*models, min(K, P))` float64, in the unit of x; linear in x.

    Example:
        >>> x = torch.ones(3, dtype=torch.float64)
        >>> float(count_sketch(x).square().sum())
        3.0

    Source:
        Charikar, Chen and Farach-Colton 2002; Weinberger et al. 2009 (inner products).
    """
    size = x.shape[-1]
    if size <= num_buckets:
        return x.double()
    signed = x * _signs(size, x.dtype, x.device)
    rows = torch.nn.functional.pad(signed, (0, -size % num_buckets))
    return rows.reshape(*x.shape[:-1], -1, num_buckets).sum(-2, dtype=torch.float64)


@functools.lru_cache(maxsize=8)
def _signs(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Random signs, always the same."""
    generator = torch.Generator(device="cpu").manual_seed(0)
    bits = torch.randint(2, (size,), generator=generator, device="cpu", dtype=torch.int8)
    return (1 - 2 * bits).to(device, dtype)


def _flat(tensor: Tensor, models: tuple[int, ...]) -> Tensor:
    """One vector per model, at least float32."""
    dtype = torch.promote_types(tensor.dtype, torch.float32)
    return tensor.reshape(*models, -1).to(dtype)
