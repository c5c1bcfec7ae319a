"""Named recipes: task, model, optimizer and budget, known to grok on most seeds or known not to.

A variant is a recipe with something taken away: `recipe.with_random_labels()`,
`recipe.with_decay(0.0)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytorch_lightning as pl

from grokwatch.experiments.evaluation_steps import evaluation_steps
from grokwatch.experiments.models import MODELS
from grokwatch.experiments.modules import Classifier, FullBatchData, make_trainer
from grokwatch.experiments.optim import AdamW
from grokwatch.experiments.tasks import ModularAddition, SparseParity
from grokwatch.experiments.threads import one_thread
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.records import HyperParameter


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that makes a run but its seed.

    Attributes:
        name: of the recipe or of its variant.
        task: what is learned; a run replaces its seed.
        model: name in `MODELS`.
        options: arguments of the model beside its seed.
        optimizer: how it is trained.
        steps: optimizer updates to make, the budget.
        per_decade: evaluations per factor of ten in steps.
        seed: the one to take where none is given.
    """

    name: str
    task: ModularAddition | SparseParity
    model: str
    options: Mapping[str, int | bool] = field(default_factory=dict)
    optimizer: AdamW
    steps: int
    per_decade: int = 100
    seed: int = 0

    def with_random_labels(self) -> "Recipe":
        """The same with shuffled answers: nothing to find but the examples themselves."""
        task = replace(self.task, random_labels=True)
        return replace(self, name=f"{self.name}-random-labels", task=task)

    def with_decay(self, decay: float) -> "Recipe":
        """The same with another decay, of whichever kind (L1 or L2) the recipe uses."""
        if self.optimizer.l1:
            optimizer = replace(self.optimizer, l1=decay)
        else:
            optimizer = replace(self.optimizer, decay=decay)
        return replace(self, name=f"{self.name}-decay-{decay:g}", optimizer=optimizer)

    def hyper_parameters(self, seed: int) -> dict[str, HyperParameter]:
        """What a tracker should show beside a run."""
        parts = {"task": self.task, "optimizer": self.optimizer}
        flat: dict[str, HyperParameter] = {"recipe": self.name, "model": self.model, "seed": seed}
        for prefix, part in parts.items():
            flat |= {f"{prefix}.{key}": _plain(value) for key, value in vars(part).items()}
        flat |= {f"model.{key}": value for key, value in self.options.items()}
        del flat["task.seed"]
        return flat


class Parts(NamedTuple):
    """A recipe made ready for one seed."""

    module: Classifier
    data: FullBatchData
    probe: Probe


def build(recipe: Recipe, seed: int) -> Parts:
    """Make module, data and probe; `seed` draws the split, shuffled labels and initial weights."""
    model = MODELS[recipe.model](seed=seed, **recipe.options)
    steps = evaluation_steps(recipe.steps, per_decade=recipe.per_decade)
    data = FullBatchData(replace(recipe.task, seed=seed).split(), steps)
    module = Classifier(model, recipe.optimizer, recipe.hyper_parameters(seed))
    return Parts(module, data, model.probe("model."))


def fit(parts: Parts, steps: int, callbacks: Sequence[pl.Callback] = ()) -> pl.Trainer:
    """Train `parts` for `steps` updates on one thread of the CPU and return the trainer."""
    trainer = make_trainer(steps, callbacks)
    with one_thread():
        trainer.fit(parts.module, datamodule=parts.data)
    return trainer


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in RECIPES:
        msg = f"Expected a recipe among {', '.join(RECIPES)}, got {name!r}. Try 'addition'."
        raise ConfigurationError(msg)
    return RECIPES[name]


def _plain(value: object) -> HyperParameter:
    """Numbers, texts and truth values as they are, anything else as text."""
    return value if isinstance(value, bool | int | float | str) else str(value)


ADDITION = Recipe(
    name="addition",
    task=ModularAddition(modulus=67, train_fraction=0.4),
    model="modular_mlp",
    optimizer=AdamW(lr=5e-3, decay=1.0, eps=6.7e-7),
    steps=30_000,
    seed=2,
)

PARITY = Recipe(
    name="parity",
    task=SparseParity(num_bits=30, num_relevant=3, num_train=1_000),
    model="parity_mlp",
    optimizer=AdamW(lr=3e-4, l1=1e-4),
    steps=12_000,
)

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in (ADDITION, PARITY)}
