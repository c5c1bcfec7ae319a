"""Training with the monitor is bit-identical to training without it."""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.records import Observation, RunStarted
from grokwatch.monitor.schedule import either, every
from grokwatch.monitor.sinks import RecordingSink

ORDER = 7
PAIRS = torch.cartesian_prod(torch.arange(ORDER), torch.arange(ORDER))
QUIET: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "max_epochs": 12,
    "check_val_every_n_epoch": 4,
    "num_sanity_val_steps": 1,
}


class Mlp(nn.Sequential):
    def __init__(self, *extra: nn.Module) -> None:
        super().__init__(
            nn.Embedding(ORDER, 8), nn.Flatten(), nn.Linear(16, 12), *extra, nn.ReLU(),
            nn.Linear(12, ORDER),
        )  # fmt: skip


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(ORDER, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, ORDER)

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.head(self.block(self.embed(tokens))[:, -1])
        return out


class Shared(nn.Module):
    """One layer under two names, and an embedding that is the unembedding too."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(ORDER, 8)
        self.first = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
        self.again = self.first
        self.head = nn.Linear(8, ORDER, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.first(self.embed(tokens).sum(1)).relu()
        out: Tensor = self.head(self.again(hidden).relu())
        return out


class Trained(pl.LightningModule):
    """Adds modulo 7; logs what real projects log; draws random numbers of every kind."""

    def __init__(self, net: nn.Module, optimizer: Callable[..., Any]) -> None:
        super().__init__()
        self.net = net
        self._optimizer = optimizer

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.net(tokens)
        return out

    def training_step(self, batch: Any, index: int) -> Tensor:
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        noise = random.random() + np.random.random() + torch.rand(()).item()  # noqa: NPY002
        self.log("train_loss", loss)
        return loss * (1 + 1e-3 * noise)

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_acc", (self(batch[0]).argmax(-1) == batch[1]).float().mean())

    def configure_optimizers(self) -> Any:
        return self._optimizer(self.parameters())


class Unused(Mlp):
    """One layer that no gradient ever reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(3, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        for layer in list(self)[:-1]:
            tokens = layer(tokens)
        return tokens


class Counting(Mlp):
    """Counts in a buffer how often it was run, in either mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, tokens: Tensor) -> Tensor:
        self.get_buffer("calls").add_(1)
        for layer in self:
            tokens = layer(tokens)
        return tokens


class Checkpointed(Mlp):
    """Recomputes activations in the backward pass, dropout and all."""

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self[1](self[0](tokens))
        rest = nn.Sequential(*list(self)[2:])
        out: Tensor = checkpoint(rest, hidden, use_reentrant=False)
        return out


class Manual(Trained):
    """Steps each of its optimizers by hand."""

    automatic_optimization = False

    def training_step(self, batch: Any, index: int) -> Tensor:
        found: Any = self.optimizers()
        optimizers = found if isinstance(found, list) else [found]
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss = super().training_step(batch, index)
        self.manual_backward(loss)
        for optimizer in optimizers:
            optimizer.step()
        return loss


def compiled(backend: str) -> nn.Module:
    torch.compiler.reset()
    net: Any = torch.compile(Mlp(nn.Dropout(0.3)), backend=backend)
    return cast("nn.Module", net)


def compiled_in_place() -> nn.Module:
    torch.compiler.reset()
    net = Mlp()
    net.compile(backend="aot_eager")
    return net


def frozen() -> nn.Module:
    net = Mlp()
    net[0].requires_grad_(requires_grad=False)
    return net


def sparse() -> nn.Module:
    net = Mlp()
    net[0] = nn.Embedding(ORDER, 8, sparse=True)
    return net


def normed() -> nn.Module:
    """Parametrized weights, and one with power iterations of its own in buffers."""
    net = Mlp()
    parametrizations.weight_norm(net[2])
    parametrizations.spectral_norm(net[4])
    return net


Parameters = Iterator[nn.Parameter]


def adamw(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1)


def nesterov(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True)


def sgd(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.05)


def lbfgs(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.LBFGS(parameters, lr=0.1, max_iter=4)


def fused(parameters: Parameters) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1, amsgrad=True, fused=True)


def in_groups(parameters: Parameters) -> torch.optim.Optimizer:
    first, *rest = parameters
    groups: list[dict[str, Any]] = [
        {"params": [first], "lr": 0.1, "weight_decay": 0.0},
        {"params": rest},
    ]
    return torch.optim.AdamW(groups, lr=0.01, weight_decay=0.1)


def of_two_kinds(parameters: Parameters) -> list[torch.optim.Optimizer]:
    first, *rest = parameters
    return [torch.optim.AdamW([first], lr=0.01), torch.optim.SGD(rest, lr=0.05, momentum=0.9)]


def sparse_adam(parameters: Parameters) -> list[torch.optim.Optimizer]:
    first, *rest = parameters
    return [torch.optim.SparseAdam([first], lr=0.01), torch.optim.AdamW(rest, lr=0.01)]


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[..., Any], dict[str, Any]]] = {
    "mlp": (Mlp, adamw, {}),
    "transformer": (Transformer, adamw, {}),
    "dropout": (lambda: Mlp(nn.Dropout(0.3)), adamw, {}),
    "batch norm": (lambda: Mlp(nn.BatchNorm1d(12)), adamw, {}),
    "accumulation": (Mlp, adamw, {"accumulate_grad_batches": 3}),
    "bf16 autocast": (Mlp, adamw, {"precision": "bf16-mixed"}),
    "bf16 weights": (Mlp, adamw, {"precision": "bf16-true"}),
    "float64": (Mlp, adamw, {"precision": "64-true"}),
    "clipping": (Mlp, adamw, {"gradient_clip_val": 0.1}),
    "nesterov": (Mlp, nesterov, {}),
    "lbfgs": (Mlp, lbfgs, {}),
    "fused": (Mlp, fused, {}),
    "groups": (Mlp, in_groups, {}),
    "two optimizers": (Mlp, of_two_kinds, {}),
    "shared layer": (Shared, adamw, {}),
    "frozen": (frozen, adamw, {}),
    "counting": (Counting, adamw, {}),
    "unused": (Unused, adamw, {}),
    "parametrized": (normed, adamw, {}),
    "recomputed": (lambda: Checkpointed(nn.Dropout(0.3)), adamw, {}),
    "sparse": (sparse, sgd, {}),
    "sparse adam": (sparse, sparse_adam, {}),
    "compiled": (lambda: compiled("eager"), adamw, {}),
    "compiled ahead of time": (lambda: compiled("aot_eager"), adamw, {}),
    "compiled in place": (compiled_in_place, adamw, {}),
}
BY_HAND = {"two optimizers", "sparse adam"}
OFTEN = either(range(1, 4).__contains__, every(6))
SELDOM = either((2).__eq__, every(11))


def tensors_of(state: Any) -> Iterator[Tensor]:
    """All tensors of nested containers, and all numbers as tensors."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, bool | int | float):
        yield torch.tensor(state, dtype=torch.float64)
    elif isinstance(state, Mapping):
        yield from tensors_of(list(state.values()))
    elif isinstance(state, list | tuple):
        for part in state:
            yield from tensors_of(part)


def fingerprint(module: Any, trainer: Any) -> list[bytes]:
    """All that training left behind: weights, buffers, optimizers, random numbers."""
    optimizers = [optimizer.state_dict() for optimizer in trainer.optimizers]
    kept = [
        tensor.detach().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes()
        for tensor in tensors_of([module.state_dict(), optimizers])
    ]
    _, numpy, *_ = np.random.get_state(legacy=True)  # noqa: NPY002
    generators = [torch.get_rng_state().numpy().tobytes(), np.asarray(numpy).tobytes()]
    return [*kept, *generators, repr(random.getstate()).encode()]


def train(case: str, callbacks: list[Any], seed: int = 0) -> list[bytes]:
    make, optimizer, settings = CASES[case]
    pl.seed_everything(seed, verbose=False)
    module = (Manual if case in BY_HAND else Trained)(make(), optimizer)
    data = TensorDataset(PAIRS, PAIRS.sum(1) % ORDER)
    trainer = pl.Trainer(callbacks=callbacks, **QUIET | settings)
    trainer.fit(module, DataLoader(data, 10, shuffle=True), DataLoader(data, 49))
    return fingerprint(module, trainer)


@pytest.mark.parametrize("case", CASES)
def test_neutrality(case: str, tmp_path: Path) -> None:
    sink = RecordingSink()
    monitor = GrokkingMonitor(sinks=[sink], directory=tmp_path, budget=None, schedule=OFTEN)
    assert train(case, [monitor]) == train(case, [])
    assert not monitor.failures
    observation = monitor.last_observation
    assert observation is not None
    assert observation.errors == {}
    assert observation.train_accuracy is not None


def test_neutrality_is_tested_by_a_test_that_can_fail() -> None:
    class Meddler(pl.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            torch.rand(1)

    assert train("mlp", [Meddler()]) != train("mlp", [])
    assert train("mlp", [], seed=1) != train("mlp", [])


def known_loss(module: nn.Module, batch: Any) -> Tensor:
    return nn.functional.cross_entropy(module(batch[0]), batch[1])


@pytest.mark.parametrize("case", CASES)
def test_neutrality_of_the_full_preset(case: str, tmp_path: Path) -> None:
    sink = RecordingSink()
    monitor = GrokkingMonitor(
        Probe(loss=known_loss, group=f"cyclic:{ORDER}"),
        signals="full",
        sinks=[sink],
        directory=tmp_path,
        budget=None,
        schedule=SELDOM,
    )
    assert train(case, [monitor]) == train(case, [])
    assert not monitor.failures
    started = next(record for record in sink.records if isinstance(record, RunStarted))
    seen = [record for record in sink.records if isinstance(record, Observation)]
    assert len(seen) > 2
    assert [record.errors for record in seen] == [{}] * len(seen)
    keys = {re.split(r"[.@]", key)[0] for record in seen for key in record.values}
    listed = {signal.name for signal in started.signals}
    assert listed - keys == {"train_accuracy"} & listed
    assert {"sharpness", "hessian_trace", "tangent_alignment", "gini_coefficient"} <= keys
    assert all(skip.reason and skip.remedy for skip in started.skipped)


def test_the_compiler_has_no_more_to_do_for_a_watched_training(tmp_path: Path) -> None:
    def graphs(callbacks: list[Any]) -> int:
        counters.clear()
        train("compiled ahead of time", callbacks)
        return int(counters["stats"]["unique_graphs"])

    monitor = GrokkingMonitor(
        Probe(loss=known_loss), signals="full", sinks=(), directory=tmp_path, schedule=every(9)
    )
    assert graphs([monitor]) == graphs([]) > 0
