"""How right the landscape signals are along a real training: the gate that stops cheating.

At each reading the same weights are looked at with patience: Lanczos to convergence, and a trace of
many products, on the monitor's sub-batch and on the whole train set.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh  # type: ignore[import-untyped]
from torch import Tensor, nn

from grokwatch.experiments.bench.cockpit import Hessian
from grokwatch.experiments.bench.curvature import CADENCE, landscape_signals
from grokwatch.experiments.bench.rows import Row, share_interval
from grokwatch.experiments.bench.sizes import DEMO, workload
from grokwatch.experiments.bench.watched import watch
from grokwatch.experiments.counting import Counting
from grokwatch.monitor.records import Observation
from grokwatch.monitor.snapshot import Cost, Need, Readings, Signal, Snapshot

SAMPLES = 60
TOLERANCE, ENOUGH = 0.05, 0.95
PRODUCTS = 100

Product = Callable[[Tensor], Tensor]


class Estimate(NamedTuple):
    """A mean and its standard error."""

    value: float
    error: float


@dataclass(frozen=True)
class Converged:
    """Top eigenvalue and trace on the sub-batch and on the whole train set, at one step.

    `quarter_top` is that on every fourth example: what a model would have whose batch is too dear
    to be taken whole.
    """

    part_top: float
    whole_top: float
    quarter_top: float
    part_trace: Estimate
    whole_trace: Estimate


class Reference:
    """Reads with patience what the signals read in haste.

    Args:
        module: in training.
        batch: the whole train set.
        num_products: of a trace.

    Attributes:
        found: step -> what is so.
    """

    def __init__(self, module: nn.Module, batch: Sequence[Tensor], num_products: int) -> None:
        self.found: dict[int, Converged] = {}
        self._module = module
        self._batch = batch
        self._num_products = num_products

    def signal(self) -> Signal:
        """As a signal, so that it sees the snapshot that the others see."""
        return Signal(
            name="converged",
            read=self._read,
            needs=frozenset({Need.LANDSCAPE}),
            bounds=(-math.inf, math.inf),
            cost=Cost.DEAR,
            summary="Fills the reference; has no value of its own.",
            source="Lanczos 1950; Hutchinson 1989",
        )

    def _read(self, snapshot: Snapshot) -> Readings:
        assert snapshot.landscape is not None  # its need
        whole = Hessian(self._module, self._batch)
        quarter = Hessian(self._module, [part[::4] for part in self._batch])
        part_product, size = snapshot.landscape.product, whole.size
        self.found[snapshot.step] = Converged(
            part_top=converged_top(part_product, size),
            whole_top=converged_top(whole.product, size),
            quarter_top=converged_top(quarter.product, size),
            part_trace=mean_trace(part_product, size, self._num_products),
            whole_trace=mean_trace(whole.product, size, self._num_products),
        )
        return {}


def converged_top(product: Product, size: int) -> float:
    """Greatest eigenvalue of a symmetric matrix, by Lanczos with restarts until it stands.

    Args:
        product: multiplies with `(size,)` float32.
        size: number of rows.

    Returns:
        The eigenvalue, its residual within a thousandth of it.

    Example:
        >>> diagonal = torch.linspace(-9.0, 4.0, 50)
        >>> round(converged_top(lambda v: diagonal * v, 50), 3)
        4.0
    """

    def multiply(vector: NDArray[np.float32]) -> NDArray[np.float32]:
        given = torch.from_numpy(np.array(vector, np.float32).reshape(-1))
        image: NDArray[np.float32] = product(given).detach().numpy()
        return image

    operator = LinearOperator((size, size), matvec=multiply, dtype=np.float32)
    start = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    values = eigsh(operator, k=1, which="LA", tol=1e-3, v0=start, return_eigenvectors=False)
    return float(values[0])


def mean_trace(product: Product, size: int, num_products: int) -> Estimate:
    """Trace by products with random signs, the same signs every time.

    Args:
        product: multiplies with `(size,)` float32.
        size: number of rows.
        num_products: how many are averaged, at least 2.

    Returns:
        Exact for a diagonal matrix.

    Example:
        >>> mean_trace(lambda v: 2 * v, 10, 3)
        Estimate(value=20.0, error=0.0)
    """
    generator = torch.Generator().manual_seed(1)
    found = []
    for _ in range(num_products):
        signs = torch.randint(2, (size,), generator=generator) * 2.0 - 1.0
        found.append(float(signs @ product(signs)))
    return Estimate(float(np.mean(found)), float(np.std(found, ddof=1)) / num_products**0.5)


def accuracy(
    counting: Counting, *, samples: int | None = None, products: int = PRODUCTS
) -> list[Row]:
    """Train the demo's model, and hold each reading against the converged values.

    Args:
        counting: told of the readings.
        samples: readings, 256 steps apart, None for 60.
        products: of a converged trace.

    Returns:
        A row per question.
    """
    model, number = workload(DEMO), samples or SAMPLES
    module = model.module()
    reference = Reference(module, model.batch, products)
    signals = [*landscape_signals(), reference.signal()]
    with counting("accuracy", number + 2) as done:
        found = watch(
            replace(model, module=lambda: module),
            signals,
            steps=CADENCE,
            rounds=number,
            done=done,
        )
    pairs = [
        (each, reference.found[step])
        for step, each in found.observations.items()
        if step in reference.found
    ]
    return judge(f"{model.name}, {len(pairs)} readings every {CADENCE} steps", pairs)


def judge(model: str, pairs: Sequence[tuple[Observation, Converged]]) -> list[Row]:
    """Say how far readings are from converged values.

    Args:
        model: what was trained.
        pairs: what was read, and what is so.

    Returns:
        The rows.
    """
    tops = [(each.values.get("sharpness"), so.part_top, so.whole_top) for each, so in pairs]
    traces = [
        (each.values.get("hessian_trace"), so.part_trace.value, so.whole_trace.value)
        for each, so in pairs
    ]
    errors = [abs(so.whole_trace.error / so.whole_trace.value) for _, so in pairs]
    gate, sure = "at least 95 % of readings", f"; converged up to {np.median(errors):.2%}"
    return [
        *_within(model, "sharpness", tops, gate),
        _bias(
            model, "the sub-batch: top eigenvalue", [(so.part_top, so.whole_top) for _, so in pairs]
        ),
        _bias(
            model, "a quarter: top eigenvalue", [(so.quarter_top, so.whole_top) for _, so in pairs]
        ),
        *_within(model, "hessian_trace", traces, ""),
        _bias(model, "the sub-batch: trace", [each[1:] for each in traces], sure),
    ]


_Triple = tuple[float | None, float, float]


def _within(model: str, name: str, triples: Sequence[_Triple], target: str) -> list[Row]:
    """Share of readings near the converged value on the sub-batch, and on the train set."""
    rows = []
    for place, where in enumerate(("the sub-batch", "the whole train set")):
        what = f"{name} within 5 % of its converged value on {where}"
        errors = [abs(read / so[place] - 1) for read, *so in triples if read is not None]
        if not errors:
            rows.append(Row(workload=model, what=what, value=None, note="it was not read"))
            continue
        share = share_interval(sum(error <= TOLERANCE for error in errors), len(errors))
        row = Row(
            workload=model,
            what=what,
            **share._asdict(),
            target=target,
            is_met=share.value >= ENOUGH if target else None,
            note=f"median error {np.median(errors):.2%}",
        )
        rows.append(row)
    return rows


def _bias(model: str, what: str, pairs: Sequence[tuple[float, float]], sure: str = "") -> Row:
    """How much more a part of the train set has than all of it."""
    bias = [part / whole - 1 for part, whole in pairs]
    low, middle, high = np.quantile(bias, (0.05, 0.5, 0.95))
    return Row(
        workload=model,
        what=f"bias of {what} less the train set's, over it",
        value=float(middle),
        low=float(low),
        high=float(high),
        note=f"interval: 5 % and 95 % quantile over readings{sure}",
    )
