"""Many models on a CUDA device: one recorded graph for all, against a loop around one."""

from dataclasses import replace

import torch
from torch import Tensor

from grokwatch.experiments.bench.rows import Row, median_interval
from grokwatch.experiments.bench.sweep_arms import Trainee, loop, stacked, taking_turns
from grokwatch.experiments.bench.sweep_equality import against_loop, losses_after
from grokwatch.experiments.bench.sweep_shapes import FEW, Shape
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.modules import hushed
from grokwatch.experiments.overhead import measure
from grokwatch.experiments.threads import one_thread

COUNT = 1024
LEAST = 50.0
UPDATES = 100
LOOP, GRAPH = "plain PyTorch loop on the device", "our stack on the device, one graph"
_WARM_UP, _UPDATES_A_SECOND = 1, 2_000


def cuda_rows(
    counting: Counting,
    shape: Shape,
    rounds: int,
    turn_seconds: float,
    *,
    count: int = COUNT,
    device: str = "cuda",
) -> list[Row]:
    """Measure both where there is a device.

    Args:
        counting: told of the rounds.
        shape: of the models.
        rounds: turns of each.
        turn_seconds: about what a turn takes.
        count: models of the stack.
        device: where both are trained.

    Returns:
        Rows for both, their ratio and their difference; where it cannot be, one that says why.
    """
    what = f"{GRAPH}, {count:,} models"
    if device == "cuda" and not torch.cuda.is_available():
        return [Row(workload=shape.name, what=what, value=None, note="no CUDA device")]
    with one_thread(), hushed("grokwatch"):
        try:
            graph = stacked(shape, count, compiled=False, device=device)
        except RuntimeError as error:
            return [Row(workload=shape.name, what=what, value=None, note=str(error))]
        alone = loop(shape.runs(1)[0], device=device)
        losses = losses_after(graph)[:FEW]
        both = [
            replace(_many(alone, device), kind=LOOP),
            replace(_many(graph, device), kind=GRAPH),
        ]
        calls = max(1, round(turn_seconds * _UPDATES_A_SECOND / UPDATES))
        arms = [taking_turns(each, calls) for each in both]
        with counting("sweep, CUDA", _WARM_UP + rounds) as done:
            measure(arms, blocks=rounds, warm_up=_WARM_UP, done=done)
        rates = [
            [each.count * UPDATES / seconds for seconds in arm.seconds]
            for each, arm in zip(both, arms, strict=True)
        ]
        return [*_rows(shape, what, rates), *against_loop(shape, {GRAPH: [losses]})]


def _many(trainee: Trainee, device: str) -> Trainee:
    """The same, many updates in a call, which ends when the device has made them."""

    def advance() -> Tensor:
        for _ in range(UPDATES):
            losses = trainee.advance()
        if device == "cuda":
            torch.cuda.synchronize()
        return losses

    return replace(trainee, advance=advance, updates=UPDATES)


def _rows(shape: Shape, what: str, rates: list[list[float]]) -> list[Row]:
    """Both rates, and one over the other."""
    rows = [
        Row(workload=shape.name, what=name, **median_interval(each)._asdict(), unit="steps")
        for name, each in zip((LOOP, what), rates, strict=True)
    ]
    found = median_interval([one / other for other, one in zip(*rates, strict=True)])
    ratio = Row(
        workload=shape.name,
        what=f"{what}, over the loop",
        **found._asdict(),
        unit="ratio",
        target=f"at least {LEAST:g}",
        is_met=found.value >= LEAST,
    )
    return [*rows, ratio]
