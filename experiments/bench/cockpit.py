"""Cockpit's three dearest quantities: its package where it is installed, else its algorithm anew.

The algorithm follows Schneider, Dangel and Hennig 2021 and stays on the cheap side of it: a trace
by one random product where theirs backpropagates once per class, and nothing of the other ten
quantities of their full configuration.
"""

import copy
import importlib
import math
import warnings
from collections.abc import Sequence
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

MAX_PRODUCTS = 100
RELATIVE, ABSOLUTE = 1e-3, 1e-6
BINS = (40, 50)
RANGES = ((-1.0, 1.0), (-2.0, 2.0))
CHUNK = 64


def is_installed() -> bool:
    """Whether the package and what it builds on can be imported."""
    return find_spec("cockpit") is not None and find_spec("backpack") is not None


class Hessian:
    """The Hessian of a module's mean cross-entropy on a batch; its products share one graph.

    Args:
        module: maps inputs to logits.
        batch: inputs and class indices.

    Attributes:
        size: number of trainable parameters.
    """

    def __init__(self, module: nn.Module, batch: Sequence[Tensor]) -> None:
        inputs, targets = batch
        self._weights = [weight for weight in module.parameters() if weight.requires_grad]
        self.size = sum(weight.numel() for weight in self._weights)
        with torch.enable_grad():
            loss = cross_entropy(module(inputs), targets)
            self._gradients = torch.autograd.grad(loss, self._weights, create_graph=True)

    def product(self, vector: Tensor) -> Tensor:
        """Multiply with a vector `(P,)`."""
        parts = torch.split(vector, [weight.numel() for weight in self._weights])
        shaped = [part.reshape(w.shape) for part, w in zip(parts, self._weights, strict=True)]
        found = torch.autograd.grad(self._gradients, self._weights, shaped, retain_graph=True)
        return torch.cat([part.reshape(-1) for part in found])


def power_iteration(hessian: Hessian, generator: torch.Generator) -> tuple[float, int]:
    """Eigenvalue of greatest size, from a fresh positive start, until two in a row agree.

    Args:
        hessian: to multiply with.
        generator: draws the start.

    Returns:
        The eigenvalue, and how many products it took, at most 100.
    """
    vector = torch.rand(hessian.size, generator=generator)
    vector /= vector.norm()
    last = math.inf
    for number in range(1, MAX_PRODUCTS + 1):
        image = hessian.product(vector)
        value = float(vector @ image)
        if abs(value - last) <= ABSOLUTE + RELATIVE * abs(value):
            return value, number
        last, vector = value, image / image.norm()
    return last, MAX_PRODUCTS


def random_trace(hessian: Hessian, generator: torch.Generator, num_products: int = 1) -> float:
    """Hutchinson's estimate of the trace.

    Args:
        hessian: to multiply with.
        generator: draws the signs.
        num_products: how many are averaged.

    Returns:
        Any sign.
    """
    total = 0.0
    for _ in range(num_products):
        signs = torch.randint(2, (hessian.size,), generator=generator) * 2.0 - 1.0
        total += float(signs @ hessian.product(signs))
    return total / num_products


def gradient_histogram(module: nn.Module, batch: Sequence[Tensor]) -> Tensor:
    """Counts of (gradient of one example, weight) over all examples and weights.

    Args:
        module: maps inputs to logits.
        batch: inputs and class indices.

    Returns:
        `(40, 50)` int64; what lies outside of the ranges is counted at their ends.
    """
    weights = {name: weight.detach() for name, weight in module.named_parameters()}

    def loss(given: dict[str, Tensor], example: Tensor, target: Tensor) -> Tensor:
        logits = torch.func.functional_call(module, given, (example[None],))
        return cross_entropy(logits, target[None])

    per_example = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))
    columns = {name: _bins(weight, 1) for name, weight in weights.items()}
    counts = torch.zeros(math.prod(BINS), dtype=torch.int64)
    for examples, targets in zip(*(torch.split(part, CHUNK) for part in batch), strict=True):
        for name, gradients in per_example(weights, examples, targets).items():
            cells = _bins(gradients, 0) * BINS[1] + columns[name]
            counts += torch.bincount(cells.reshape(-1), minlength=len(counts))
    return counts.reshape(BINS)


def _bins(values: Tensor, axis: int) -> Tensor:
    """Which bin of an axis each value falls into."""
    low, high = RANGES[axis]
    scaled = (values - low) * (BINS[axis] / (high - low))
    return scaled.clamp_(0, BINS[axis] - 1).long()


class Again:
    """The algorithm anew: what is called for one reading.

    Args:
        batch: the whole batch.
        quantities: any of `eigenvalue`, `trace`, `histogram`.

    Attributes:
        products: how many each power iteration took.
    """

    def __init__(self, batch: Sequence[Tensor], quantities: Sequence[str]) -> None:
        self.products: list[int] = []
        self._batch = batch
        self._quantities = quantities
        self._generator = torch.Generator().manual_seed(0)

    def __call__(self, module: nn.Module) -> None:
        """Read all quantities."""
        if {"eigenvalue", "trace"} & set(self._quantities):
            hessian = Hessian(module, self._batch)
            if "trace" in self._quantities:
                random_trace(hessian, self._generator)
            if "eigenvalue" in self._quantities:
                self.products.append(power_iteration(hessian, self._generator)[1])
        if "histogram" in self._quantities:
            gradient_histogram(module, self._batch)


class Package:
    """Cockpit's package on a copy of the model, whose layers it must know.

    Args:
        model: a stack of layers.
        batch: the whole batch.
        quantities: as above.
    """

    def __init__(
        self, model: nn.Module, batch: Sequence[Tensor], quantities: Sequence[str]
    ) -> None:
        extend = importlib.import_module("backpack").extend
        theirs = importlib.import_module("cockpit.quantities")
        kinds = {
            "eigenvalue": theirs.HessMaxEV,
            "trace": theirs.HessTrace,
            "histogram": theirs.GradHist2d,
        }
        self._twin = extend(copy.deepcopy(model))
        self._loss = extend(nn.CrossEntropyLoss())
        self._cockpit = importlib.import_module("cockpit").Cockpit(
            list(self._twin.parameters()),
            quantities=[kinds[name](lambda _: True) for name in quantities],
        )
        self._batch = batch
        self._number = 0

    def __call__(self, module: nn.Module) -> None:
        """Read all quantities at the weights of `module.model`."""
        inputs, targets = self._batch
        self._twin.load_state_dict(module.model.state_dict())  # type: ignore[union-attr]
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")  # unconverged power iterations, cycles of the graph
            logits = self._twin(inputs)
            loss = self._loss(logits, targets)
            each = cross_entropy(logits, targets, reduction="none").detach()
            info = {"batch_size": len(targets), "individual_losses": each, "loss": loss}
            with self._cockpit(self._number, info=info):
                loss.backward(create_graph=self._cockpit.create_graph(self._number))
        self._twin.zero_grad()
        self._number += 1
