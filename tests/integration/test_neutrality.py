"""Training with the monitor is bit-identical to training without it."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.monitor.schedule import every
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


def adamw(parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=0.01, weight_decay=0.1)


def nesterov(parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True)


def lbfgs(parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.LBFGS(parameters, lr=0.1, max_iter=4)


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[..., Any], dict[str, Any]]] = {
    "mlp": (Mlp, adamw, {}),
    "transformer": (Transformer, adamw, {}),
    "dropout": (lambda: Mlp(nn.Dropout(0.3)), adamw, {}),
    "batch norm": (lambda: Mlp(nn.BatchNorm1d(12)), adamw, {}),
    "accumulation": (Mlp, adamw, {"accumulate_grad_batches": 3}),
    "bf16 autocast": (Mlp, adamw, {"precision": "bf16-mixed"}),
    "clipping": (Mlp, adamw, {"gradient_clip_val": 0.1}),
    "nesterov": (Mlp, nesterov, {}),
    "lbfgs": (Mlp, lbfgs, {}),
    "shared layer": (Shared, adamw, {}),
}


def fingerprint(module: Any, trainer: Any) -> list[bytes]:
    """All that training left behind: weights, buffers, optimizer, random numbers."""
    tensors = [*module.state_dict().values()]
    for state in trainer.optimizers[0].state.values():
        tensors += [value for value in state.values() if isinstance(value, Tensor)]
    kept = [tensor.detach().contiguous().view(torch.uint8).numpy().tobytes()
            if tensor.ndim else tensor.numpy().tobytes() for tensor in tensors]  # fmt: skip
    _, numpy, *_ = np.random.get_state(legacy=True)  # noqa: NPY002
    generators = [torch.get_rng_state().numpy().tobytes(), np.asarray(numpy).tobytes()]
    return [*kept, *generators, repr(random.getstate()).encode()]


def train(case: str, callbacks: list[Any], seed: int = 0) -> list[bytes]:
    make, optimizer, settings = CASES[case]
    pl.seed_everything(seed, verbose=False)
    module = Trained(make(), optimizer)
    data = TensorDataset(PAIRS, PAIRS.sum(1) % ORDER)
    trainer = pl.Trainer(callbacks=callbacks, **QUIET | settings)
    trainer.fit(module, DataLoader(data, 10, shuffle=True), DataLoader(data, 49))
    return fingerprint(module, trainer)


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize("case", CASES)
def test_neutrality(case: str, tmp_path: Path) -> None:
    sink = RecordingSink()
    monitor = GrokkingMonitor(sinks=[sink], directory=tmp_path, budget=None, schedule=every(1))
    assert train(case, [monitor]) == train(case, [])
    assert not monitor.failures
    observation = monitor.last_observation
    assert observation is not None
    assert observation.errors == {}
    assert observation.train_accuracy is not None


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_neutrality_is_tested_by_a_test_that_can_fail() -> None:
    class Meddler(pl.Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            torch.rand(1)

    assert train("mlp", [Meddler()]) != train("mlp", [])
    assert train("mlp", [], seed=1) != train("mlp", [])


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_neutrality_of_all_signals_with_a_known_loss(tmp_path: Path) -> None:
    from grokwatch.monitor.probe import Probe

    def loss(module: nn.Module, batch: Any) -> Tensor:
        return nn.functional.cross_entropy(module(batch[0]), batch[1])

    monitor = GrokkingMonitor(
        Probe(loss=loss), sinks=(), directory=tmp_path, budget=None, schedule=every(1)
    )
    for case in ("dropout", "batch norm", "transformer", "bf16 autocast", "shared layer"):
        assert train(case, [monitor]) == train(case, [])
        assert monitor.last_observation is not None
        assert "sharpness" in monitor.last_observation.values
    assert not monitor.failures
