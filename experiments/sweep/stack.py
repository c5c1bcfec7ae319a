"""The models of a chunk in one stack: one step for all of them, one reading for all of them."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from grokwatch.experiments.stacked.losses import LOSSES
from grokwatch.experiments.stacked.weights import pack, pack_gradients, stack
from grokwatch.experiments.sweep.building import model_of, optimizer_of, probe_for, task_of
from grokwatch.experiments.sweep.runs import Run
from grokwatch.experiments.tasks import Split
from grokwatch.experiments.tasks.cutting import stream
from grokwatch.monitor.loss_ring import CAPACITY
from grokwatch.monitor.roles import find_roles


class Scores(NamedTuple):
    """What all models make of some examples: logits `(S, N, C)`, float64 `(S,)` of the others."""

    logits: Tensor
    losses: Tensor
    accuracies: Tensor


class Point(NamedTuple):
    """Where an update began: gradients by name, and the weights they were taken at."""

    gradients: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]


class Stack:
    """S models in training on full batches, each with its own examples, settings and dropout.

    Args:
        runs: one for each model, of equal shapes.

    Attributes:
        runs: as given.
        weights: name -> `(S, ...)`, leaves that share the memory of one block.
        active: which models are still trained, `(S,)` bool.
        losses: of the last updates, each `(S,)`, newest last.
        examples: inputs and targets `(S, N, ...)`.
        roles: which weights are what.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)
        tasks = [task_of(run.cell, run.seed) for run in runs]
        splits = [task.split() for task in tasks]
        models = [
            model_of(run.cell, task, split, run.seed)
            for run, task, split in zip(runs, tasks, splits, strict=True)
        ]
        self._model = models[0]
        self.roles = find_roles(self._model, probe_for(self._model, tasks[0]))
        self.examples = Split(*(torch.stack(parts) for parts in zip(*splits, strict=True)))
        self._block, self.weights = pack(stack(models))
        self.optimizer = optimizer_of([run.cell for run in runs], [self._block])
        self._loss = LOSSES[runs[0].cell.loss]
        self._random = self._generators()
        self.active = torch.ones(len(runs), dtype=torch.bool)
        self.losses: deque[Tensor] = deque(maxlen=CAPACITY)

    def step(self) -> dict[str, Tensor]:
        """Update all models once.

        Returns:
            The gradients that the update used, by name.
        """
        self._model.train()
        given = {"random": self._random} if self._random else {}
        inputs, targets = self.examples[:2]
        logits = functional_call(self._model, self.weights, (inputs,), given)
        losses = self._loss(logits, targets)
        gradients = torch.autograd.grad(losses.sum(), list(self.weights.values()))
        self.optimizer.step([pack_gradients(gradients)])
        self.losses.append(losses.detach())
        return dict(zip(self.weights, gradients, strict=True))

    def copied_weights(self) -> dict[str, Tensor]:
        """The weights as they are now."""
        return self._named(self._block.clone())

    @torch.no_grad()
    def train_scores(self) -> Scores:
        """How all models fare on what they train on, without dropout."""
        return self._scores(*self.examples[:2])

    @torch.no_grad()
    def test_scores(self) -> Scores:
        """How all models fare on what is held out, without dropout."""
        return self._scores(*self.examples[2:])

    @torch.no_grad()
    def leave_diverged(self, logits: Tensor) -> Tensor:
        """Stop training the models whose numbers are no longer finite.

        Their weights are put to 0, so that whoever reads the stack meets nothing strange.

        Args:
            logits: of all models, `(S, N, C)`.

        Returns:
            Which models were left now, `(S,)` bool.
        """
        is_finite = self.losses[-1].isfinite() & self._block.isfinite().all(-1)
        left = self.active & ~(is_finite & logits.isfinite().all(-1).all(-1))
        if left.any():
            self.active = self.active & ~left
            self.optimizer.freeze(left)
            self._block[left] = 0.0
        return left

    def moments(self) -> dict[str, dict[str, Tensor]]:
        """Running means of gradients and of their squares without bias, by name; Adam's only."""
        state = self.optimizer.state()
        if "count.0" not in state:
            return {}
        settings = [run.cell.optimizer.options for run in self.runs]
        betas, eps = (torch.tensor([row[k] for row in settings]).double() for k in ("betas", "eps"))
        gathered = 1 - betas ** state["count.0"][:, None]
        first = state["first.0"] / gathered[:, :1].to(self._block)
        second = state["second.0"] / gathered[:, 1:].to(self._block)
        divisor = second.sqrt() + eps[:, None].to(self._block)
        return {"momentum": self._named(first), "preconditioner": self._named(divisor)}

    def decay(self) -> dict[str, Tensor]:
        """Learning rate times decoupled decay, `(S,)` float64 by name; AdamW's only."""
        if self.runs[0].cell.optimizer.name != "adamw":
            return {}
        settings = [run.cell.optimizer.options for run in self.runs]
        lr, decay = (torch.tensor([row[k] for row in settings]).double() for k in ("lr", "decay"))
        return dict.fromkeys(self.weights, lr * decay)

    def _scores(self, inputs: Tensor, targets: Tensor) -> Scores:
        self._model.eval()
        logits = functional_call(self._model, self.weights, (inputs,))
        accuracies = (logits.argmax(-1) == targets).double().mean(-1)
        return Scores(logits, self._loss(logits.double(), targets), accuracies)

    def _named(self, block: Tensor) -> dict[str, Tensor]:
        """Parts of a block `(S, P)` under the names and in the shapes of the weights."""
        sizes = [weight[0].numel() for weight in self.weights.values()]
        named = zip(self.weights.items(), torch.split(block, sizes, dim=1), strict=True)
        return {name: part.view(weight.shape) for (name, weight), part in named}

    def _generators(self) -> list[torch.Generator]:
        """One for each model's dropout, so that it does not depend on who is beside it."""
        if not self.runs[0].cell.model.options.get("dropout"):
            return []
        return [stream(run.seed, "dropout") for run in self.runs]
