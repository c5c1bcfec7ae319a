"""What every signal promises, checked on every row of every table; a new row needs nothing here."""

import dataclasses
import importlib
import inspect
import math
import pkgutil
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from grokwatch.monitor import signals
from grokwatch.monitor.signals import ALL, fourier
from grokwatch.monitor.snapshot import (
    WHOLE,
    Access,
    FreshInputs,
    Landscape,
    Need,
    Part,
    Signal,
    Snapshot,
)

SHAPES = {"embedding": (11, 6), "hidden": (6, 5), "bias": (5,), "scale": ()}
SIZE = sum(math.prod(shape) for shape in SHAPES.values())
# how a value answers when weights (or gradients) double; every other key must not change
WEIGHT_DEGREE = {
    **{"weight_norm": 1, "weight_norm_l1": 1, "perturbation_sharpness": 2},
    **{"sharpness.normalized": 2, "hessian_trace.normalized": 2},
    **{"last_layer_norm": 1, "update_ratio": -1, "weight_slope": 1},
    "logit_scale.efficiency": -2,  # two matrices
}
WEIGHT_LOG = {"commutator_defect.log"}  # grows by log 2 when weights double
GRADIENT_DEGREE = {
    **{"gradient_norm": 1, "update_curvature": 1, "weight_slope": 1, "momentum_ratio": -1},
    "relative_update_curvature": 1,
}
UNEVEN = {"absolute_weight_entropy"}  # -sum |w| log |w| has no degree
ENDLESS = {"norm_crossing"}  # infinite where the norm is not on course to cross

# scores against a fixed set of random permutations, which is no group; 0 is no product's token;
# a role that is no parameter any more has no update
ORIENTED = ("basis_evidence", "frequency_synchronization.z", "update_ratio@")


class Quadratic:
    """The loss d'Hd/2 + g'd + 1 of an offset d; part i of n has i/8 more of H, and g turned."""

    num_examples = 64

    def __init__(self, hessian: Tensor, gradient: Tensor) -> None:
        self.hessian = hessian
        self.slope = gradient
        self.dtype = torch.promote_types(hessian.dtype, torch.float32)

    def loss(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        d = self._offset(offset)
        return self.product(d, part=part) @ d / 2 + self._slope(part) @ d + 1

    def gradient(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        return self.product(self._offset(offset), part=part) + self._slope(part)

    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        hessian = self.hessian.to(self.dtype) * (1 + part[0] / 8)
        return (hessian @ vector.to(self.dtype)).to(vector.dtype)

    def _slope(self, part: Part) -> Tensor:
        return self.slope.to(self.dtype).roll(part[0])

    def _offset(self, offset: Tensor | None) -> Tensor:
        return torch.zeros(SIZE, dtype=self.dtype) if offset is None else offset.to(self.dtype)


class Stack:
    """Landscapes of several models as one."""

    num_examples = 64

    def __init__(self, singles: Sequence[Landscape]) -> None:
        self.singles = singles
        self.dtype = singles[0].dtype

    def loss(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        pairs = self._pairs(offset)
        return torch.stack([single.loss(d, part=part) for single, d in pairs])

    def gradient(self, offset: Tensor | None = None, /, *, part: Part = WHOLE) -> Tensor:
        pairs = self._pairs(offset)
        return torch.stack([single.gradient(d, part=part) for single, d in pairs])

    def product(self, vector: Tensor, /, *, part: Part = WHOLE) -> Tensor:
        pairs = zip(self.singles, vector, strict=True)
        return torch.stack([single.product(v, part=part) for single, v in pairs])

    def _pairs(self, offset: Tensor | None) -> list[tuple[Landscape, Tensor | None]]:
        offsets = [None] * len(self.singles) if offset is None else list(offset)
        return list(zip(self.singles, offsets, strict=True))


def make(fill: Callable[..., Tensor], *, window: int = 64) -> Snapshot:
    """A snapshot of one model whose every tensor is `fill(*shape)`."""
    named = [{name: fill(*shape) for name, shape in SHAPES.items()} for _ in range(6)]
    matrix, logits = fill(SIZE, SIZE), fill(20, 11)
    inputs, contrasts, margins = fill(9, 4), fill(20, 16), fill(256)
    signs = 1 - 2 * torch.randint(2, (256, 9), generator=torch.Generator().manual_seed(0))
    weights = fill(3, 2, 5, 5).abs() + 0.1
    return Snapshot(
        step=1,
        weights=named[0],
        tokens={"embedding": named[0]["embedding"], "input": fill(8, 4)},
        permutations={"embedding": fill(6, 4)},
        inputs={"input": inputs},
        matrices={"embedding": named[0]["embedding"], "input": inputs},
        gradients=named[1],
        previous_gradients=named[2],
        update=named[3],
        momentum=named[4],
        preconditioner={name: tensor.abs() + 1e-3 for name, tensor in named[5].items()},
        decay={name: torch.tensor(1e-3) for name in SHAPES},
        losses=fill(window).double().abs(),
        logits=logits,
        targets=torch.arange(20) % 11,
        representations={"last": fill(20, 7)},
        attention={"first": weights / weights.sum(-1, keepdim=True)},
        tangents=lambda rows: contrasts[rows],
        fresh=lambda: FreshInputs(signs=signs.to(margins.dtype), margins=margins),
        landscape=Quadratic(matrix + matrix.mT, fill(SIZE)),
    )


def random_snapshot(seed: int, dtype: torch.dtype = torch.float64) -> Snapshot:
    generator = torch.Generator().manual_seed(seed)
    return make(
        lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    )


def with_tensors(snapshot: Snapshot, change: Callable[[Tensor], Tensor], *names: str) -> Snapshot:
    """The same snapshot with every tensor of the named fields changed."""
    fields: dict[str, Any] = {
        name: {key: change(value) for key, value in getattr(snapshot, name).items()}
        for name in names
    }
    return dataclasses.replace(snapshot, memory={}, **fields)


NAMED = (
    *("weights", "tokens", "permutations", "inputs", "matrices"),
    *("gradients", "previous_gradients", "update", "momentum", "preconditioner", "decay"),
    *("representations", "attention"),
)
PLAIN = ("losses", "logits")


def stacked(singles: Sequence[Snapshot]) -> Snapshot:
    """One snapshot of all models."""
    first = singles[0]
    fields: dict[str, Any] = {
        name: {
            key: torch.stack([getattr(single, name)[key] for single in singles])
            for key in getattr(first, name)
        }
        for name in NAMED
    }
    fields |= {name: torch.stack([getattr(single, name) for single in singles]) for name in PLAIN}
    drawn = [single.fresh() for single in singles if single.fresh]
    tangents = [single.tangents for single in singles if single.tangents]
    return Snapshot(
        step=1,
        models=(len(singles),),
        targets=first.targets,
        fresh=lambda: FreshInputs(drawn[0].signs, torch.stack([each.margins for each in drawn])),
        tangents=lambda rows: torch.stack([each(rows) for each in tangents]),
        landscape=Stack([single.landscape for single in singles if single.landscape]),
        **fields,
    )


def tensors_of(snapshot: Snapshot) -> list[Tensor]:
    named = [t for name in NAMED for t in getattr(snapshot, name).values()]
    return [*named, *(getattr(snapshot, name) for name in PLAIN)]


def assert_close(
    actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], tolerance: float
) -> None:
    assert actual.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(
            actual[key].double(),
            value.double(),
            rtol=tolerance,
            atol=tolerance,
            msg=f"{key}: {actual[key]} is not {value}",
        )


@pytest.fixture(params=ALL, ids=lambda signal: signal.name)
def signal(request: pytest.FixtureRequest) -> Signal:
    chosen: Signal = request.param
    return chosen


def test_names_are_unique_and_keys_start_with_them(signal: Signal) -> None:
    assert [each.name for each in ALL].count(signal.name) == 1
    keys = list(signal.read(random_snapshot(0)))
    assert keys
    for key in keys:
        assert re.fullmatch(rf"{signal.name}(\.[a-z_]+)?(@[a-z_]+)?", key), key


def test_description_is_complete(signal: Signal) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", signal.name)
    assert signal.summary.endswith(".")
    assert len(signal.summary) > 20
    assert signal.source
    assert signal.bounds[0] < signal.bounds[1]
    assert isinstance(signal.access, Access)


def test_values_are_scalars_within_bounds(signal: Signal) -> None:
    low, high = signal.bounds
    for seed in range(5):
        for key, value in signal.read(random_snapshot(seed)).items():
            assert value.shape == (), key
            assert low - 1e-9 <= float(value) <= high + 1e-9, key


@pytest.mark.parametrize("level", [0.0, 1.0, -3.0])
@pytest.mark.parametrize("window", [1, 2, 3, 64])
def test_finite_within_bounds_on_constants(signal: Signal, level: float, window: int) -> None:
    snapshot = make(lambda *shape: torch.full(shape, level), window=window)
    low, high = signal.bounds
    for _ in range(2):  # the second time from whatever the first left in memory
        for key, value in signal.read(dataclasses.replace(snapshot)).items():
            assert math.isfinite(value) or key in ENDLESS, key
            assert low - 1e-5 <= float(value) <= high + 1e-5, key


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_raise_nothing(signal: Signal, value: float) -> None:
    snapshot = make(lambda *shape: torch.full(shape, value))
    readings = signal.read(snapshot)
    assert not any(math.isfinite(v) for v in readings.values())


def test_recovers_after_values_that_were_not_finite(signal: Signal) -> None:
    broken = make(lambda *shape: torch.full(shape, math.nan, dtype=torch.float64))
    signal.read(broken)
    after = dataclasses.replace(random_snapshot(0), memory=broken.memory)
    readings = signal.read(after).items()
    assert all(math.isfinite(value) or key in ENDLESS for key, value in readings)


def test_stack_equals_loop(signal: Signal) -> None:
    singles = [random_snapshot(seed) for seed in range(3)]
    together = signal.read(stacked(singles))
    assert all(value.shape == (3,) for value in together.values())
    for index, single in enumerate(singles):
        assert_close({k: v[index] for k, v in together.items()}, signal.read(single), 1e-6)


def test_float32_agrees_with_float64(signal: Signal) -> None:
    double, single = (random_snapshot(1, dtype) for dtype in (torch.float64, torch.float32))
    assert_close(signal.read(single), signal.read(double), 1e-4)


def test_reads_half_precision(signal: Signal) -> None:
    half = signal.read(random_snapshot(2, torch.bfloat16))
    assert all(value.dtype in {torch.float32, torch.float64} for value in half.values())
    wide = with_tensors(random_snapshot(2, torch.bfloat16), lambda x: x.float(), *NAMED)
    assert_close(half, signal.read(wide), 0.05)


def test_mutates_nothing_and_draws_nothing(signal: Signal) -> None:
    snapshot = random_snapshot(3)
    before, state = [t.clone() for t in tensors_of(snapshot)], torch.get_rng_state()
    first = signal.read(snapshot)
    kept = {key: value.clone() for key, value in first.items()}
    signal.read(snapshot)
    assert all(torch.equal(a, b) for a, b in zip(before, tensors_of(snapshot), strict=True))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(first[key], value) for key, value in kept.items())


def test_same_input_same_bits(signal: Signal) -> None:
    first, second = (signal.read(random_snapshot(4)) for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_weight_scale(signal: Signal) -> None:
    snapshot = random_snapshot(5)
    wide = with_tensors(snapshot, lambda x: x * 2, "weights", "tokens", "inputs", "matrices")
    expected = {
        key: value * 2.0 ** WEIGHT_DEGREE.get(key, WEIGHT_DEGREE.get(signal.name, 0))
        + math.log(2) * (key in WEIGHT_LOG)
        for key, value in signal.read(snapshot).items()
        if key not in UNEVEN
    }
    found = {key: value for key, value in signal.read(wide).items() if key not in UNEVEN}
    assert_close(found, expected, 1e-9)


def test_gradient_scale(signal: Signal) -> None:
    snapshot = random_snapshot(6)
    wide = with_tensors(snapshot, lambda x: x * 2, "gradients", "previous_gradients")
    factor = 2.0 ** GRADIENT_DEGREE.get(signal.name, 0)
    expected = {key: value * factor for key, value in signal.read(snapshot).items()}
    assert_close(signal.read(wide), expected, 1e-9)


def test_loss_scale_moves_only_the_level(signal: Signal) -> None:
    snapshot = random_snapshot(7)
    assert snapshot.losses is not None
    expected = dict(signal.read(snapshot))
    if "train_loss.log" in expected:
        expected["train_loss.log"] = expected["train_loss.log"] + math.log(2)
    if "relative_update_curvature" in expected:
        expected["relative_update_curvature"] = expected["relative_update_curvature"] / 2
    assert_close(
        signal.read(dataclasses.replace(snapshot, losses=snapshot.losses * 2, memory={})),
        expected,
        1e-9,
    )


def test_neurons_and_group_have_no_origin(signal: Signal) -> None:
    """Neurons may be permuted, inputs too, tokens shifted or multiplied by a unit of the group."""
    snapshot = random_snapshot(8)
    moved = with_tensors(snapshot, lambda W: W.flip(-1), "tokens", "inputs", "matrices")
    moved = with_tensors(moved, lambda W: W.flip(-2), "inputs", "matrices")
    moved = with_tensors(
        moved, lambda W: W[(torch.arange(len(W)) * 3 + 2) % len(W)], "tokens"
    )  # 3 is a unit modulo 11 and modulo 8
    before, after = (
        {key: value for key, value in signal.read(each).items() if not key.startswith(ORIENTED)}
        for each in (snapshot, moved)
    )
    assert_close(after, before, 1e-9)


def test_reads_only_what_it_says_it_needs(signal: Signal) -> None:
    full = random_snapshot(9)
    assert all(full.has(need) for need in signal.needs)
    mappings = {
        *("tokens", "permutations", "inputs"),
        *("representations", "attention"),
    }
    kept = {need.name.lower() for need in signal.needs}
    kept |= {"gradients", "previous_gradients"} if "update" in kept else set()
    kept |= {"targets"} if kept & {"logits", "representations", "tangents"} else set()
    optional = {need.name.lower() for need in Need} | {"previous_gradients", "targets"}
    empty: dict[str, Any] = {name: {} if name in mappings else None for name in optional - kept}
    bare = dataclasses.replace(full, memory={}, **empty)
    assert_close(signal.read(bare), signal.read(random_snapshot(9)), 0.0)


FAMILIES = [
    importlib.import_module(f"{signals.__name__}.{found.name}")
    for found in pkgutil.iter_modules(signals.__path__)
]
PUBLIC = [
    function
    for module in FAMILIES
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not name.startswith("_")
]


@pytest.mark.parametrize("function", PUBLIC, ids=lambda function: function.__name__)
def test_public_functions_say_what_they_compute(function: Callable[..., object]) -> None:
    text = (inspect.getdoc(function) or "").replace("\nYields:\n", "\nReturns:\n")
    for section in ("Args:", "Returns:", "Example:", "Source:"):
        assert f"\n{section}\n" in text, section


def test_every_table_is_joined_as_it_stands() -> None:
    tables = [family.SIGNALS for family in FAMILIES if hasattr(family, "SIGNALS")]
    assert sum(map(len, tables)) == len(ALL)
    for table in tables:
        first = ALL.index(table[0])
        assert ALL[first : first + len(table)] == table


def test_shapes_are_checked_here() -> None:
    with pytest.raises(Exception, match="power_spectrum"):
        fourier.power_spectrum(torch.zeros(3))
