import pytest

from grokwatch.experiments.recipes import ADDITION, PARITY, RECIPES, Recipe, build, find_recipe
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Group


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
class TestEveryRecipe:
    def test_parts_fit_together(self, recipe: Recipe) -> None:
        module, data, probe = build(recipe, 3)
        logits = module(data.split.train_inputs)
        assert logits.shape == (len(data.split.train_targets), recipe.task.num_classes)
        assert probe.group == recipe.task.group
        assert str(Group.parse(recipe.task.group)) == recipe.task.group
        weights = dict(module.named_parameters())
        for matrix in probe.roles.values():
            assert (weights[matrix] if isinstance(matrix, str) else matrix(weights)).ndim == 2
        assert data.steps[-1] == recipe.steps

    def test_random_labels_change_the_labels_alone(self, recipe: Recipe) -> None:
        true, shuffled = (build(r, 3) for r in (recipe, recipe.with_random_labels()))
        assert (true.data.split.train_inputs == shuffled.data.split.train_inputs).all()
        assert not (true.data.split.train_targets == shuffled.data.split.train_targets).all()
        for one, other in zip(true.module.parameters(), shuffled.module.parameters(), strict=True):
            assert (one == other).all()

    def test_hyper_parameters_name_what_makes_the_run(self, recipe: Recipe) -> None:
        given = recipe.with_random_labels().hyper_parameters(7)
        assert given["seed"] == 7
        assert given["task.random_labels"] is True
        assert given["optimizer.lr"] == recipe.optimizer.lr
        assert "task.seed" not in given


def test_decay_replaces_the_kind_that_the_recipe_uses() -> None:
    assert ADDITION.with_decay(0.03).optimizer.decay == 0.03
    assert ADDITION.with_decay(0.0).name == "addition-decay-0"
    without = PARITY.with_decay(0.0).optimizer
    assert (without.l1, without.decay) == (0.0, 0.0)


def test_an_unknown_recipe_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"among addition, parity, got 'adition'\. Try"):
        find_recipe("adition")
