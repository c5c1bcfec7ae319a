"""Whatever raises inside grokwatch, training goes on as if it were not there, and it is counted."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.callbacks.session import Session
from grokwatch.monitor.errors import ConfigurationError, SinkError
from grokwatch.monitor.records import Observation
from grokwatch.monitor.schedule import every
from grokwatch.monitor.sinks import RecordingSink
from grokwatch.monitor.snapshot import Readings, Signal, Snapshot
from grokwatch.monitor.watcher import Watcher

ERRORS: list[type[Exception]] = [
    ArithmeticError, AssertionError, AttributeError, BufferError, ConfigurationError, EOFError,
    ImportError, LookupError, MemoryError, NameError, OSError, ReferenceError, RuntimeError,
    StopIteration, SyntaxError, SystemError, TypeError, UnicodeError, ValueError, Warning,
    SinkError, torch.OutOfMemoryError,
]  # fmt: skip
STEPS = 8
X = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
DATA = TensorDataset(X, X[:, :3].argmax(1))

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


class Trained(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out

    def training_step(self, batch: Any, index: int) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_acc", (self(batch[0]).argmax(-1) == batch[1]).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.01)


def train(*callbacks: pl.Callback) -> bytes:
    """Train for a few steps and give the weights."""
    pl.seed_everything(0, verbose=False)
    module = Trained()
    trainer = pl.Trainer(
        max_steps=STEPS,
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    trainer.fit(module, DataLoader(DATA, 16), DataLoader(DATA, 16))
    assert trainer.global_step == STEPS
    return b"".join(value.numpy().tobytes() for value in module.state_dict().values())


@pytest.fixture(scope="module")
def bare() -> bytes:
    return train()


def monitor(tmp_path: Path, **settings: Any) -> GrokkingMonitor:
    settings.setdefault("sinks", ())
    return GrokkingMonitor(directory=tmp_path, budget=None, schedule=every(1), **settings)


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Give Ctrl-C its handler back; Lightning ignores it after the first."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def raiser(error: type[BaseException]) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error("on purpose")

    return fail


def failing_signal(error: type[BaseException]) -> Signal:
    def read(snapshot: Snapshot) -> Readings:
        torch.rand(2)
        raise error("on purpose")

    return Signal(name="flaky", read=read, bounds=(0, 1), summary="", source="")


HOOKS: dict[str, tuple[type, str]] = {
    "on_train_batch_start": (Session, "before_batch"),
    "on_before_optimizer_step": (Session, "before_update"),
    "on_train_batch_end": (Session, "after_batch"),
    "on_validation_start": (Session, "pause"),
    "on_validation_end": (Session, "evaluate"),
    "on_train_start": (Session, "__init__"),
    "on_train_end": (Session, "end"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_isolation_of_every_hook(
    error: type[Exception], bare: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hook, (owner, method) in HOOKS.items():
        with monkeypatch.context() as patch:
            patch.setattr(owner, method, raiser(error))
            watched = monitor(tmp_path)
            assert train(watched) == bare, hook
            assert watched.failures[hook] >= 1, hook
        if watched._last is not None:
            watched._last.dispatcher.close()


@pytest.mark.parametrize("error", ERRORS)
def test_isolation_of_signals(error: type[Exception], bare: bytes, tmp_path: Path) -> None:
    watched = monitor(tmp_path, signals=[failing_signal(error)])
    assert train(watched) == bare
    assert not watched.failures
    assert watched.last_observation is not None
    assert "on purpose" in watched.last_observation.errors["flaky"]


@pytest.mark.parametrize("error", ERRORS)
def test_isolation_of_predictors(
    error: type[Exception], bare: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watcher, "consume", raiser(error))
    monkeypatch.setattr(Watcher, "confirm", raiser(error))
    monkeypatch.setattr(Watcher, "state", raiser(error))
    sink = RecordingSink()
    watched = monitor(tmp_path, sinks=[sink])
    assert train(watched) == bare
    assert watched.failures["predictor"] == STEPS
    assert watched.failures["watcher.confirm"] >= 1
    assert watched.state_dict()["judge"] == b""
    assert sum(isinstance(record, Observation) for record in sink.records) == STEPS


@pytest.mark.parametrize("is_live", [True, False])
@pytest.mark.parametrize("error", [SinkError, OSError, RuntimeError, MemoryError])
def test_isolation_of_sinks(
    error: type[Exception], is_live: bool, bare: bytes, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sink = RecordingSink(live=is_live)
    monkeypatch.setattr(sink, "write", raiser(error))
    monkeypatch.setattr("grokwatch.callbacks.session.CLOSE_SECONDS", 0.3)
    watched = monitor(tmp_path, sinks=[sink])
    assert train(watched) == bare
    health = watched.health()
    assert health is not None
    assert health.sink_failures["RecordingSink:0"] >= 1
    assert not watched.failures


@pytest.mark.parametrize("place", ["signal", "hook", "predictor"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_isolation_lets_interrupts_pass(
    error: type[BaseException], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = [failing_signal(error)] if place == "signal" else []
    if place == "hook":
        monkeypatch.setattr(Session, "before_update", raiser(error))
    if place == "predictor":
        monkeypatch.setattr(Watcher, "consume", raiser(error))
    sink = RecordingSink()
    with pytest.raises(SystemExit):
        train(monitor(tmp_path, signals=signals, sinks=[sink]))
    assert sink.records[-1].status.value == "interrupted"  # type: ignore[union-attr]


def test_isolation_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Session, "before_update", raiser(ValueError))
    watched = monitor(tmp_path)
    train(watched)
    assert watched.failures == {"on_before_optimizer_step": STEPS}
    logged = [r for r in caplog.records if "on_before_optimizer_step" in r.message]
    assert len(logged) == 1
    assert logged[0].exc_info is not None


def test_isolation_of_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = monitor(tmp_path)
    train(watched)
    monkeypatch.setattr(Session, "memory", raiser(ValueError))
    assert watched.state_dict() == {}
    watched.load_state_dict({"nonsense": 1})
    assert watched.failures == {"state_dict": 1, "load_state_dict": 1}


def test_isolation_of_a_full_disk(
    bare: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grokwatch.monitor.journal import Journal

    def full(self: Journal, records: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "append", full)
    monkeypatch.setattr("grokwatch.callbacks.session.CLOSE_SECONDS", 0.3)
    watched = monitor(tmp_path)
    assert train(watched) == bare
    health = watched.health()
    assert health is not None
    assert health.journal_failures >= 1
