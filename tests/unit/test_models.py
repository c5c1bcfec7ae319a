import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grokwatch.experiments.models import (
    MODELS,
    CircularMLP,
    DirectMLP,
    ModularMLP,
    ParityMLP,
    PlainMLP,
    Transformer,
)
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Group

MODULAR = {"modulus": 7, "embedding": 10, "hidden": 5}
TOKENS = {"modulus": 7, "width": 8, "heads": 2, "hidden": 6}
SMALL: dict[str, dict[str, Any]] = {
    "modular_mlp": MODULAR,
    "direct_mlp": {"modulus": 7, "hidden": 5},
    "circular_mlp": {"modulus": 7},
    "parity_mlp": {"num_bits": 6, "hidden": 5},
    "plain_mlp": {"num_features": 6, "num_classes": 3, "hidden": 5},
    "transformer": TOKENS,
}
SHARING: list[dict[str, Any]] = [
    {"embeddings": "input_tied"},
    {"embeddings": "untied"},
    {"separate": True},
    {"embeddings": "untied", "separate": True},
    {"embeddings": "input_tied", "collapsed_input": True},
    {"embeddings": "input_tied", "collapsed_output": True},
    {"embeddings": "untied", "collapsed_input": True, "collapsed_output": True},
    {"embeddings": "input_tied", "separate": True, "collapsed_input": True},
]


def inputs_of(name: str, *models: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if name in {"parity_mlp", "plain_mlp"}:
        return torch.randint(2, (*models, 9, 6), generator=generator) * 2.0 - 1.0
    return torch.randint(7, (*models, 9, 2), generator=generator)


@pytest.mark.parametrize("name", MODELS)
class TestEveryModel:
    def test_the_seed_alone_decides_the_weights(self, name: str) -> None:
        torch.manual_seed(1)
        before = torch.get_rng_state()
        first, again, other = (MODELS[name](seed=s, **SMALL[name]) for s in (5, 5, 6))
        for key, weight in first.named_parameters():
            assert torch.equal(weight, again.get_parameter(key))
            is_drawn = not key.endswith("_bias")
            assert torch.equal(weight, other.get_parameter(key)) != is_drawn
        if name != "parity_mlp":
            assert torch.equal(before, torch.get_rng_state())

    @pytest.mark.parametrize("prefix", ["", "model."])
    def test_probe_finds_a_matrix_with_the_group_s_axis(self, name: str, prefix: str) -> None:
        model = MODELS[name](**SMALL[name])
        probe = model.probe(prefix)
        weights = {f"{prefix}{key}": w for key, w in model.named_parameters()}
        stacked = {key: torch.stack([w, w]) for key, w in weights.items()}
        assert (probe.group is None) == (name in {"plain_mlp", "circular_mlp"})
        for role, matrix in probe.roles.items():
            single, double = (
                w[matrix] if isinstance(matrix, str) else matrix(w) for w in (weights, stacked)
            )
            assert probe.group is not None
            assert single.shape[probe.axes[role]] == Group.parse(probe.group).order
            torch.testing.assert_close(double, torch.stack([single, single]))

    def test_probe_finds_the_neurons(self, name: str) -> None:
        holder = nn.Module()
        holder.model = MODELS[name](**SMALL[name])
        hidden = holder.model.probe("model.").hidden
        assert callable(hidden)
        states = hidden(holder, inputs_of(name))
        assert torch.equal(states, holder.model.hidden_states(inputs_of(name)))
        assert states.shape[0] == 9

    def test_alpha_scales_every_drawn_weight(self, name: str) -> None:
        if name == "direct_mlp":
            return
        one, three = (MODELS[name](**SMALL[name], alpha=alpha) for alpha in (1.0, 3.0))
        for key, weight in one.named_parameters():
            torch.testing.assert_close(3 * weight, three.get_parameter(key))


@pytest.mark.parametrize("options", SHARING)
def test_modular_mlp_is_its_formula_however_weights_are_shared(options: dict[str, Any]) -> None:
    model = ModularMLP(**MODULAR | options).double()
    pairs = inputs_of("modular_mlp")
    w: dict[str, Tensor] = dict(model.named_parameters())
    if options.get("collapsed_input"):
        first = w["input.weight"]
        second = w.get("input_second.weight", first)
    else:
        E, H = w["embed.weight"], w["hidden.weight"]
        second_embed = w.get("embed_second.weight", E)
        first, second = E @ H.T, second_embed @ w.get("hidden_second.weight", H).T
    is_apart = options.get("separate", False) or options.get("embeddings") == "untied"
    assert torch.equal(first, second) == (not is_apart)
    output = w["output.weight"]
    if not options.get("collapsed_output"):
        output = w["unembed.weight" if "unembed.weight" in w else "embed.weight"] @ output
    expected = torch.relu(first[pairs[:, 0]] + second[pairs[:, 1]]) @ output.T
    torch.testing.assert_close(model(pairs), expected)
    probe = model.probe()
    for role, matrix in probe.roles.items():
        found = w[matrix] if isinstance(matrix, str) else matrix(w)
        assert found.shape[probe.axes[role]] == 7


def test_both_products_collapsed_are_the_direct_mlp() -> None:
    direct = DirectMLP(seed=3)
    model = ModularMLP(embeddings="input_tied", collapsed_input=True, collapsed_output=True, seed=3)
    assert list(model.state_dict()) == list(direct.state_dict())
    pairs = inputs_of("modular_mlp")
    assert torch.equal(model(pairs), direct(pairs))


def test_modular_mlp_has_the_article_s_size() -> None:
    assert sum(p.numel() for p in ModularMLP().parameters()) == 57_500
    untied = ModularMLP(embeddings="input_tied")
    assert sum(p.numel() for p in untied.parameters()) == 57_500 + 67 * 500
    assert sum(p.numel() for p in DirectMLP().parameters()) == 3_216


def test_modular_mlp_starts_with_the_article_s_scales() -> None:
    model = ModularMLP()
    weights = dict(model.named_parameters())
    # A normal cut at two deviations keeps .8796 of its deviation; the embedding makes up for it.
    assert weights["embed.weight"].std().item() == pytest.approx((2 / 67) ** 0.5, rel=0.02)
    assert weights["hidden.weight"].std().item() == pytest.approx(0.8796 * 500**-0.5, rel=0.02)
    assert weights["output.weight"].std().item() == pytest.approx(0.8796 * 24**-0.5, rel=0.02)
    assert weights["hidden.weight"].abs().max().item() <= 2 * 500**-0.5


@pytest.mark.parametrize("modulus", [67, 31])
def test_five_neurons_on_the_circle_answer_every_pair(modulus: int) -> None:
    model = CircularMLP(modulus=modulus, activation="square").double()
    phases = 2 * math.pi * torch.arange(5, dtype=torch.float64) / 5
    with torch.no_grad():
        model.hidden.weight.copy_(torch.stack([phases.cos(), phases.sin()], dim=-1))
        model.output.weight.copy_(torch.stack([(2 * phases).cos(), (2 * phases).sin()]))
    pairs = torch.tensor(list(itertools.product(range(modulus), repeat=2)))
    assert torch.equal(model(pairs).argmax(-1), pairs.sum(-1) % modulus)
    assert [key for key, _ in model.named_parameters()] == ["hidden.weight", "output.weight"]


def test_parity_mlp_has_a_bias_through_its_constant_input() -> None:
    model = ParityMLP(**SMALL["parity_mlp"])
    zeros = torch.zeros(1, 6)
    expected = torch.relu(model.hidden.weight[:, -1]) @ model.output.weight.T
    torch.testing.assert_close(model(zeros)[0], expected)


def test_control_bits_are_no_task_bits() -> None:
    model = ParityMLP(num_bits=4, num_control=2, hidden=5)
    probe = model.probe()
    matrix = probe.roles["input"]
    assert callable(matrix)
    assert torch.equal(matrix(dict(model.named_parameters())), model.hidden.weight[:, 2:6].T)
    assert probe.group == "bits:4"


def test_plain_mlp_is_torch_s_layers() -> None:
    model = PlainMLP(num_features=6, num_classes=3, hidden=5)
    layers: list[nn.Module] = []
    for inputs, outputs in ((6, 5), (5, 5), (5, 3)):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    reference = nn.Sequential(*layers[:-1])
    for new, old in zip(reference.parameters(), model.parameters(), strict=True):
        new.data.copy_(old)
    torch.testing.assert_close(model(inputs_of("plain_mlp")), reference(inputs_of("plain_mlp")))
    assert all(bool((p.abs() <= 6**-0.5).all()) for p in model.layers[0].parameters())


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (ModularMLP, {"activation": "tanh"}, r"Expected an activation .* got 'tanh'\. Try relu"),
        (PlainMLP, {"dropout": 1.0}, r"Expected dropout in \[0, 1\), got 1\.0\. Try"),
        (ParityMLP, {"alpha": 0.0}, r"Expected an initial scale alpha > 0, got 0\.0\. Try"),
        (ModularMLP, {"embeddings": "no"}, r"Expected embeddings among tied, .* got 'no'\. Try"),
        (ModularMLP, {"collapsed_input": True}, r"Expected factored .* got a collapsed .* Try"),
        (CircularMLP, {"modulus": 9, "frequency": 3}, r"Expected a frequency .* got 3 and 9\. Try"),
        (ParityMLP, {"num_control": -1}, r"Expected num_control >= 0, got -1\. Try"),
        (PlainMLP, {"layers": 0}, r"Expected at least one hidden layer, got layers=0\. Try"),
        (Transformer, {"layers": 0}, r"Expected at least one block, got layers=0\. Try"),
        (Transformer, {"width": 10}, r"Expected heads that divide .* got 4 and 10\. Try"),
    ],
)
def test_options_that_cannot_work_are_refused(
    model: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        model(**options)
