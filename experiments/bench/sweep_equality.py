"""Whether all arms train the same models: the rows without which the speed of none counts."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from grokwatch.experiments.bench.rows import Row
from grokwatch.experiments.bench.sweep_arms import COMPILED, EAGER, Trainee, loop
from grokwatch.experiments.bench.sweep_shapes import Shape
from grokwatch.experiments.sweep.stack import Stack

UPDATES = 100
MOST = 1e-5
FIVE = 5
_TARGET = f"at most {MOST:.0e}"


def losses_after(trainee: Trainee, updates: int = UPDATES) -> Tensor:
    """Losses `(S,)` float64 after so many updates of models that were never trained."""
    found: list[Tensor] = []
    while len(found) <= updates:
        found += trainee.advance().double().cpu()
    return found[updates]


def difference(found: Tensor, expected: Tensor) -> float:
    """Greatest relative difference; not a number is as far away as can be.

    Example:
        >>> difference(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.5]))
        0.20000000298023224
    """
    relative = ((found - expected) / expected).abs()
    return float(relative.nan_to_num(nan=torch.inf).max())


def against_loop(shape: Shape, found: Mapping[str, Sequence[Tensor]]) -> list[Row]:
    """Hold what stacks and JAX trained against loops, model by model.

    Args:
        shape: of the models.
        found: kind of arm -> losses of each of its arms, models from seed 0 on.

    Returns:
        A row per kind.
    """
    most = max(len(losses) for each in found.values() for losses in each)
    expected = torch.cat([losses_after(loop(run)) for run in shape.runs(most)])
    return [
        _row(
            shape,
            f"{kind}: loss of every model after {UPDATES} steps, from the loop's",
            max(difference(losses, expected[: len(losses)]) for losses in each),
            f"of {' and '.join(str(len(losses)) for losses in each)} models at once",
        )
        for kind, each in found.items()
    ]


def across_sizes(shape: Shape, most: int, compiled: Sequence[Tensor]) -> list[Row]:
    """Train the same models in chunks of 1, 5 and `most`.

    Args:
        shape: of the models.
        most: models of the largest chunk.
        compiled: losses of compiled stacks of several sizes.

    Returns:
        A row for eager stacks, and one for compiled ones where there are two.
    """
    sizes = sorted({1, min(FIVE, most), most})
    trained = [_trained(shape, size) for size in sizes]
    losses, weights = ([each[part] for each in trained] for part in (0, 1))
    same = [_rows_alike(small, weights[-1]) for small in weights[:-1]]
    told = f"{sum(same)} of {sum(sizes[:-1])} models bit-identical"
    what = "a model's loss after {} steps, across chunks of {}, {}"
    rows = []
    if len(sizes) > 1:
        named = ", ".join(map(str, sizes))
        rows.append(_row(shape, what.format(UPDATES, named, EAGER), _apart(losses), told))
    if len(compiled) > 1:
        named = " and ".join(str(len(each)) for each in compiled)
        rows.append(_row(shape, what.format(UPDATES, named, COMPILED), _apart(compiled), ""))
    return rows


def _apart(losses: Sequence[Tensor]) -> float:
    """Greatest relative difference of models that several stacks have."""
    largest = max(losses, key=len)
    return max(difference(each, largest[: len(each)]) for each in losses)


def _trained(shape: Shape, size: int) -> tuple[Tensor, Tensor]:
    """Losses and weights `(S, P)` of one chunk."""
    stack = Stack(shape.runs(size), compiled=False)
    for _ in range(UPDATES):
        stack.step()
    weights = torch.cat([part.flatten(1) for part in stack.copied_weights().values()], 1).detach()
    stack.step()
    return stack.losses[-1].double(), weights


def _rows_alike(few: Tensor, many: Tensor) -> int:
    """How many models of a small chunk have the bits that they have in a large one."""
    return int((few == many[: len(few)]).all(1).sum())


def _row(shape: Shape, what: str, value: float, note: str) -> Row:
    return Row(
        workload=shape.name,
        what=what,
        value=value,
        unit="difference",
        target=_TARGET,
        is_met=value <= MOST,
        note=note,
    )
