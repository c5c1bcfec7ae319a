"""How much each bit of the input weighs over time."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from grokwatch.monitor.report.packing import Packed, pack
from grokwatch.monitor.report.waves import Real, finite

_FEW = 3


class BitsView(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows of bits.

    Attributes:
        norms: length of each bit's weights to all neurons, `(looks, n)`.
        relevant: the bits that matter, ascending.
        is_told: whether the run says which; else they are the heaviest at the end.
    """

    norms: Packed
    relevant: tuple[int, ...]
    is_told: bool


def bits_view(looks: npt.NDArray[np.floating], hyper_parameters: Mapping[str, object]) -> BitsView:
    """Weigh the bits.

    Args:
        looks: `(looks, n, neurons)`.
        hyper_parameters: of the run, which may say what matters.

    Returns:
        The view.
    """
    norms = np.linalg.norm(finite(looks), axis=2)
    told = hyper_parameters.get("task.num_relevant")
    count = told if isinstance(told, int) else _FEW
    num_relevant = min(max(1, count), norms.shape[1])
    is_told = isinstance(told, int) and hyper_parameters.get("task.relevant") == "first"
    heaviest = np.argsort(-norms[-1], kind="stable")[:num_relevant]
    relevant: Sequence[int] = range(num_relevant) if is_told else sorted(heaviest.tolist())
    return BitsView(norms=pack(norms, "i2"), relevant=tuple(relevant), is_told=is_told)


def bit_order(rows: Real) -> list[int]:
    """Rows `(N, n)` in the order of their heaviest bit, and of its weight."""
    weights = finite(rows)
    heaviest = np.abs(weights).argmax(axis=1)
    return [int(row) for row in np.lexsort((weights[np.arange(len(rows)), heaviest], heaviest))]
