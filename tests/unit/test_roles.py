"""Roles found in small modules, with and without a probe."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from grokwatch.monitor.errors import ProbeError
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.roles import Roles, find_roles, named_weights


class Embedded(nn.Module):
    def __init__(self, tokens: int = 7, width: int = 4, outputs: int = 7) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.hidden = nn.Linear(width, 5)
        self.head = nn.Linear(5, outputs)


def mlp(inputs: int = 6) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 5), nn.ReLU(), nn.Linear(5, 2))


class Bare(nn.Module):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(*shape))


def shapes(roles: Roles, module: nn.Module) -> dict[str, tuple[int, ...]]:
    _, indexed = roles.read(named_weights(module))
    return {role: tuple(matrix.shape) for role, matrix in indexed.items()}


def test_embedding_is_found_and_its_group_guessed() -> None:
    roles = find_roles(Embedded())
    assert shapes(roles, Embedded()) == {"embedding": (7, 4), "unembedding": (7, 5)}
    assert roles.has("cyclic")
    assert not roles.has("bits")
    assert set(roles.views) == {"embedding", "unembedding", "input"}
    guess = next(guess for guess in roles.guesses if guess.startswith("tokens"))
    assert guess.startswith("tokens run over cyclic:7, all rows of 'embed.weight'")
    assert "Probe(group='cyclic:6')" in guess
    assert any("'hidden.weight', the first nn.Linear" in guess for guess in roles.guesses)


def test_linear_inputs_are_bits() -> None:
    module = mlp()
    roles = find_roles(module)
    assert shapes(roles, module) == {"input": (6, 5)}
    _, indexed = roles.read(named_weights(module))
    torch.testing.assert_close(indexed["input"], module.get_parameter("0.weight").detach().T)
    assert roles.has("bits")
    assert set(roles.views) == {"input", "output"}


def test_special_rows_are_left_out() -> None:
    roles = find_roles(Embedded(tokens=9, outputs=7), Probe(group="cyclic:7"))
    assert shapes(roles, Embedded(tokens=9)) == {"embedding": (7, 4), "unembedding": (7, 5)}
    assert "embedding has 2 more than cyclic:7; only the first 7 count" in roles.guesses


def test_constant_input_column_is_left_out() -> None:
    roles = find_roles(mlp(31), Probe(group="bits:30"))
    assert shapes(roles, mlp(31)) == {"input": (30, 5)}


def test_square_embedding_has_tokens_on_rows() -> None:
    module = Embedded(7, 7)
    roles = find_roles(module, Probe(group="cyclic:7", roles={"embedding": "embed.weight"}))
    assert roles.views["embedding"].axis == 0


def test_effective_matrix_is_read_from_all_parameters() -> None:
    module = Embedded()

    def effective(weights: Mapping[str, Tensor]) -> Tensor:
        return weights["hidden.weight"] @ weights["embed.weight"].T

    roles = find_roles(module, Probe(group="cyclic:7", roles={"embedding": effective}))
    matrices, indexed = roles.read(named_weights(module))
    torch.testing.assert_close(indexed["embedding"], matrices["embedding"].T)
    assert shapes(roles, module)["embedding"] == (7, 5)


def test_probe_is_never_overruled_by_a_guess() -> None:
    probe = Probe(group="cyclic:7", roles={"embedding": "head.weight"})
    roles = find_roles(Embedded(), probe)
    assert roles.views["embedding"].source == "head.weight"
    assert not any(guess.startswith("embedding is") for guess in roles.guesses)


def test_tied_weight_has_one_name() -> None:
    module = Embedded(7, 5)
    module.head.weight = module.embed.weight
    roles = find_roles(module)
    assert {view.source for view in roles.views.values()} == {"embed.weight", "hidden.weight"}


def test_axis_is_taken_from_the_probe() -> None:
    probe = Probe(group="cyclic:7", roles={"embedding": "w"}, axes={"embedding": -1})
    assert find_roles(Bare(7, 7), probe).views["embedding"].axis == 1


def test_module_without_layers_has_no_roles() -> None:
    assert find_roles(Bare(3)) == Roles()
    assert not Roles().has("cyclic")


def test_large_vocabulary_is_not_taken_for_a_group() -> None:
    assert find_roles(nn.Embedding(5_000, 2)).group is None


def test_role_without_a_layer_needs_a_group() -> None:
    roles = find_roles(Bare(7, 4), Probe(roles={"embedding": "w"}))
    assert roles.group is None
    assert set(roles.views) == {"embedding"}


def test_single_input_is_no_group() -> None:
    assert find_roles(nn.Linear(1, 3)).group is None


@pytest.mark.parametrize(
    ("module", "probe", "match"),
    [
        (
            Embedded(),
            Probe(roles={"embedding": "embd"}),
            r"Expected role 'embedding' to name a parameter, got 'embd'\. Try .*embed\.weight",
        ),
        (Bare(3), Probe(roles={"input": "w"}), r"role 'input' to be a matrix, got shape \(3,\)"),
        (
            Embedded(),
            Probe(group="cyclic:11"),
            r"axis as long as cyclic:11.*embed\.weight \(7, 4\)",
        ),
        (Bare(3, 4), Probe(group="bits:9"), r"Expected any role.*bits:9, got none.*w \(3, 4\)"),
        (
            Embedded(),
            Probe(group="cyclic:5", roles={"embedding": "embed.weight"}, axes={"embedding": 1}),
            r"Expected axis 1 of role 'embedding' to have an axis as long as cyclic:5",
        ),
        (
            Embedded(),
            Probe(group="cyclic:5", roles={"embedding": "embed.weight"}, axes={"embedding": 2}),
            r"Expected axis 2 of role 'embedding'",
        ),
        (
            Bare(7, 4),
            Probe(group="cyclic:11", roles={"embedding": "w"}),
            r"Expected role 'embedding' to have an axis as long as cyclic:11",
        ),
        (
            Bare(7, 7),
            Probe(group="cyclic:7", roles={"embedding": "w"}),
            r"one axis of role 'embedding' to fit cyclic:7, got shape \(7, 7\)\. Try Probe\(axes=",
        ),
        (nn.Identity(), Probe(group="bits:3"), r"it has: no parameters yet"),
        (nn.Identity(), Probe(roles={"input": "w"}), r"Try one of .*: no parameters yet"),
    ],
)
def test_probes_that_cannot_be_right_are_refused(
    module: nn.Module, probe: Probe, match: str
) -> None:
    with pytest.raises(ProbeError, match=match):
        find_roles(module, probe)


@pytest.mark.parametrize("text", ["cyclic", "cyclic:1", "ring:7", "bits:x", "symmetric:6", ""])
def test_groups_that_are_none_are_refused(text: str) -> None:
    match = (
        r"Expected a group such as 'cyclic:67', 'bits:30' or 'symmetric:3' to 'symmetric:5', "
        r"got '.*'\. Try the group whose elements index the token or input axis\."
    )
    with pytest.raises(ProbeError, match=match):
        Probe(group=text)


def test_roles_that_are_none_are_refused() -> None:
    with pytest.raises(ProbeError, match=r"Expected roles among embedding.*, got 'head'\. Rename"):
        Probe(roles={"head": "w"})  # type: ignore[dict-item]


def test_features_behind_another_layer_are_no_inputs() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 4))
    assert find_roles(net).group is None
    assert str(find_roles(nn.Sequential(nn.Linear(8, 4))).group) == "bits:8"


def test_permutations_run_over_an_embedding() -> None:
    module = Embedded(tokens=24, outputs=24)
    roles = find_roles(module, Probe(group="symmetric:4"))
    assert roles.has("symmetric")
    assert not roles.has("cyclic")
    assert shapes(roles, module) == {"embedding": (24, 4), "unembedding": (24, 5)}
    assert str(roles.group) == "symmetric:4"
