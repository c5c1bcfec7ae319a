"""Unusual trainings show the values that the same training shows when it is done as usual."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.records import Observation, RunStarted
from grokwatch.monitor.schedule import every
from grokwatch.monitor.sinks import RecordingSink

ORDER = 7
PAIRS = torch.cartesian_prod(torch.arange(ORDER), torch.arange(ORDER))[:48]
DATA = TensorDataset(PAIRS, PAIRS.sum(1) % ORDER)
EPOCHS = 4
QUIET: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "max_epochs": EPOCHS,
}

Optimize = Callable[[nn.Module], Any]


class Net(nn.Module):
    def __init__(self, *, sparse: bool = False, tied: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(ORDER, 8, sparse=sparse)
        self.hidden = nn.Linear(16, 8)
        self.head = nn.Linear(8, ORDER, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.head(self.hidden(self.embed(tokens).flatten(1)).relu())
        return out


class Usual(pl.LightningModule):
    def __init__(self, net: nn.Module, optimize: Optimize) -> None:
        super().__init__()
        self.net = net
        self._optimize = optimize

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.net(tokens)
        return out

    def training_step(self, batch: Any, index: int) -> Tensor:
        return known_loss(self, batch)

    def configure_optimizers(self) -> Any:
        return self._optimize(self.net)


class ByHand(Usual):
    automatic_optimization = False

    def training_step(self, batch: Any, index: int) -> Tensor:
        found: Any = self.optimizers()
        loss = known_loss(self, batch)
        for optimizer in found:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in found:
            optimizer.step()
        return loss


class OneOfTwo(ByHand):
    """Uses its two optimizers in turns, as adversaries do."""

    def training_step(self, batch: Any, index: int) -> Tensor:
        found: Any = self.optimizers()
        optimizer = found[index % 2]
        loss = known_loss(self, batch)
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        return loss


def known_loss(module: nn.Module, batch: Any) -> Tensor:
    return nn.functional.cross_entropy(module(batch[0]), batch[1])


def adamw(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.1)


def adamw_in_groups(net: nn.Module) -> torch.optim.Optimizer:
    groups = [{"params": [parameter]} for parameter in reversed(list(net.parameters()))]
    return torch.optim.AdamW(groups, lr=0.01, weight_decay=0.1)


def two_adamw(net: nn.Module) -> list[torch.optim.Optimizer]:
    first, *rest = net.parameters()
    return [torch.optim.AdamW(p, lr=0.01, weight_decay=0.1) for p in ([first], rest)]


def sgd(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(net.parameters(), lr=0.1)


def adamax(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adamax(net.parameters(), lr=0.01)


def lbfgs(net: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=3)


class Watched:
    """A training that was watched with everything, and what was seen."""

    def __init__(
        self,
        folder: Path,
        net: nn.Module,
        optimize: Optimize,
        kind: type[Usual] = Usual,
        rows: int = 12,
        extra: tuple[pl.Callback, ...] = (),
        **settings: Any,
    ) -> None:
        sink = RecordingSink()
        self.module = kind(net, optimize)
        self.monitor = GrokkingMonitor(
            Probe(loss=known_loss, group=f"cyclic:{ORDER}"),
            signals="full",
            sinks=[sink],
            directory=folder,
            budget=None,
            schedule=every(4),
        )
        trainer = pl.Trainer(callbacks=[*extra, self.monitor], **QUIET | settings)
        trainer.fit(self.module, DataLoader(DATA, rows))
        assert not self.monitor.failures
        self.trainer = trainer
        self.seen = [record for record in sink.records if isinstance(record, Observation)]
        started = [record for record in sink.records if isinstance(record, RunStarted)]
        self.skipped = {skip.name for skip in started[0].skipped}
        assert [each.errors for each in self.seen] == [{}] * len(self.seen)

    @property
    def values(self) -> list[Mapping[str, float]]:
        """Values of each observation, without what watching cost."""
        return [
            {key: value for key, value in each.values.items() if key != "overhead_ratio"}
            | {"train_loss": each.train_loss, "train_accuracy": each.train_accuracy or 0.0}
            for each in self.seen
        ]

    @property
    def last(self) -> Mapping[str, float]:
        return self.values[-1]


def same(watched: Watched, usual: Watched, rel: float = 1e-5) -> None:
    """Compare all values of two trainings."""
    assert [each.step for each in watched.seen] == [each.step for each in usual.seen]
    assert len(usual.values) == EPOCHS
    assert watched.skipped == usual.skipped
    for some, others in zip(watched.values, usual.values, strict=True):
        assert some == pytest.approx(others, rel=rel, abs=1e-6, nan_ok=True)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched(tmp_path_factory.mktemp("usual"), Net(), adamw)


def test_the_usual_training_shows_everything(usual: Watched) -> None:
    assert usual.seen[-1].step == EPOCHS * len(DATA) // 12
    assert len(usual.last) > 80
    assert not {"sharpness", "momentum_ratio", "preconditioned_sharpness"} & usual.skipped
    assert {"sharpness", "momentum_ratio", "preconditioned_sharpness"} <= usual.last.keys()


def test_values_differ_where_trainings_do(usual: Watched, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        same(Watched(tmp_path, Net(), lambda net: adamw(net.get_submodule("head"))), usual)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_module(backend: str, usual: Watched, tmp_path: Path) -> None:
    torch.compiler.reset()
    net = Net()
    net.compile(backend=backend)
    same(Watched(tmp_path, net, adamw), usual)


def test_several_parameter_groups(usual: Watched, tmp_path: Path) -> None:
    same(Watched(tmp_path, Net(), adamw_in_groups), usual)


def test_two_optimizers_that_step_together(usual: Watched, tmp_path: Path) -> None:
    same(Watched(tmp_path, Net(), two_adamw, ByHand), usual)


def test_two_optimizers_in_turns_count_each_step(tmp_path: Path) -> None:
    watched = Watched(tmp_path, Net(), two_adamw, OneOfTwo)
    assert watched.seen[-1].step == EPOCHS * len(DATA) // 12


def test_sparse_gradients(tmp_path: Path) -> None:
    dense = Watched(tmp_path / "dense", Net(), sgd)
    sparse = Watched(tmp_path / "sparse", Net(sparse=True), sgd)
    assert sparse.module.net.get_parameter("embed.weight").grad is not None
    assert {"momentum_ratio", "preconditioned_sharpness"} <= sparse.skipped
    same(sparse, dense)


def test_accumulated_gradients(tmp_path: Path) -> None:
    """The landscape and the probe look at the first rows; gradients and weights at all of them."""
    watched = Watched(tmp_path / "parts", Net(), adamw, rows=6, accumulate_grad_batches=2)
    whole = Watched(tmp_path / "whole", Net(), adamw)
    keys = [key for key in whole.last if key.startswith(("gradient_", "weight_norm", "update_r"))]
    keys = [key for key in keys if not key.startswith("gradient_noise")]
    assert len(keys) > 8
    assert [each.step for each in watched.seen] == [each.step for each in whole.seen]
    for some, others in zip(watched.values, whole.values, strict=True):
        present = [key for key in keys if key in others]
        assert {key: some[key] for key in present} == pytest.approx(
            {key: others[key] for key in present}, rel=1e-4, abs=1e-6, nan_ok=True
        )
        assert some["train_loss"] == pytest.approx(others["train_loss"], rel=1e-5)


def test_frozen_parameters_are_neither_weights_nor_updates(tmp_path: Path) -> None:
    net = Net()
    net.embed.requires_grad_(requires_grad=False)
    watched = Watched(tmp_path, net, adamw)
    trained = [net.hidden.weight, net.hidden.bias, net.head.weight]
    norm = torch.cat([weight.detach().reshape(-1) for weight in trained]).norm()
    assert watched.last["weight_norm"] == pytest.approx(norm.item(), rel=1e-6)
    assert "gini_coefficient@embedding" in watched.last  # but its structure can be looked at
    assert "sharpness" in watched.last


def test_tied_parameters_count_once(tmp_path: Path) -> None:
    net = Net(tied=True)
    watched = Watched(tmp_path, net, adamw)
    weights = [net.embed.weight, net.hidden.weight, net.hidden.bias]
    norm = torch.cat([weight.detach().reshape(-1) for weight in weights]).norm()
    assert watched.last["weight_norm"] == pytest.approx(norm.item(), rel=1e-6)
    assert net.head.weight is net.embed.weight


def test_lbfgs_is_seen_at_the_first_evaluation_of_each_step(tmp_path: Path) -> None:
    class Norms(pl.Callback):
        """Notes each gradient that the closure leaves, by the update it belongs to."""

        def __init__(self) -> None:
            self.found: list[tuple[int, float]] = []

        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, _: Any) -> None:
            grads = [p.grad.reshape(-1) for p in pl_module.parameters()]
            self.found.append(
                (trainer.fit_loop.total_batch_idx + 1, torch.cat(grads).norm().item())
            )

    norms = Norms()
    watched = Watched(tmp_path, Net(), lbfgs, extra=(norms,))
    first = dict(reversed(norms.found))
    assert len(norms.found) > 2 * len(first)
    shown = {
        each.step: values["gradient_norm"]
        for each, values in zip(watched.seen, watched.values, strict=True)
        if "gradient_norm" in values
    }
    assert len(shown) == EPOCHS
    assert shown == pytest.approx({step: first[step] for step in shown}, rel=1e-5)
    assert {"momentum_ratio", "preconditioned_sharpness", "decay_share"} <= watched.skipped


def test_bf16_autocast_shows_finite_values_near_the_usual_ones(
    usual: Watched, tmp_path: Path
) -> None:
    watched = Watched(tmp_path, Net(), adamw, precision="bf16-mixed")
    assert watched.last.keys() == usual.last.keys()
    for key in ("weight_norm", "gradient_norm", "sharpness", "hessian_trace", "train_loss"):
        assert watched.values[0][key] == pytest.approx(usual.values[0][key], rel=0.05)


def test_an_optimizer_that_only_looks_like_adam_is_said_to_lack_its_state(tmp_path: Path) -> None:
    watched = Watched(tmp_path, Net(), adamax)
    assert {"momentum_ratio", "preconditioned_sharpness"} <= watched.skipped


def test_layers_that_no_gradient_reaches_hide_nothing(usual: Watched, tmp_path: Path) -> None:
    class Spare(Net):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Linear(3, 3)

    watched = Watched(tmp_path, Spare(), adamw)
    assert {"momentum_ratio", "preconditioned_sharpness"} <= watched.last.keys()
    for key in ("momentum_ratio", "weight_slope", "sharpness", "gradient_norm"):
        assert watched.last[key] == pytest.approx(usual.last[key], rel=1e-4)
    key = "preconditioned_sharpness"  # from another start, so as near as it has converged
    assert watched.last[key] == pytest.approx(usual.last[key], rel=1e-2)
    assert "representation_entropy" in watched.skipped  # nothing passes the last linear layer


def test_layers_that_are_unfrozen_later_change_nothing(tmp_path: Path) -> None:
    class Thaw(pl.Callback):
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            pl_module.net.embed.requires_grad_(trainer.current_epoch > 1)

    def train(folder: Path | None) -> dict[str, Tensor]:
        net = Net()
        if folder is not None:
            Watched(folder, net, adamw, extra=(Thaw(),))
        else:
            trainer = pl.Trainer(callbacks=[Thaw()], **QUIET)
            trainer.fit(Usual(net, adamw), DataLoader(DATA, 12))
        return net.state_dict()

    watched, alone = train(tmp_path), train(None)
    assert all(torch.equal(watched[name], alone[name]) for name in alone)
