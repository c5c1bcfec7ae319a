"""The models of a chunk in one stack: one step for all of them, one reading for all of them."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from grokwatch.experiments.models import ParityMLP
from grokwatch.experiments.stacked.losses import LOSSES
from grokwatch.experiments.stacked.weights import pack, stack
from grokwatch.experiments.sweep import stepping
from grokwatch.experiments.sweep.building import model_of, optimizer_of, probe_for, task_of
from grokwatch.experiments.sweep.landscape import StackLandscape, landscape_rows
from grokwatch.experiments.sweep.runs import Run
from grokwatch.experiments.sweep.stepping_cuda import device_of, recorded, updating
from grokwatch.experiments.sweep.views import StackViews
from grokwatch.experiments.tasks import Split
from grokwatch.experiments.tasks.cutting import stream
from grokwatch.monitor.loss_ring import CAPACITY
from grokwatch.monitor.roles import find_roles
from grokwatch.monitor.tangents import GradientSketch


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
        compiled: whether gradients are compiled, which takes seconds and makes steps faster; None
            decides by the steps to come. Models with dropout are never compiled: their generators
            are not traced.
        device: `cpu` or `cuda`, where examples, weights and settings are; numbers
            `(S,)` that a caller decides by are on the CPU.

    Attributes:
        runs: as given.
        weights: name -> `(S, ...)`, leaves that share the memory of one block.
        active: which models are still trained, `(S,)` bool on the CPU.
        losses: of the last updates, each `(S,)`, newest last.
        examples: inputs and targets `(S, N, ...)`.
        roles: which weights are what.
        probe: how hidden states and attention maps are had.
    """

    def __init__(
        self, runs: Sequence[Run], *, compiled: bool | None = None, device: str = "cpu"
    ) -> None:
        self.device = device_of(device)
        self.runs = tuple(runs)
        tasks = [task_of(run.cell, run.seed) for run in runs]
        splits = [task.split() for task in tasks]
        models = [
            model_of(run.cell, task, split, run.seed)
            for run, task, split in zip(runs, tasks, splits, strict=True)
        ]
        self._model = models[0]
        self.probe = probe_for(self._model, tasks[0])
        self.roles = find_roles(self._model, self.probe)
        self._model.to(self.device)
        parts = zip(*splits, strict=True)
        self.examples = Split(*(torch.stack(part).to(self.device) for part in parts))
        weights = {name: weight.to(self.device) for name, weight in stack(models).items()}
        self._block, self.weights = pack(weights)
        self.optimizer = optimizer_of([run.cell for run in runs], [self._block])
        self._loss = LOSSES[runs[0].cell.loss]
        self._random = self._generators()
        self.active = torch.ones(len(runs), dtype=torch.bool)
        self.losses: deque[Tensor] = deque(maxlen=CAPACITY)
        self._update = updating(self._stepping(compiled), self.optimizer)
        if self.device.type == "cuda" and not self._random:
            self._update = recorded(self._update, self._block, self.optimizer)

    def step(self) -> dict[str, Tensor]:
        """Update all models once.

        Returns:
            The gradients that the update used, by name.
        """
        self._model.train()
        taken = self._update()
        self.losses.append(taken.losses)
        return taken.gradients

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

    def leave(self, models: Tensor) -> None:
        """Stop training some models, whose weights stay as they are.

        Args:
            models: `(S,)` bool.
        """
        self.active = self.active & ~models
        self.optimizer.freeze(models)

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
        left = self.active & ~(is_finite & logits.isfinite().all(-1).all(-1)).cpu()
        if left.any():
            self.leave(left)
            self._block[left.to(self.device)] = 0.0
        return left

    def moments(self) -> dict[str, dict[str, Tensor]]:
        """Running means of gradients and of their squares without bias, by name; Adam's only."""
        state = self.optimizer.state()
        if "count.0" not in state:
            return {}
        settings = [run.cell.optimizer.options for run in self.runs]
        betas, eps = (self._column([row[k] for row in settings]) for k in ("betas", "eps"))
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
        lr, decay = (self._column([row[k] for row in settings]) for k in ("lr", "decay"))
        return dict.fromkeys(self.weights, lr * decay)

    def landscape_rows(self) -> Tensor:
        """Which train examples second derivatives run on, `(n,)`."""
        inputs, targets = (part[0] for part in self.examples[:2])
        return landscape_rows(self._model, self._loss, inputs, targets)

    def landscape(self, rows: Tensor) -> StackLandscape:
        """The loss of each model on some of its train examples, as a function of its weights."""
        inputs, targets = (part[:, rows] for part in self.examples[:2])
        return StackLandscape(self._model, self._loss, self.weights, inputs, targets)

    def views(self, sketch: GradientSketch) -> StackViews:
        """What the models make of the train set besides logits."""
        inputs = self.examples.train_inputs
        return StackViews(self._model, self.probe, self.weights, inputs, sketch)

    def _scores(self, inputs: Tensor, targets: Tensor) -> Scores:
        self._model.eval()
        logits = functional_call(self._model, self.weights, (inputs,))
        accuracies = (logits.argmax(-1) == targets).double().mean(-1)
        losses = self._loss(logits.double(), targets)
        return Scores(logits, losses.cpu(), accuracies.cpu())

    def _column(self, rows: Sequence[object]) -> Tensor:
        """Settings of the models, `(S, ...)` float64."""
        return torch.tensor(rows, dtype=torch.float64, device=self.device)

    def _named(self, block: Tensor) -> dict[str, Tensor]:
        return stepping.named_parts(block, self.weights)

    def _stepping(self, compiled: bool | None) -> stepping.Gradients:
        """Eager or compiled gradients."""
        inputs, targets = self.examples[:2]
        if isinstance(self._model, ParityMLP):
            inputs = self._model.with_constant(inputs)
        given = (self._train_losses, self.weights, inputs, targets)
        self._model.train()
        if compiled is None and not self._random:
            compiled = stepping.pays(self.runs[0].cell.steps, stepping.count_saved(*given))
        if self._random or not compiled:
            return stepping.eager(*given)
        return stepping.compiled(*given, self._block)

    def _train_losses(
        self, weights: Mapping[str, Tensor], inputs: Tensor, targets: Tensor
    ) -> Tensor:
        """Losses `(S,)` at some weights, as the model is trained."""
        given = {"random": self._random} if self._random else {}
        logits = functional_call(self._model, dict(weights), (inputs,), given)
        return self._loss(logits, targets)

    def _generators(self) -> list[torch.Generator]:
        """One for each model's dropout, so that it does not depend on who is beside it."""
        if not self.runs[0].cell.model.options.get("dropout"):
            return []
        return [stream(run.seed, "dropout") for run in self.runs]
