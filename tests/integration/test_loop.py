"""LoopMonitor in a plain loop, beside GrokkingMonitor in a Trainer."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.callbacks.loop import LoopMonitor
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.journal import read
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.records import AnyRecord, Evaluation, Observation, RunEnded, RunStarted
from grokwatch.monitor.vocabulary import RunStatus

ORDER = 7
STEPS = 40
PAIRS = torch.cartesian_prod(torch.arange(ORDER), torch.arange(ORDER))
BATCH = (PAIRS, PAIRS.sum(1) % ORDER)


class Adder(pl.LightningModule):
    """Adds modulo 7; a Trainer can train it, and a plain loop too."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Embedding(ORDER, 8), nn.Flatten(), nn.Dropout(dropout), nn.Linear(16, ORDER)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.net(tokens)
        return out

    def training_step(self, batch: Any) -> Tensor:
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.01, weight_decay=0.1)


@pytest.fixture
def watch(tmp_path: Path) -> Callable[..., LoopMonitor]:
    def make(module: nn.Module, *probe: Probe, **settings: Any) -> LoopMonitor:
        defaults: dict[str, Any] = {"sinks": (), "budget": None, "steps": STEPS}
        return LoopMonitor(module, *probe, directory=tmp_path / "loop", **defaults | settings)

    return make


def adder(dropout: float = 0.0) -> Adder:
    torch.manual_seed(0)
    return Adder(dropout)


def loop(
    module: Adder,
    monitor: LoopMonitor | None = None,
    optimizer: torch.optim.Optimizer | None = None,
) -> Iterator[int]:
    """Train, and give each step after it was made."""
    optimizer = optimizer or module.configure_optimizers()
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        if monitor:
            monitor.before_batch(BATCH)
        loss = module.training_step(BATCH)
        torch.autograd.backward(loss)
        if monitor:
            monitor.before_update()
        optimizer.step()
        if monitor:
            monitor.after_update(loss)
        yield step


def records_of(monitor: LoopMonitor | GrokkingMonitor) -> list[AnyRecord]:
    return list(read(monitor.directory))


def measured(records: list[AnyRecord]) -> dict[int, dict[str, Any]]:
    """All that was measured, by step, but for what depends on the time it took."""
    return {
        record.step: {
            **{key: value for key, value in record.values.items() if key != "overhead_ratio"},
            "train_loss": record.train_loss,
            "train_accuracy": record.train_accuracy,
        }
        for record in records
        if isinstance(record, Observation)
    }


def ended(monitor: LoopMonitor) -> RunEnded:
    (found,) = [record for record in records_of(monitor) if isinstance(record, RunEnded)]
    return found


def test_a_loop_is_seen_as_a_trainer_s_training_is(
    watch: Callable[..., LoopMonitor], tmp_path: Path
) -> None:
    module = adder()
    optimizer = module.configure_optimizers()
    with watch(module, optimizer=optimizer) as own:
        assert list(loop(module, own, optimizer)) == list(range(1, STEPS + 1))

    hosted = GrokkingMonitor(sinks=(), budget=None, directory=tmp_path / "hosted")
    trainer = pl.Trainer(
        max_steps=STEPS,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[hosted],
    )
    trainer.fit(adder(), DataLoader(TensorDataset(*BATCH), batch_size=len(PAIRS)))

    seen, expected = measured(records_of(own)), measured(records_of(hosted))
    assert seen == expected
    assert len(seen) == STEPS
    assert {"sharpness", "update_curvature", "gradient_norm"} <= set(seen[STEPS])
    assert own.failures == hosted.failures == {}


def test_a_run_is_told_from_start_to_end(watch: Callable[..., LoopMonitor]) -> None:
    module = adder()
    options = {"name": "adder", "run_id": "run-1", "hyper_parameters": {"lr": 0.01, "names": [1]}}
    with watch(module, Probe(group="cyclic:7"), **options) as monitor:
        for step in loop(module, monitor):
            assert monitor.step == step
            if step % 10 == 0:
                monitor.evaluated(test_loss=1.0 / step, test_accuracy=step / 100)
        monitor.close()
    assert sum(isinstance(record, RunEnded) for record in records_of(monitor)) == 1
    first, *rest = records_of(monitor)
    assert isinstance(first, RunStarted)
    assert (first.name, first.run_id, first.budget_steps) == ("adder", "run-1", STEPS)
    assert first.hyper_parameters == {"lr": 0.01, "names": "[1]"}
    assert first.group == "cyclic:7"
    evaluations = [record for record in rest if isinstance(record, Evaluation)]
    assert [(e.step, e.test_loss, e.test_accuracy) for e in evaluations] == [
        (step, 1.0 / step, step / 100) for step in (10, 20, 30, 40)
    ]
    assert (ended(monitor).status, ended(monitor).step) == (RunStatus.FINISHED, STEPS)
    assert monitor.run_id == "run-1"
    assert monitor.last_assessment is not None


def test_training_is_the_same_with_and_without_it(watch: Callable[..., LoopMonitor]) -> None:
    weights, draws = [], []
    for is_watched in (True, False):
        module = adder(dropout=0.3)
        with watch(module) if is_watched else nullcontext() as monitor:
            list(loop(module, monitor))
        weights.append(module.state_dict())
        draws.append(torch.rand(3))
        if monitor is not None:
            assert "sharpness" in measured(records_of(monitor))[STEPS]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert torch.equal(*draws)
    assert not torch.equal(weights[0]["net.0.weight"], adder().state_dict()["net.0.weight"])


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ZeroDivisionError("by nothing"), RunStatus.FAILED, "ZeroDivisionError: by nothing"),
        (KeyboardInterrupt(), RunStatus.INTERRUPTED, "KeyboardInterrupt"),
        (SystemExit(1), RunStatus.INTERRUPTED, "SystemExit"),
    ],
    ids=["error", "interrupt", "exit"],
)
def test_a_run_that_breaks_off_says_how(
    watch: Callable[..., LoopMonitor], error: BaseException, status: RunStatus, message: str
) -> None:
    module = adder()
    monitor = watch(module)

    def break_off() -> None:
        with monitor:
            for step in loop(module, monitor):
                if step == 5:
                    raise error

    with pytest.raises(type(error)):
        break_off()
    found = ended(monitor)
    assert (found.step, found.status, found.message) == (5, status, message)


def test_a_run_that_ends_before_its_first_batch_is_closed(
    watch: Callable[..., LoopMonitor],
) -> None:
    with watch(adder()) as monitor:
        monitor.evaluated(test_accuracy=0.1)
    assert ended(monitor).step == 0
    assert monitor.failures == {}


class Shelf:
    """A sink that takes files, and nothing else."""

    live = True

    def __init__(self) -> None:
        self.files: list[tuple[str, Path]] = []

    def write(self, records: Sequence[AnyRecord], /) -> None: ...

    def attach(self, run_id: str, path: Path, /) -> None:
        self.files.append((run_id, path))

    def close(self) -> None: ...


@pytest.mark.parametrize("report", [True, False])
def test_a_report_is_made_at_the_end_where_it_was_asked_for(
    watch: Callable[..., LoopMonitor], report: bool
) -> None:
    module, shelf = adder(), Shelf()
    with watch(module, sinks=[shelf], report=report) as monitor:
        steps = list(loop(module, monitor))
    page = monitor.directory / "report.html"
    assert steps[-1] == STEPS
    assert page.is_file() == report
    assert shelf.files == ([(monitor.run_id, page)] if report else [])
    assert monitor.failures == {}


def test_updates_alone_are_enough_to_watch_the_weights(watch: Callable[..., LoopMonitor]) -> None:
    module = adder()
    with watch(module) as monitor:
        for step in loop(module):
            if step in {1, 2, 3}:
                monitor.after_update()
    last = measured(records_of(monitor))[3]
    assert last["weight_norm"] is not None
    assert math.isnan(last["train_loss"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"predictor": "oracle:"}, "oracle"),
        ({"sinks": ["telegram:me"]}, "telegram"),
        ({"hooks": ["pager:me"]}, "pager"),
        ({"budget": 0.0}, "budget"),
        ({"run_id": "../elsewhere"}, "elsewhere"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_configuration_that_cannot_work_is_refused_at_once(
    watch: Callable[..., LoopMonitor], tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        watch(adder(), **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_probe_that_does_not_fit_is_refused_at_once(
    watch: Callable[..., LoopMonitor], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.weight"):
        watch(adder(), Probe(roles={"input": "missing.weight"}))
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_in_the_monitor_stays_in_it(
    watch: Callable[..., LoopMonitor], caplog: pytest.LogCaptureFixture
) -> None:
    module = adder()
    with watch(module) as monitor:
        for step in loop(module, monitor):
            if step in {3, 4}:
                monitor.after_update("not a loss")  # type: ignore[arg-type]
    assert monitor.failures == {"after_update": 2}
    assert sum("training goes on" in message for message in caplog.messages) == 1
    assert ended(monitor).status is RunStatus.FINISHED
