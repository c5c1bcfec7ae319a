"""Sketched output gradients against gradients of one row at a time."""

import pytest
import torch
from torch import Tensor, nn

from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.tangents import MOST_ROWS, OutputGradients, contrast

INPUTS = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
CLASSES = torch.arange(40) % 4


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 50), nn.Tanh(), nn.Dropout(0.5), nn.Linear(50, 4))


def gradients(module: nn.Module, inputs: Tensor) -> Tensor:
    """Of each row's contrast, all entries: (N, P)."""
    weights = [p for p in module.parameters() if p.requires_grad]
    rows = (module.eval()(inputs) @ contrast(4)).reshape(-1)
    return torch.stack(
        [
            torch.cat([g.reshape(-1) for g in torch.autograd.grad(r, weights, retain_graph=True)])
            for r in rows
        ]
    )


def test_without_collisions_inner_products_are_exact() -> None:
    module, rows = model(), torch.tensor([3, 0, 39, 3, *range(20)])
    sketch = OutputGradients(module, (INPUTS,), CLASSES)(rows)
    assert module.training
    assert sketch.shape == (24, 2_048)
    exact = gradients(module, INPUTS)[rows]
    torch.testing.assert_close(sketch @ sketch.mT, exact @ exact.mT)
    assert torch.equal(sketch[0], sketch[3])


def test_the_sketch_keeps_inner_products_on_average() -> None:
    module = model()
    exact = gradients(module, INPUTS)
    truth = exact @ exact.mT
    errors = []
    for size in (16, 64, 256):
        source = OutputGradients(module, (INPUTS,), CLASSES, size=size)
        kernels = []
        for seed in range(20):
            source._sketch._signs = (
                torch.randint(0, 2, ((1 << 20) - 1,), generator=torch.Generator().manual_seed(seed))
                .mul(2)
                .sub(1)
                .to(torch.int8)
            )
            sketch = source(torch.arange(40))
            kernels.append(sketch @ sketch.mT - truth)
        noise = torch.stack(kernels)
        error = noise.square().mean().sqrt()
        assert noise.mean(0).square().mean().sqrt() < 2 * error / 20**0.5
        errors.append(float(error / truth.square().mean().sqrt()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[1] < 0.25


def test_rows_do_not_depend_on_their_company() -> None:
    source = OutputGradients(model(), (INPUTS,), CLASSES)
    together = source(torch.arange(2 * MOST_ROWS + 1))
    alone = torch.cat([source(torch.tensor([row])) for row in range(2 * MOST_ROWS + 1)])
    torch.testing.assert_close(together, alone)


def test_decisions_of_sequences_are_rows() -> None:
    module = model()
    inputs = INPUTS.reshape(8, 5, 3)
    found = OutputGradients(module, (inputs,), CLASSES.reshape(8, 5))(torch.arange(40))
    flat = OutputGradients(module, (INPUTS,), CLASSES)(torch.arange(40))
    torch.testing.assert_close(found, flat)
    last = OutputGradients(module, (inputs,), CLASSES[:8])(torch.arange(8))
    torch.testing.assert_close(last, flat[4::5])


def test_two_classes_from_one_logit() -> None:
    module = nn.Linear(3, 1)
    sketch = OutputGradients(module, (INPUTS,), CLASSES % 2)(torch.arange(40))
    torch.testing.assert_close((sketch @ sketch.mT).diagonal(), (INPUTS.square().sum(1) + 1) / 2)


def test_nothing_is_left_changed() -> None:
    module = model()
    module.append(nn.BatchNorm1d(4))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    weight, state = module[0].weight, torch.get_rng_state()
    with torch.inference_mode():
        OutputGradients(module, (INPUTS,), CLASSES)(torch.arange(4))
    assert module[0].weight is weight
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(child.training for child in module.modules())
    assert all(p.grad is None for p in module.parameters())


def test_half_precision_gives_float32() -> None:
    source = OutputGradients(model().bfloat16(), (INPUTS.bfloat16(),), CLASSES)
    assert source(torch.arange(4)).dtype is torch.float32


def test_what_is_no_classifier_is_refused() -> None:
    source = OutputGradients(model(), (INPUTS,), torch.zeros(40, 7).long())
    with pytest.raises(SignalError, match=r"Expected a classifier's logits, got another.*Try a"):
        source(torch.arange(4))


@pytest.mark.parametrize("num_classes", [2, 3, 97])
def test_the_contrast_has_length_one_and_no_mean(num_classes: int) -> None:
    signs = contrast(num_classes)
    torch.testing.assert_close(signs.sum(), torch.tensor(0.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(signs.norm(), torch.tensor(1.0))
    assert torch.equal(signs, contrast(num_classes))
