"""Hidden states and attention maps: what passes through, and no hook left."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grokwatch.monitor import hidden as hidden_module
from grokwatch.monitor.errors import ProbeError, SignalError
from grokwatch.monitor.hidden import HiddenStates, attention_maps, has_attention

X = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def hooks(module: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


def test_default_is_what_the_last_linear_layer_is_given() -> None:
    module = network()
    with torch.no_grad():
        states = HiddenStates(module).read((X,), 6)
        assert torch.equal(states["last"], module[:2](X))
    assert hooks(module) == 0


@pytest.mark.parametrize(
    "hidden", ["1", lambda module, inputs: module[:2](inputs)], ids=["name", "function"]
)
def test_what_the_user_says(hidden: "str | Callable[..., Tensor]") -> None:
    module = network()
    with torch.no_grad():
        states = HiddenStates(module, hidden).read((X,), 6)
        assert torch.equal(states["last"], module[:2](X))
    assert HiddenStates(module, hidden).guess == ""


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(ProbeError, match=r"got 'nope'. Try one of .*: 0, 1, 2"):
        HiddenStates(network(), "nope")


def test_a_model_without_linear_layers_has_none() -> None:
    assert not HiddenStates(nn.Identity()).is_known


class Unused(nn.Module):
    """Uses a layer's weight without calling the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.layer.weight.mT


def test_a_layer_that_is_not_called() -> None:
    with pytest.raises(SignalError, match=re.escape("(6, D), one for each decision, got None")):
        HiddenStates(Unused()).read((X,), 6)


def test_states_of_sequences() -> None:
    sequences = torch.randn(6, 5, 4)
    module = network()
    last = HiddenStates(module).read((sequences,), 6)["last"]
    every = HiddenStates(module).read((sequences,), 30)["last"]
    assert last.shape == (6, 8)
    assert every.shape == (30, 8)
    assert torch.equal(every.reshape(6, 5, 8)[:, -1], last)


def test_hooks_come_off_after_an_error() -> None:
    module = network()
    with pytest.raises(RuntimeError):
        HiddenStates(module).read((X[:, :2],), 6)
    assert hooks(module) == 0


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()


def test_attention_of_every_layer_head_by_head() -> None:
    module = encoder()
    tokens = torch.randn(40, 5, 8)
    with torch.no_grad():
        before = module(tokens)
        maps = attention_maps(module, (tokens,))
        after = module(tokens)
    assert set(maps) == {"layers_0_self_attn", "layers_1_self_attn"}
    for weights in maps.values():
        assert weights.shape == (32, 2, 5, 5)
        torch.testing.assert_close(weights.sum(-1), torch.ones(32, 2, 5))
    assert torch.equal(before, after)
    assert hooks(module) == 0
    assert has_attention(module)
    assert not has_attention(network())


def test_attention_that_the_user_gives() -> None:
    def maps(module: nn.Module, inputs: Tensor) -> Any:
        return torch.full((len(inputs), 2, 3, 3), 1 / 3)

    assert attention_maps(network(), (X,), maps)["last"].shape == (6, 2, 3, 3)


@pytest.mark.parametrize("maps", [torch.ones(6, 3, 3), None, {"first": X}])
def test_attention_maps_of_another_shape(maps: Any) -> None:
    with pytest.raises(SignalError, match=r"Expected attention maps \(N, heads, T, T\) for"):
        attention_maps(network(), (X,), lambda *_: maps)


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_on_long_sequences_is_that_of_few_examples(
    monkeypatch: pytest.MonkeyPatch, batch_first: bool
) -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=batch_first)

    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, tokens: Tensor) -> Tensor:
            x = tokens if batch_first else tokens.transpose(0, 1)
            out: Tensor = self.layer(query=x, key=x, value=x)[0]
            return out

    tokens, module = torch.randn(9, 5, 8), Attending()
    monkeypatch.setattr(hidden_module, "MOST_WEIGHTS", 4 * 2 * 5 * 5)
    assert attention_maps(module, (tokens,))["layer"].shape == (4, 2, 5, 5)
    monkeypatch.setattr(hidden_module, "MOST_WEIGHTS", 2 * 5 * 5 - 1)
    with pytest.raises(SignalError, match=r"Expected at most 49 attention weights .* got 50"):
        attention_maps(module, (tokens,))
    assert hooks(module) == 0
