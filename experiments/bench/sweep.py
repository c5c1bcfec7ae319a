"""Many small models: our stacks against a loop, Lightning and JAX, interleaved on one thread.

What is paid once (tracing, compiling) is told apart; a step is what is paid at every step.
"""

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from torch import Tensor

from grokwatch.experiments.bench.rows import Row, median_interval
from grokwatch.experiments.bench.sweep_arms import (
    COMPILED,
    CONTROL,
    EAGER,
    JAX,
    LIGHTNING,
    LOOP,
    Trainee,
    lightning,
    loop,
    stacked,
    taking_turns,
)
from grokwatch.experiments.bench.sweep_cuda import cuda_rows
from grokwatch.experiments.bench.sweep_equality import across_sizes, against_loop, losses_after
from grokwatch.experiments.bench.sweep_memory import memory_rows
from grokwatch.experiments.bench.sweep_shapes import SHAPES, Shape
from grokwatch.experiments.counting import Counting
from grokwatch.experiments.modules import hushed
from grokwatch.experiments.overhead import measure
from grokwatch.experiments.threads import one_thread

ROUNDS = 8
TURN_SECONDS = 0.5
MAX_CONTROL = 0.01
_WARM_UP = 1
_LIGHTNING_SHARE = 4
_MOST_SLOPES = 3

Rates = Mapping[str, Sequence[float]]


class Raced(NamedTuple):
    """A kind of arm at its best: which one, and its model-steps per second in each round."""

    name: str
    rates: Sequence[float]


def sweep(
    counting: Counting,
    *,
    rounds: int | None = None,
    shapes: Sequence[Shape] = SHAPES,
    turn_seconds: float = TURN_SECONDS,
    growth_steps: int | None = None,
) -> list[Row]:
    """Measure all arms on every shape.

    Args:
        counting: told of the rounds.
        rounds: turns of each arm, None for 8.
        shapes: of the models.
        turn_seconds: about what a turn takes.
        growth_steps: over which memory must not grow, None for the usual number.

    Returns:
        Rows per shape: speed, ratios, equality, memory; and those of a CUDA device.
    """
    rows, number, first = [], rounds or ROUNDS, shapes[0]
    with one_thread(), hushed("grokwatch"):
        for shape in shapes:
            rows += _of_shape(shape, counting, number, turn_seconds)
    repeats = min(number, _MOST_SLOPES)
    rows += memory_rows(counting, first, repeats=repeats, growth_steps=growth_steps)
    return [*rows, *cuda_rows(counting, first, number, turn_seconds)]


def _of_shape(shape: Shape, counting: Counting, rounds: int, turn_seconds: float) -> list[Row]:
    """Equality first, which warms up all arms; then speed."""
    trainees, skipped = _trainees(shape)
    losses = {trainee.name: losses_after(trainee) for trainee in trainees}
    found: dict[str, list[Tensor]] = {}
    for trainee in trainees:
        found.setdefault(trainee.kind, []).append(losses[trainee.name])
    for kind in (LOOP, CONTROL):
        del found[kind]
    rates = _rates(shape, trainees, counting, rounds, turn_seconds)
    return [
        *_speeds(shape, trainees, rates),
        *skipped,
        *_ratios(shape, trainees, rates),
        *against_loop(shape, found),
        *across_sizes(shape, max(shape.counts()), found.get(COMPILED, [])),
    ]


def _trainees(shape: Shape) -> tuple[list[Trainee], list[Row]]:
    """All arms but Lightning's, and rows that say which cannot be here."""
    [first] = shape.runs(1)
    found, skipped = [loop(first), loop(first, kind=CONTROL)], []
    found += [stacked(shape, count, compiled=False) for count in shape.counts()]
    for count in shape.counts():
        try:
            found.append(stacked(shape, count, compiled=True))
        except RuntimeError as error:
            what = f"{COMPILED}, {count} at once"
            skipped.append(Row(workload=shape.name, what=what, value=None, note=str(error)))
    try:
        from grokwatch.experiments.bench.jax_sweep import in_jax
    except ModuleNotFoundError as error:
        if error.name != "jax":
            raise
        why = "the package jax is not installed"
        skipped.append(Row(workload=shape.name, what=JAX, value=None, note=why))
    else:
        found += [in_jax(shape, count) for count in shape.counts()]
    return found, skipped


def _rates(
    shape: Shape,
    trainees: Sequence[Trainee],
    counting: Counting,
    rounds: int,
    turn_seconds: float,
) -> Rates:
    """Model-steps per second of every arm in every round."""
    calls = [max(1, round(turn_seconds / _call_seconds(each))) for each in trainees]
    arms = [taking_turns(each, number) for each, number in zip(trainees, calls, strict=True)]
    turn = max(1, calls[0] // _LIGHTNING_SHARE)
    arms.append(lightning(shape.runs(1)[0], _WARM_UP + rounds, turn))
    with counting(f"sweep, {shape.num_parameters:,} parameters", _WARM_UP + rounds) as done:
        measure(arms, blocks=rounds, warm_up=_WARM_UP, done=done)
    steps = {each.name: each.count * each.updates for each in trainees} | {LIGHTNING: 1}
    return {arm.name: [steps[arm.name] / each for each in arm.seconds] for arm in arms}


def _call_seconds(trainee: Trainee) -> float:
    """What a call takes at about its best."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        trainee.advance()
        times.append(time.perf_counter() - begin)
    return min(times)


def _speeds(shape: Shape, trainees: Sequence[Trainee], rates: Rates) -> list[Row]:
    """Model-steps per second of each arm, and what some pay once."""
    rows = []
    for name, each in rates.items():
        figures = median_interval(each)._asdict()
        rows.append(Row(workload=shape.name, what=name, **figures, unit="steps"))
    for trainee in trainees:
        if trainee.first_seconds is not None:
            what = f"{trainee.name}: before its first step"
            note = "tracing and compiling; torch keeps some on disk from one process to the next"
            row = Row(
                workload=shape.name,
                what=what,
                value=trainee.first_seconds,
                unit="seconds",
                note=note if trainee.kind == COMPILED else "tracing and compiling",
            )
            rows.append(row)
    return rows


def _ratios(shape: Shape, trainees: Sequence[Trainee], rates: Rates) -> list[Row]:
    """The control, and ours at its best over the others at theirs."""
    control = median_interval(_over(rates[CONTROL], rates[LOOP]))
    is_still = abs(control.value - 1) <= MAX_CONTROL
    rows = [
        Row(
            workload=shape.name,
            what=f"{CONTROL}, over the loop",
            **control._asdict(),
            unit="ratio",
            note="" if is_still else "two equal loops differ by more than 1 %: trust no last digit",
        )
    ]
    ours = _best(trainees, rates, {EAGER, COMPILED})
    others = {
        "the loop": (shape.least.loop, Raced(LOOP, rates[LOOP])),
        "Lightning": (shape.least.lightning, Raced(LIGHTNING, rates[LIGHTNING])),
    }
    if any(trainee.kind == JAX for trainee in trainees):
        others["JAX"] = (shape.least.jax, _best(trainees, rates, {JAX}))
    return rows + [_ratio(shape, who, least, ours, best) for who, (least, best) in others.items()]


def _best(trainees: Sequence[Trainee], rates: Rates, kinds: set[str]) -> Raced:
    """The fastest arm of some kinds."""
    names = [trainee.name for trainee in trainees if trainee.kind in kinds]
    name = max(names, key=lambda each: median(rates[each]))
    return Raced(name, rates[name])


def _ratio(shape: Shape, who: str, least: float, ours: Raced, other: Raced) -> Row:
    """Ours over another, round by round."""
    found = median_interval(_over(ours.rates, other.rates))
    slower = f"; {who} is faster" if found.value < 1 else ""
    return Row(
        workload=shape.name,
        what=f"ours at its best over {who}",
        **found._asdict(),
        unit="ratio",
        target=f"at least {least:g}",
        is_met=found.value >= least,
        note=f"{ours.name}, over {other.name}{slower}",
    )


def _over(rates: Sequence[float], others: Sequence[float]) -> list[float]:
    """Ratios round by round."""
    return [one / other for one, other in zip(rates, others, strict=True)]
