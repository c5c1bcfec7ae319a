"""The models that are measured, beside those of `grokwatch overhead`."""

from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from grokwatch.experiments.modules import Classifier
from grokwatch.experiments.optim import AdamW
from grokwatch.experiments.recipes import ADDITION, PARITY
from grokwatch.experiments.workloads import (
    Workload,
    demo_workload,
    recipe_workload,
    transformer_workload,
)
from grokwatch.monitor.probe import Probe

TINY, DEMO, LAYERS, TRANSFORMER = "tiny", "demo", "layers", "transformer"


class Layers(nn.Sequential):
    """The function of `ModularMLP`, untied, as a stack of linear layers on summed one-hot tokens.

    Libraries that know layers by their class know these.
    """

    def __init__(self, *, modulus: int = 67, embedding: int = 500, hidden: int = 24) -> None:
        widths = (modulus, embedding, hidden, embedding, modulus)
        layers: list[nn.Module] = [
            nn.Linear(inputs, outputs, bias=False) for inputs, outputs in pairwise(widths)
        ]
        super().__init__(*layers[:2], nn.ReLU(), *layers[2:])


def workload(name: str) -> Workload:
    """The workload of that name: `tiny`, `demo`, `layers` or `transformer`."""
    make = {
        TINY: _tiny,
        DEMO: demo_workload,
        LAYERS: _layers,
        TRANSFORMER: _transformer,
    }
    return make[name]()


def num_parameters(module: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in module.parameters())


def _tiny() -> Workload:
    return recipe_workload(PARITY, "parity MLP, 2,112 parameters, batch 1,000")


def _layers() -> Workload:
    split = ADDITION.task.split()
    optimizer = AdamW(lr=1e-3, decay=1.0)
    return Workload(
        name="layered MLP, 91,000 parameters, batch 911",
        module=lambda: Classifier(Layers(), optimizer),
        batch=(_summed_one_hot(split.train_inputs), split.train_targets),
        probe=None,
        block=64,
        blocks=40,
        warm_up=4,
    )


def _transformer() -> Workload:
    probe = Probe(
        group="cyclic:512", roles={"embedding": "model.embed.weight"}, axes={"embedding": 0}
    )
    return replace(transformer_workload(), probe=probe)


def _summed_one_hot(pairs: Tensor) -> Tensor:
    return functional.one_hot(pairs, int(pairs.max()) + 1).sum(1).to(torch.get_default_dtype())
