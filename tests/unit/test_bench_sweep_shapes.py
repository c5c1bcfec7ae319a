"""The shapes that sweeps are measured on."""

import pytest

from grokwatch.experiments.bench.sweep_arms import parts_of
from grokwatch.experiments.bench.sweep_memory import activation_bytes
from grokwatch.experiments.bench.sweep_shapes import FEW, SHAPES, Shape


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape.num_parameters))
def test_a_shape_has_the_parameters_and_examples_that_its_name_says(shape: Shape) -> None:
    parts = parts_of(shape.runs(1)[0])
    count = sum(parameter.numel() for parameter in parts.model.parameters())
    assert count == shape.num_parameters
    assert len(parts.split.train_targets) == shape.num_train
    assert len(parts.split.test_targets) == shape.modulus**2 - shape.num_train
    assert f"{count:,} parameters, batch {shape.num_train:,}" in shape.name


def test_the_shapes_are_those_that_were_looked_at_first() -> None:
    assert [shape.num_parameters for shape in SHAPES] == [2_208, 624, 18_624, 37_248]
    assert [shape.num_train for shape in SHAPES] == [64, 32, 512, 2_822]


def test_a_sweep_has_more_small_models_in_a_stack_than_large_ones() -> None:
    planned = [shape.counts()[0] for shape in SHAPES]
    assert planned[0] > FEW > planned[3] >= 1
    assert all(FEW in shape.counts() for shape in SHAPES)


def test_activations_are_what_a_backward_pass_reads() -> None:
    shape = SHAPES[0]
    states, logits = (4 * 64 * width for width in (32, 23))
    assert states + logits <= activation_bytes(shape) <= 2 * states + 2 * logits + 6 * 8 * 64
