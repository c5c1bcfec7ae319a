"""The transformer against one written without short cuts, from torch's own parts."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from grokwatch.experiments.models import Transformer

SMALL: dict[str, Any] = {"modulus": 7, "width": 8, "heads": 2, "hidden": 6}
SHAPES: list[dict[str, Any]] = [
    {"layers": layers, "norm": norm} for layers in (1, 2) for norm in (False, True)
]


def pairs() -> Tensor:
    return torch.randint(7, (9, 2), generator=torch.Generator().manual_seed(0))


def long_way(model: Transformer, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits and attention maps, every position computed for every example."""
    w: dict[str, Tensor] = dict(model.named_parameters())

    def norm(name: str, states: Tensor) -> Tensor:
        if f"{name}.weight" not in w:
            return states
        return functional.layer_norm(
            states, states.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"]
        )

    sequence = torch.cat([tokens, torch.full((len(tokens), 1), 7)], dim=1)
    states = w["embed.weight"][sequence] + w["position.weight"]
    maps = []
    for number in range(len(model.blocks)):
        block = f"blocks.{number}"
        attention = nn.MultiheadAttention(8, 2, bias=False, batch_first=True).to(states.dtype)
        parts = [w[f"{block}.{name}.weight"] for name in ("query", "key", "value")]
        attention.in_proj_weight.data.copy_(torch.cat(parts))
        attention.out_proj.weight.data.copy_(w[f"{block}.out.weight"])
        normed = norm(f"{block}.norm_attention", states)
        added, weights = attention(normed, normed, normed, average_attn_weights=False)
        maps.append(weights)
        states = states + added
        normed = norm(f"{block}.norm_neurons", states)
        neurons = functional.linear(normed, w[f"{block}.up.weight"], w[f"{block}.up_bias"])
        down = w[f"{block}.down.weight"], w[f"{block}.down_bias"]
        states = states + functional.linear(neurons.relu(), *down)
    return norm("norm", states)[:, -1] @ w["unembed.weight"].T, maps


def disturbed(options: dict[str, Any]) -> Transformer:
    """With biases and normalizations that are not at their initial values."""
    model = Transformer(**SMALL, **options, seed=2).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
            weight.add_(noise, alpha=0.3)
    return model


@pytest.mark.parametrize("options", SHAPES)
def test_short_cuts_change_nothing(options: dict[str, Any]) -> None:
    model = disturbed(options)
    logits, maps = long_way(model, pairs())
    torch.testing.assert_close(model(pairs()), logits)
    found = model.attention(pairs())
    assert list(found) == [f"blocks.{number}" for number in range(options["layers"])]
    for mine, reference in zip(found.values(), maps, strict=True):
        torch.testing.assert_close(mine, reference)


def test_probe_reads_attention_and_tokens_without_the_equals_sign() -> None:
    holder = nn.Module()
    model = holder.model = Transformer(**SMALL, layers=2)
    probe = model.probe("model.")
    assert probe.attention is not None
    maps = probe.attention(holder, pairs())
    assert {tuple(a.shape) for a in maps.values()} == {(9, 2, 3, 3)}
    embedding = probe.roles["embedding"]
    assert callable(embedding)
    weights = {f"model.{name}": weight for name, weight in model.named_parameters()}
    assert torch.equal(embedding(weights), model.embed.weight[:7])


def test_it_has_the_published_size_and_scales() -> None:
    model = Transformer()
    shape = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    assert shape["embed.weight"] == (114, 128)
    assert shape["blocks.0.up.weight"] == (512, 128)
    assert model.embed.weight.std().item() == pytest.approx(128**-0.5, rel=0.05)
    assert model.unembed.weight.std().item() == pytest.approx(113**-0.5, rel=0.05)
    assert model.get_parameter("blocks.0.up_bias").abs().max().item() == 0


def test_dropout_is_in_every_block() -> None:
    model = Transformer(**SMALL, layers=2, dropout=0.5)
    weights = dict(model.named_parameters())
    for number in range(2):
        state = {"blocks.0.down.weight": 0 * weights["blocks.0.down.weight"]}
        state |= {"blocks.1.down.weight": 0 * weights["blocks.1.down.weight"]}
        del state[f"blocks.{number}.down.weight"]
        one, other = (functional_call(model, state, (pairs(),)) for _ in range(2))
        assert not torch.equal(one, other)


def test_second_derivatives_exist() -> None:
    model = disturbed({"layers": 2, "norm": True})
    weights = list(model.parameters())
    gradients = torch.autograd.grad(model(pairs()).square().mean(), weights, create_graph=True)
    curvature = torch.autograd.grad(sum(g.square().sum() for g in gradients), weights)  # type: ignore[arg-type]
    assert all(bool(part.isfinite().all()) for part in curvature)


def test_inputs_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected 2 tokens .* got 3\. Try Transformer\(length=3"):
        Transformer(**SMALL)(torch.zeros(4, 3, dtype=torch.int64))
