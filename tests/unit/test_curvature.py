"""The landscape against exact Hessians, in float64 and float32, twice differentiated or not."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from grokwatch.callbacks.first_batch import FirstBatch
from grokwatch.callbacks.settings import Settings
from grokwatch.callbacks.training import Training
from grokwatch.monitor.curvature import Curvature
from grokwatch.monitor.errors import SignalError
from grokwatch.monitor.loss_replay import LossReplay
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.signals import ALL

CLASSES = (torch.randn(40, 3, generator=torch.Generator().manual_seed(1)), torch.arange(40) % 4)


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 4)).double()


def doubled(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return batch[0].double(), batch[1]


def loss_of(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return cross_entropy(module(batch[0]), batch[1])


def loss_of_half(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return loss_of(module, (batch[0].bfloat16(), batch[1]))


def exact_hessian(module: nn.Sequential, batch: tuple[Tensor, Tensor]) -> Tensor:
    names = [name for name, _ in module.named_parameters()]
    shapes = [p.shape for p in module.parameters()]

    def loss(flat: Tensor) -> Tensor:
        parts = torch.split(flat, [shape.numel() for shape in shapes])
        weights = {n: p.view(s) for n, p, s in zip(names, parts, shapes, strict=True)}
        return cross_entropy(torch.func.functional_call(module, weights, batch[0]), batch[1])

    flat = torch.cat([p.detach().reshape(-1) for p in module.parameters()])
    return torch.autograd.functional.hessian(loss, flat)  # type: ignore[no-untyped-call, no-any-return]


def test_products_are_columns_of_the_hessian() -> None:
    module, batch = model(), doubled(CLASSES)
    curvature = Curvature(module, loss_of, batch)
    hessian = exact_hessian(module.eval(), batch)
    module.train()
    columns = [curvature.product(row) for row in torch.eye(len(hessian), dtype=torch.float64)]
    torch.testing.assert_close(torch.stack(columns), hessian)
    assert all(child.training for child in module.modules())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_products_follow_the_weights_after_close() -> None:
    module, batch = model(), doubled(CLASSES)
    curvature, ones = Curvature(module, loss_of, batch), torch.ones(44, dtype=torch.float64)
    before = curvature.product(ones)
    curvature.close()
    with torch.no_grad():
        module.get_parameter("0.weight").mul_(2)
    after = curvature.product(ones)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, exact_hessian(module.eval(), batch).sum(dim=1))


def test_straight_loss_has_no_curvature() -> None:
    curvature = Curvature(nn.Linear(2, 1), lambda m, b: m(b[0]).sum(), (torch.ones(4, 2),))
    assert curvature.product(torch.ones(3)).tolist() == [0.0, 0.0, 0.0]


def test_frozen_weights_are_left_out() -> None:
    module = model()
    module[0].requires_grad_(False)
    product = Curvature(module, loss_of, doubled(CLASSES)).product(torch.ones(24).double())
    assert product.shape == (24,)


def test_attention_has_a_second_derivative() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    size = sum(p.numel() for p in layer.parameters())
    curvature = Curvature(layer, lambda m, b: m(b[0]).square().mean(), (torch.randn(4, 5, 8),))
    assert torch.isfinite(curvature.product(torch.randn(size))).all()


def test_batch_norm_statistics_stay() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    Curvature(module, loss_of, CLASSES).product(torch.ones(24))
    for name, buffer in module.named_buffers():
        torch.testing.assert_close(buffer, before[name], rtol=0, atol=0)


class OnceTanh(torch.autograd.Function):
    """tanh with a backward pass that is marked as differentiable once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        slope: Tensor = 1 - ctx.saved_tensors[0].tanh() ** 2
        return gradient * slope


def kernel_attention(q: Tensor, k: Tensor, v: Tensor) -> Any:
    """Torch's own fused kernel, called past the choice of kernels."""
    heads = (x[:, None] for x in (q, k, v))
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(*heads, scale=1.0)[0][:, 0]


class SilentTanh(OnceTanh):
    """tanh whose gradient comes from outside the graph, as a fused kernel's does."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        with torch.no_grad():
            slope: Tensor = 1 - ctx.saved_tensors[0].tanh() ** 2
            return gradient * slope


class FusedAttention(torch.autograd.Function):
    """Attention of one head with a backward pass of its own."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = (q @ k.mT).softmax(-1)
        ctx.save_for_backward(q, k, v, weights)
        return weights @ v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, weights = ctx.saved_tensors
        inner = gradient @ v.mT
        scores = weights * (inner - (weights * inner).sum(-1, keepdim=True))
        return scores @ k, scores.mT @ q, weights.mT @ gradient


class FusedLoss(torch.autograd.Function):
    """Cross-entropy whose gradient is made in the forward pass."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, classes: Tensor) -> Tensor:
        one_hot = nn.functional.one_hot(classes, logits.shape[-1])
        ctx.save_for_backward((logits.softmax(-1) - one_hot) / len(classes))
        return cross_entropy(logits, classes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.saved_tensors[0], None


class Attention(nn.Module):
    """One layer of attention over the three inputs of an example."""

    def __init__(self, attend: Callable[..., Any]) -> None:
        super().__init__()
        self.embed, self.qkv, self.out = nn.Linear(1, 4), nn.Linear(4, 12), nn.Linear(4, 4)
        self.attend = attend

    def forward(self, inputs: Tensor) -> Any:
        q, k, v = self.qkv(self.embed(inputs[..., None])).split(4, dim=-1)
        return self.out(self.attend(q, k, v).mean(1))


def plain_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.mT).softmax(-1) @ v


class Layer(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, inputs: Tensor) -> Any:
        return self.function(inputs)


def with_activation(function: Callable[[Tensor], Any]) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), Layer(function), nn.Linear(5, 4))


def with_attention(attend: Callable[..., Any]) -> Attention:
    torch.manual_seed(0)
    return Attention(attend)


def vector_for(module: nn.Module) -> Tensor:
    size = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return torch.randn(size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def relative(value: Tensor, truth: Tensor) -> float:
    return float((value - truth).norm() / truth.norm())


def test_loss_and_gradient_at_an_offset() -> None:
    module = model().eval()
    curvature, move = Curvature(module, loss_of, doubled(CLASSES)), vector_for(module) / 10
    loss, gradient = curvature.loss(move), curvature.gradient(move)
    here = nn.utils.parameters_to_vector(module.parameters())
    assert curvature.loss() != loss
    nn.utils.vector_to_parameters(here + move, module.parameters())
    expected = loss_of(module, doubled(CLASSES))
    slopes = torch.autograd.grad(expected, list(module.parameters()))
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(gradient, torch.cat([s.reshape(-1) for s in slopes]))


def test_parts_add_up_to_the_whole() -> None:
    module = model()
    curvature, vector = Curvature(module, loss_of, doubled(CLASSES)), vector_for(module)
    assert curvature.num_examples == 40
    for read in (curvature.gradient, curvature.product):
        parts = torch.stack([read(vector, part=(i, 4)) for i in range(4)])
        assert not torch.allclose(parts[0], parts[1])
        torch.testing.assert_close(parts.mean(0), read(vector))
    losses = torch.stack([curvature.loss(part=(i, 5)) for i in range(5)])
    torch.testing.assert_close(losses.mean(), curvature.loss())


def test_no_two_parts_are_kept_at_a_time() -> None:
    module, seen = model(), []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    curvature, vector = Curvature(module, loss_of, doubled(CLASSES)), vector_for(module)
    curvature.settle()
    seen.clear()
    for part in ((0, 2), (0, 2), (1, 5), (1, 5), (0, 2)):
        curvature.product(vector, part=part)
    kept = curvature.gradient(part=(0, 2)), curvature.loss(part=(0, 2))
    assert seen == [20, 8, 20]
    curvature.close()
    fresh = curvature.gradient(part=(0, 2)), curvature.loss(part=(0, 2))
    torch.testing.assert_close(kept, fresh)


@pytest.mark.parametrize("part", [(2, 4), (1, 2), (-1, 2), (3, 3)])
def test_parts_without_examples_are_refused(part: tuple[int, int]) -> None:
    batch = CLASSES[0][:1], CLASSES[1][:1]
    if part == (2, 4):
        batch = CLASSES[0][:2], CLASSES[1][:2]
    curvature = Curvature(with_activation(torch.tanh), loss_of, batch)
    message = rf"Expected at least {part[1]} examples .* got {len(batch[0])}\. Try a larger"
    for read in (curvature.loss, curvature.gradient, lambda **_: curvature.product(Tensor(), **_)):
        with pytest.raises(SignalError, match=message):
            read(part=part)
    assert curvature.loss(part=(0, 7)).isfinite()


def test_a_batch_that_cannot_be_counted_is_one_example() -> None:
    batch = {"x": CLASSES[0], "y": CLASSES[1], "edges": torch.zeros(3, 7)}
    curvature = Curvature(
        with_activation(torch.tanh), lambda m, b: cross_entropy(m(b["x"]), b["y"]), batch
    )
    assert curvature.num_examples == 1
    assert curvature.loss().isfinite()


def test_small_models_are_evaluated_in_float64() -> None:
    module, double = (with_activation(torch.tanh).append(nn.BatchNorm1d(4)) for _ in range(2))
    module[0].bias.requires_grad_(False)
    double[0].bias.requires_grad_(False)
    curvature, vector = Curvature(module, loss_of, CLASSES), vector_for(module)
    truth = Curvature(double.double(), loss_of, doubled(CLASSES))
    assert curvature.dtype is torch.float64
    for value, exact in (
        (curvature.product(vector), truth.product(vector)),
        (curvature.gradient(vector), truth.gradient(vector)),
        (curvature.loss(vector), truth.loss(vector)),
    ):
        assert value.dtype is torch.float64
        torch.testing.assert_close(value, exact, rtol=1e-12, atol=1e-14)
    assert {t.dtype for t in module.state_dict().values()} == {torch.float32, torch.int64}
    assert curvature.product(vector.float()).dtype is torch.float32
    assert curvature.guesses == ()


def test_tied_parameters_count_once() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    module[2].weight = module[0].weight
    curvature = Curvature(module, loss_of, (CLASSES[0], CLASSES[1] % 3))
    assert curvature.gradient().shape == (15,)
    assert module[2].weight is module[0].weight


def test_large_models_are_evaluated_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokwatch.monitor.curvature.MOST_IN_FLOAT64", 43)
    curvature = Curvature(with_activation(torch.tanh), loss_of, CLASSES)
    assert curvature.dtype is torch.float32
    assert curvature.gradient().dtype is torch.float32
    module = with_activation(torch.tanh).bfloat16()
    half, vector = Curvature(module, loss_of_half, CLASSES), vector_for(module).float()
    assert half.dtype is torch.bfloat16
    values = half.gradient(), half.loss(), half.product(vector)
    assert {value.dtype for value in values} == {torch.float32}
    assert half.method == "double backward"


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x.tanh() @ torch.ones(5, 5), "float64 raised RuntimeError: "),
        (lambda x: x.float().tanh(), "float64 raised RuntimeError: "),
    ],
)
def test_models_that_refuse_float64_keep_their_own(
    function: Callable[[Tensor], Tensor], reason: str
) -> None:
    module = with_activation(function)
    curvature = Curvature(module, loss_of, CLASSES)
    curvature.settle()
    assert curvature.dtype is torch.float32
    assert curvature.method == "double backward"
    (guess,) = curvature.guesses
    assert guess.startswith(f"the loss landscape is computed in float32, because {reason}")
    assert curvature.gradient().dtype is torch.float32
    assert len(curvature.guesses) == 1


def test_a_loss_that_comes_back_in_float32_is_one_of_float32() -> None:
    curvature = Curvature(with_activation(torch.tanh), lambda m, b: loss_of(m, b).float(), CLASSES)
    assert curvature.loss().dtype is torch.float32
    assert curvature.dtype is torch.float32
    assert "came as torch.float32" in curvature.guesses[0]


def test_what_raises_in_every_precision_is_raised() -> None:
    curvature = Curvature(with_activation(torch.tanh), lambda m, b: m(b), CLASSES)
    for _ in range(2):
        with pytest.raises(TypeError):
            curvature.settle()
    assert curvature.guesses == ()
    assert curvature.dtype is torch.float64


@pytest.mark.parametrize("limit", [1_000_000, 0])
@pytest.mark.parametrize(
    ("fused", "plain", "reason"),
    [
        (with_activation(OnceTanh.apply), with_activation(torch.tanh), "gave no symmetric matrix"),
        (
            with_attention(FusedAttention.apply),
            with_attention(plain_attention),
            "gave no symmetric matrix",
        ),
        (
            with_attention(kernel_attention),
            with_attention(plain_attention),
            "raised RuntimeError: derivative for aten::_scaled_dot_product_flash_attention_for_cpu",
        ),
    ],
)
def test_differences_where_kernels_have_no_second_derivative(
    fused: nn.Module,
    plain: nn.Module,
    reason: str,
    limit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("grokwatch.monitor.curvature.MOST_IN_FLOAT64", limit)
    curvature, vector = Curvature(fused, loss_of, CLASSES), vector_for(fused)
    exact = LossReplay(plain, loss_of, CLASSES, torch.float64).open((0, 1)).product(vector)
    error = relative(curvature.product(vector * 7), exact * 7)
    assert error < (1e-4 if limit else 2e-2)
    assert error > 1e-12
    assert curvature.method == "finite differences"
    guess, *caveats = curvature.guesses
    assert len(caveats) == (0 if limit else 1)
    assert guess.startswith(
        f"Hessian products are finite differences of gradients, because double backward {reason}"
    )
    assert curvature.product(vector * 0).tolist() == [0.0] * len(vector)
    half = LossReplay(plain, loss_of, CLASSES, torch.float64).open((1, 2)).product(vector)
    assert relative(curvature.product(vector, part=(1, 2)), half) < 2e-2


def test_differences_where_the_second_derivative_is_silently_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = with_activation(torch.tanh)
    vector = vector_for(plain)
    exact = LossReplay(plain, loss_of, CLASSES, torch.float64).open((0, 1)).product(vector)
    asymmetric = Curvature(with_activation(SilentTanh.apply), loss_of, CLASSES)
    fused = Curvature(plain, lambda m, b: FusedLoss.apply(m(b[0]), b[1]), CLASSES)  # type: ignore[no-untyped-call]
    for curvature in (asymmetric, fused):
        assert relative(curvature.product(vector), exact) < 1e-4
        assert curvature.method == "finite differences"
    assert asymmetric.guesses[0].endswith("because double backward gave no symmetric matrix")
    assert fused.guesses[0].endswith("because double backward contradicts them")
    monkeypatch.setattr("grokwatch.monitor.curvature.MOST_IN_FLOAT64", 0)
    asymmetric = Curvature(with_activation(SilentTanh.apply), loss_of, CLASSES)
    assert relative(asymmetric.product(vector), exact) < 2e-2
    assert asymmetric.method == "finite differences"


@pytest.mark.parametrize("limit", [1_000_000, 0])
def test_products_of_normalized_weights(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch 2.13 differentiates them twice on the CPU without a word, and is off by half."""
    monkeypatch.setattr("grokwatch.monitor.curvature.MOST_IN_FLOAT64", limit)
    module = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    bias, length, direction = (p.detach().double() for p in module.parameters())

    def loss(flat: Tensor) -> Tensor:
        b, g, v = flat[:4], flat[4:8, None], flat[8:].view(4, 3)
        weight = g * v / v.norm(dim=1, keepdim=True)
        return cross_entropy(CLASSES[0].double() @ weight.T + b, CLASSES[1])

    flat = torch.cat([bias, length.reshape(-1), direction.reshape(-1)])
    hessian: Tensor = torch.autograd.functional.hessian(loss, flat)  # type: ignore[no-untyped-call]
    vector = vector_for(module)
    product = Curvature(module, loss_of, CLASSES).product(vector)
    assert relative(product, hessian @ vector) < (1e-4 if limit else 2e-2)


@pytest.mark.parametrize("limit", [1_000_000, 0])
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("function", [torch.tanh, torch.relu])
def test_double_backward_is_kept_where_it_is_right(
    function: Callable[[Tensor], Tensor],
    scale: float,
    limit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("grokwatch.monitor.curvature.MOST_IN_FLOAT64", limit)
    module = with_activation(function)
    with torch.no_grad():
        module.get_parameter("2.weight").mul_(scale)  # sure of its answers: losses of all sizes
    curvature = Curvature(module, loss_of, CLASSES)
    curvature.settle()
    assert curvature.method == "double backward"
    assert curvature.guesses == ()


def test_bfloat16_cannot_be_differenced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokwatch.monitor.curvature.MOST_IN_FLOAT64", 0)
    module = with_activation(OnceTanh.apply).bfloat16()
    curvature = Curvature(module, loss_of_half, CLASSES)
    message = r"Expected at least float32 .* got torch\.bfloat16\. Try"
    with pytest.raises(SignalError, match=message):
        curvature.product(vector_for(module))


def test_sparse_gradients_are_made_dense() -> None:
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Embedding(4, 3), nn.Tanh(), nn.Linear(3, 4))
    sparse = nn.Sequential(nn.Embedding(4, 3, sparse=True), nn.Tanh(), nn.Linear(3, 4))
    sparse.load_state_dict(dense.state_dict())
    batch, vector = (CLASSES[1], CLASSES[1].flip(0)), vector_for(dense)
    for read in ("gradient", "product"):
        sources = (Curvature(module, loss_of, batch) for module in (sparse, dense))
        found, exact = (getattr(source, read)(vector) for source in sources)
        assert relative(found, exact) < 1e-4


def noisy() -> tuple[nn.Sequential, Callable[..., Tensor], list[str]]:
    """A model and a loss that draw from every generator and raise on demand."""
    module = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 4))
    module[1].eval()
    mishaps: list[str] = []

    def loss(module: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        noise = torch.rand(()) + random.random() + float(np.random.random())  # noqa: NPY002
        value = loss_of(module, batch) * (1 + noise)
        if mishaps:
            raise torch.OutOfMemoryError(mishaps[0])
        return value

    return module, loss, mishaps


@pytest.mark.parametrize("is_raising", [False, True])
@pytest.mark.parametrize("outside", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_nothing_is_left_changed(outside: Callable[[], Any], is_raising: bool) -> None:
    module, loss, mishaps = noisy()
    curvature = Curvature(module, loss, CLASSES)
    curvature.settle()
    curvature.product(vector_for(module))
    if is_raising:
        mishaps.append("no memory")
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    before = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    modes = [child.training for child in module.modules()]
    random.seed(0), np.random.seed(0), torch.manual_seed(0)  # noqa: NPY002
    expected = random.random(), float(np.random.random()), float(torch.rand(()))  # noqa: NPY002
    random.seed(0), np.random.seed(0), torch.manual_seed(0)  # noqa: NPY002
    with outside():
        vector = vector_for(module) * 1
        for read in (curvature.loss, curvature.gradient, curvature.product):
            values = [attempt(partial(read, vector, part=(0, 2))) for _ in range(2)]
            assert [value is None for value in values] == [is_raising] * 2
            assert len({None if value is None else str(value.tolist()) for value in values}) == 1
    assert (random.random(), float(np.random.random()), float(torch.rand(()))) == expected  # noqa: NPY002
    assert [child.training for child in module.modules()] == modes
    now = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    assert all(now[name] is tensor for name, tensor in tensors.items())
    assert all(torch.equal(now[name], before[name]) for name in before)
    assert all(p.grad is None and not p._backward_hooks for p in module.parameters())
    assert is_raising == (curvature._graph is None)


def attempt(read: Callable[[], Tensor]) -> Tensor | None:
    try:
        return read()
    except torch.OutOfMemoryError:
        return None


def test_memory_that_is_short_while_settling_settles_nothing() -> None:
    module, loss, mishaps = noisy()
    curvature = Curvature(module, loss, CLASSES)
    mishaps.append("no memory")
    with pytest.raises(torch.OutOfMemoryError, match="no memory"):
        curvature.settle()
    mishaps.clear()
    curvature.settle()
    assert (curvature.dtype, curvature.method) == (torch.float64, "double backward")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_models_are_not_compiled_again() -> None:
    calls: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        calls.append(1)
        return graph.forward

    plain = with_activation(torch.tanh)
    compiled: Any = torch.compile(plain, backend=backend)
    vector = vector_for(plain)
    found = Curvature(compiled, loss_of, CLASSES).product(vector)
    torch.testing.assert_close(found, Curvature(plain, loss_of, CLASSES).product(vector))
    assert calls == []


def test_autocast_outside_is_not_ours() -> None:
    module = with_activation(torch.tanh)
    curvature = Curvature(module, loss_of, CLASSES)
    expected = curvature.gradient()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(curvature.gradient(), expected, rtol=0, atol=0)


def test_choices_are_said_at_the_start() -> None:
    settings = Settings(probe=Probe(loss=loss_of), signals=ALL)
    first = FirstBatch(settings, Training(module=with_activation(OnceTanh.apply)), CLASSES)
    curvature = first._curvature(None)
    assert curvature is not None
    assert curvature.method == "finite differences"
    assert set(curvature.guesses) <= set(first.guesses)
    failing = Settings(probe=Probe(loss=lambda *_: torch.zeros(())), signals=ALL)
    first = FirstBatch(failing, Training(module=with_activation(torch.tanh)), CLASSES)
    assert first._curvature(None) is not None
    assert first.guesses == []


class Checkpointed(nn.Module):
    """A network whose first layers run again for their gradient."""

    def __init__(self, *, use_reentrant: bool | None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(3, 5), nn.Linear(5, 4)
        self.use_reentrant = use_reentrant

    def _run(self, inputs: Tensor) -> Tensor:
        return torch.tanh(self.first(inputs))

    def forward(self, inputs: Tensor) -> Tensor:
        if self.use_reentrant is None:
            hidden = self._run(inputs)
        else:
            leaf = inputs.detach().requires_grad_()
            hidden = checkpoint(self._run, leaf, use_reentrant=self.use_reentrant)
        out: Tensor = self.last(hidden)
        return out


def test_checkpoints_run_again_on_the_copies() -> None:
    plain, again = (
        Curvature(Checkpointed(use_reentrant=kind), loss_of, CLASSES) for kind in (None, False)
    )
    size = sum(p.numel() for p in Checkpointed(use_reentrant=None).parameters())
    vector = torch.linspace(-1, 1, size, dtype=torch.float64)
    for curvature in (plain, again):
        curvature.settle()
        assert curvature.guesses == ()
        assert curvature.dtype is torch.float64
    torch.testing.assert_close(again.product(vector), plain.product(vector))
    torch.testing.assert_close(again.gradient(vector), plain.gradient(vector))


def test_reentrant_checkpoints_are_refused() -> None:
    curvature = Curvature(Checkpointed(use_reentrant=True), loss_of, CLASSES)
    with pytest.raises(SignalError, match="Expected a graph with all weights in it"):
        curvature.gradient()


def test_frozen_weights_count_where_copies_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 4))
    module[0].requires_grad_(requires_grad=False)
    monkeypatch.setattr("grokwatch.monitor.curvature.MOST_IN_FLOAT64", 30)
    assert Curvature(module, loss_of, CLASSES).dtype is torch.float32


def test_a_model_that_writes_into_its_inputs_has_one_loss() -> None:
    batch = (CLASSES[0].double(), CLASSES[1])
    curvature = Curvature(nn.Sequential(nn.ReLU(inplace=True), model()), loss_of, batch)
    before = batch[0].clone()
    curvature.loss()
    assert torch.equal(batch[0], before)


def test_complex_weights_are_refused() -> None:
    module = nn.ParameterList([nn.Parameter(torch.ones(3, dtype=torch.complex64))])
    curvature = Curvature(module, loss_of, CLASSES)
    with pytest.raises(SignalError, match=r"Expected real weights, got '0' complex"):
        curvature.gradient()
