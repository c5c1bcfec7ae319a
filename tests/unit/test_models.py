from typing import Any

import pytest
import torch
from torch.func import functional_call, stack_module_state

from grokwatch.experiments.models import MODELS, DirectMLP, ModularMLP, ParityMLP
from grokwatch.monitor.probe import Group

SMALL: dict[str, dict[str, Any]] = {
    "modular_mlp": {"modulus": 7, "embedding": 10, "hidden": 5},
    "direct_mlp": {"modulus": 7, "hidden": 5},
    "parity_mlp": {"num_bits": 6, "hidden": 5},
}


def inputs_of(name: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    if name == "parity_mlp":
        return torch.randint(2, (9, 6), generator=generator) * 2.0 - 1.0
    return torch.randint(7, (9, 2), generator=generator)


@pytest.mark.parametrize("name", MODELS)
class TestEveryModel:
    def test_stacked_forward_equals_a_loop_of_single_forwards(self, name: str) -> None:
        models = [MODELS[name](seed=seed, **SMALL[name]).double() for seed in range(3)]
        inputs = inputs_of(name)
        inputs = inputs.double() if inputs.is_floating_point() else inputs
        weights, _ = stack_module_state(models)
        stacked = functional_call(models[0], weights, (inputs,))
        torch.testing.assert_close(stacked, torch.stack([model(inputs) for model in models]))

    def test_the_seed_alone_decides_the_weights(self, name: str) -> None:
        torch.manual_seed(1)
        before = torch.get_rng_state()
        first, again, other = (MODELS[name](seed=s, **SMALL[name]) for s in (5, 5, 6))
        for key, weight in first.state_dict().items():
            assert torch.equal(weight, again.state_dict()[key])
            assert not torch.equal(weight, other.state_dict()[key])
        if name != "parity_mlp":
            assert torch.equal(before, torch.get_rng_state())

    @pytest.mark.parametrize("prefix", ["", "model."])
    def test_probe_finds_a_matrix_with_the_group_s_axis(self, name: str, prefix: str) -> None:
        model = MODELS[name](**SMALL[name])
        probe = model.probe(prefix)
        weights = {f"{prefix}{key}": w for key, w in model.named_parameters()}
        stacked = {key: torch.stack([w, w]) for key, w in weights.items()}
        assert probe.group is not None
        for role, matrix in probe.roles.items():
            single, double = (
                w[matrix] if isinstance(matrix, str) else matrix(w) for w in (weights, stacked)
            )
            assert single.shape[probe.axes[role]] == Group.parse(probe.group).order
            torch.testing.assert_close(double, torch.stack([single, single]))


def test_modular_mlp_is_the_factored_formula() -> None:
    model = ModularMLP(**SMALL["modular_mlp"]).double()
    pairs = inputs_of("modular_mlp")
    E, H, W = model.embed.weight, model.hidden.weight, model.output.weight
    hidden = torch.relu(E[pairs[:, 0]] @ H.T + E[pairs[:, 1]] @ H.T)
    torch.testing.assert_close(model(pairs), hidden @ W.T @ E.T)


def test_modular_mlp_has_the_article_s_size() -> None:
    assert sum(p.numel() for p in ModularMLP().parameters()) == 57_500
    assert sum(p.numel() for p in ModularMLP(tied=False).parameters()) == 57_500 + 67 * 500
    assert sum(p.numel() for p in DirectMLP().parameters()) == 3_216


def test_modular_mlp_starts_with_the_article_s_scales() -> None:
    model = ModularMLP()
    # A normal cut at two deviations keeps .8796 of its deviation; the embedding makes up for it.
    assert model.embed.weight.std().item() == pytest.approx((2 / 67) ** 0.5, rel=0.02)
    assert model.hidden.weight.std().item() == pytest.approx(0.8796 * 500**-0.5, rel=0.02)
    assert model.output.weight.std().item() == pytest.approx(0.8796 * 24**-0.5, rel=0.02)
    assert model.hidden.weight.abs().max().item() <= 2 * 500**-0.5


def test_a_tied_model_has_one_embedding_and_an_untied_one_has_two() -> None:
    assert [key for key, _ in ModularMLP().named_parameters()] == [
        "embed.weight",
        "hidden.weight",
        "output.weight",
    ]
    assert "unembed.weight" in dict(ModularMLP(tied=False).named_parameters())


def test_parity_mlp_has_a_bias_through_its_constant_input() -> None:
    model = ParityMLP(**SMALL["parity_mlp"])
    zeros = torch.zeros(1, 6)
    expected = torch.relu(model.hidden.weight[:, -1]) @ model.output.weight.T
    torch.testing.assert_close(model(zeros)[0], expected)
