"""GrokkingMonitor in real Trainers of both packages."""

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import lightning.pytorch as lightning
import msgspec
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.monitor import presets
from grokwatch.monitor.errors import ConfigurationError, ProbeError
from grokwatch.monitor.journal import read
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.records import (
    AnyRecord,
    Evaluation,
    Observation,
    Record,
    RunEnded,
    RunStarted,
    WeightFrame,
)
from grokwatch.monitor.schedule import every
from grokwatch.monitor.sinks import RecordingSink
from grokwatch.monitor.snapshot import Need
from grokwatch.monitor.vocabulary import RunStatus

RecordT = TypeVar("RecordT", bound=Record)
ORDER = 7
PAIRS = torch.cartesian_prod(torch.arange(ORDER), torch.arange(ORDER))
DATA = TensorDataset(PAIRS, PAIRS.sum(1) % ORDER)
PACKAGES = [pl, lightning]

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*exists and is not empty"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
]


def adder(package: ModuleType, **behavior: Any) -> Any:
    """A module of one package that adds modulo 7, with the odd behavior asked for."""

    class Adder(package.LightningModule):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.save_hyperparameters({"width": 8, "names": ["a", "b"]})
            self.net = nn.Sequential(nn.Embedding(ORDER, 8), nn.Flatten(), nn.Linear(16, ORDER))

        def forward(self, tokens: Tensor) -> Tensor:
            out: Tensor = self.net(tokens)
            return out

        def training_step(self, batch: Any, index: int) -> Any:
            loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
            return behavior.get("loss", lambda value, step: value)(loss, self.global_step)

        def validation_step(self, batch: Any, index: int) -> None:
            accuracy = (self(batch[0]).argmax(-1) == batch[1]).float().mean()
            behavior.get("log", lambda s, a: s.log("val_acc", a))(self, accuracy)

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=0.01, weight_decay=0.1)

    torch.manual_seed(0)
    return Adder()


def trainer(package: ModuleType, *callbacks: Any, **settings: Any) -> Any:
    quiet: dict[str, Any] = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
        "max_steps": 10,
        "num_sanity_val_steps": 0,
    }
    return package.Trainer(callbacks=list(callbacks), **quiet | settings)


def monitor(tmp_path: Path, *probe: Probe, **settings: Any) -> GrokkingMonitor:
    defaults: dict[str, Any] = {"sinks": [], "budget": None, "schedule": every(1)}
    return GrokkingMonitor(*probe, directory=tmp_path, **defaults | settings)


def fit(
    watched: GrokkingMonitor,
    package: ModuleType = pl,
    *,
    batch_size: int = 49,
    ckpt_path: str | None = None,
    module: Any = None,
    **settings: Any,
) -> list[AnyRecord]:
    """Train an adder and give the journal of the run."""
    loaders = DataLoader(DATA, batch_size), DataLoader(DATA, 49)
    host = trainer(package, watched, **settings)
    host.fit(module or adder(package), *loaders, ckpt_path=ckpt_path)
    return list(read(watched.directory))


def of(kind: type[RecordT], records: list[AnyRecord]) -> list[RecordT]:
    return [record for record in records if isinstance(record, kind)]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_a_run_is_told_from_start_to_end(package: ModuleType, tmp_path: Path) -> None:
    watched = monitor(tmp_path, name="adder")
    records = fit(watched, package, num_sanity_val_steps=1)
    (started,) = of(RunStarted, records)
    observations = of(Observation, records)
    assert records[0] == started
    assert [observation.step for observation in observations] == list(range(1, 11))
    assert [evaluation.step for evaluation in of(Evaluation, records)] == list(range(1, 11))
    looked = [(frame.step, frame.role) for frame in of(WeightFrame, records)]
    assert looked == [(n, role) for n in range(1, 11) for role in ("embedding", "unembedding")]
    assert [ended.status for ended in of(RunEnded, records)] == [RunStatus.FINISHED]
    assert started.name == "adder"
    assert started.group == "cyclic:7"
    assert started.budget_steps == 10
    assert started.hyper_parameters["optimizer.weight_decay"] == 0.1
    assert started.hyper_parameters["names"] == "['a', 'b']"
    assert started.versions["torch"] == str(torch.__version__)
    assert "test accuracy is the metric 'val_acc'" in started.guesses
    assert any("the train loss is mean cross-entropy" in guess for guess in started.guesses)
    last = observations[-1]
    assert last.errors == {}
    assert {"sharpness", "update_curvature", "gradient_norm", "weight_norm"} <= set(last.values)
    assert "inverse_participation_ratio.excess@embedding" in last.values
    assert watched.last_observation == watched._last.last_observation  # type: ignore[union-attr]
    assert watched.last_assessment is not None
    assert watched.failures == {}
    health = watched.health()
    assert health is not None
    assert health.dropped == {}


@pytest.mark.parametrize("installed", ["pytorch_lightning", "lightning"])
@pytest.mark.slow
def test_one_package_is_enough(installed: str, tmp_path: Path) -> None:
    other = {"pytorch_lightning", "lightning"} - {installed}
    host = installed if installed == "pytorch_lightning" else "lightning.pytorch"
    code = f"""
import sys, importlib.abc
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {other.pop()!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import importlib.util as util
find = util.find_spec
def find_spec(name, *rest):
    try:
        return find(name, *rest)
    except ModuleNotFoundError:
        return None
util.find_spec = find_spec
from grokwatch.callbacks.lightning import GrokkingMonitor
import {host} as package
assert issubclass(GrokkingMonitor, package.Callback)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_steps_are_updates_under_accumulation(tmp_path: Path) -> None:
    records = fit(
        monitor(tmp_path), batch_size=10, accumulate_grad_batches=2, max_steps=-1, max_epochs=2
    )
    observations = of(Observation, records)
    assert [observation.step for observation in observations] == [1, 2, 3, 4, 5, 6]
    assert of(RunStarted, records)[0].budget_steps == 6


def test_loss_of_an_update_is_the_mean_of_its_batches(tmp_path: Path) -> None:
    losses: list[float] = []

    def note(loss: Tensor, step: int) -> Tensor:
        losses.append(loss.item())
        return loss

    records = fit(
        monitor(tmp_path),
        batch_size=25,
        accumulate_grad_batches=2,
        max_steps=3,
        module=adder(pl, loss=note),
    )
    means = [sum(losses[i : i + 2]) / 2 for i in range(0, 6, 2)]
    assert [o.train_loss for o in of(Observation, records)] == pytest.approx(means, rel=1e-6)


def test_several_optimizers_count_once(tmp_path: Path) -> None:
    class Pair(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.automatic_optimization = False
            self.a, self.b = nn.Linear(2, 3), nn.Linear(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.a(x.float()) + self.b(x.float())
            return out

        def training_step(self, batch: Any, index: int) -> dict[str, Tensor]:
            for optimizer in self.optimizers():  # type: ignore[union-attr]
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(self(batch[0]), batch[1] % 3)
                self.manual_backward(loss)
                optimizer.step()
            return {"loss": loss.detach()}

        def validation_step(self, batch: Any, index: int) -> None:
            """Validate nothing."""

        def configure_optimizers(self) -> Any:
            return [torch.optim.SGD(part.parameters(), lr=0.1) for part in (self.a, self.b)]

    watched = monitor(tmp_path)
    records = fit(watched, module=Pair())
    assert [observation.step for observation in of(Observation, records)] == [1, 2, 3, 4, 5]
    assert watched.failures == {}


def values_of(records: list[AnyRecord], attempt: int) -> dict[int, dict[str, float]]:
    return {
        o.step: {k: v for k, v in o.values.items() if k != "overhead_ratio"} | {"l": o.train_loss}
        for o in of(Observation, records)
        if o.attempt == attempt
    }


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_resume_goes_on_bit_for_bit(package: ModuleType, tmp_path: Path) -> None:
    saving = package.callbacks.ModelCheckpoint(
        tmp_path, "{step}", every_n_train_steps=30, save_top_k=-1
    )
    first = monitor(tmp_path)
    host = trainer(
        package, first, saving, enable_checkpointing=True, max_steps=60, limit_val_batches=0
    )
    host.fit(adder(package), DataLoader(DATA, 49), DataLoader(DATA, 49))
    second = monitor(tmp_path)
    path = str(tmp_path / "step=30.ckpt")
    records = fit(second, package, max_steps=60, ckpt_path=path, limit_val_batches=0)
    assert second.run_id == first.run_id
    before, after = values_of(records, 1), values_of(records, 2)
    assert list(after) == list(range(31, 61))
    # the first update after the resume has no neighbor to compare with
    of_pairs = {s.name for s in presets.choose("standard") if Need.UPDATE in s.needs}
    missing = set(before[31]) - set(after[31])
    assert {re.split("[.@]", key)[0] for key in missing} == of_pairs
    assert {s: before[s] for s in range(32, 61)} == {s: after[s] for s in range(32, 61)}
    assert len({record.seq for record in records}) == len(records)
    assert second.last_assessment is not None
    assert first.last_assessment is not None
    assert second.last_assessment == msgspec.structs.replace(
        first.last_assessment, time=second.last_assessment.time
    )
    assert second.failures == {}


def test_checkpoint_without_us_starts_a_run_at_its_step(tmp_path: Path) -> None:
    saving = pl.callbacks.ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=4, save_top_k=-1)
    host = trainer(pl, saving, enable_checkpointing=True, max_steps=4)
    host.fit(adder(pl), DataLoader(DATA, 49), DataLoader(DATA, 49))
    records = fit(monitor(tmp_path), ckpt_path=str(tmp_path / "step=4.ckpt"))
    assert [o.step for o in of(Observation, records)] == list(range(5, 11))


def test_state_of_another_version_costs_the_state_only(tmp_path: Path) -> None:
    watched = monitor(tmp_path)
    fit(watched)
    state = watched.state_dict() | {"judge": b"old", "tracker": b"old"}

    class Resumed(GrokkingMonitor):
        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            self.load_state_dict(state)

    resumed = Resumed(directory=tmp_path, sinks=[], budget=None, schedule=every(1))
    records = fit(resumed)
    assert resumed.failures == {"watcher.restore": 1, "tracker.restore": 1}
    assert len(values_of(records, 2)) == 10


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (lambda s, a: s.log("val_acc", a * 0 + 0.5), 0.5),
        (lambda s, a: s.log("val_acc", a * 0 + 50.0), 0.5),
        (lambda s, a: s.log("test/accuracy", a * 0 + 0.5), 0.5),
        (lambda s, a: s.log("ValidationAccuracy", a), None),
        (lambda s, a: None, None),
    ],
)
def test_test_accuracy_is_found(
    log: Callable[[Any, Tensor], None], expected: float | None, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    watched = monitor(tmp_path)
    evaluations = of(Evaluation, fit(watched, module=adder(pl, log=log)))
    assert [e.test_accuracy for e in evaluations] == [expected] * (10 if expected else 0)
    missing = [r for r in caplog.records if "Found no test accuracy" in r.message]
    assert len(missing) == (expected is None)


def test_stale_metrics_are_not_read_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def sometimes(module: Any, accuracy: Tensor) -> None:
        calls.append(1)
        if len(calls) % 4 == 1:
            module.log("val_acc", accuracy)

    records = fit(monitor(tmp_path), module=adder(pl, log=sometimes))
    assert len(calls) == 10
    assert [evaluation.step for evaluation in of(Evaluation, records)] == [1, 5, 9]


def test_same_value_logged_anew_is_fresh(tmp_path: Path) -> None:
    def constant(module: Any, accuracy: Tensor) -> None:
        module.log("val_acc", 0.25)

    records = fit(monitor(tmp_path), module=adder(pl, log=constant))
    assert len(of(Evaluation, records)) == 10


def test_named_metrics_win(tmp_path: Path) -> None:
    def two(module: Any, accuracy: Tensor) -> None:
        module.log_dict({"val_acc": 0.1, "held": 0.2, "held_loss": 3.0})

    probe = Probe(test_accuracy="held", test_loss="held_loss")
    (first, *_) = of(Evaluation, fit(monitor(tmp_path, probe), module=adder(pl, log=two)))
    assert first.test_accuracy == pytest.approx(0.2)
    assert first.test_loss == 3.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_losses_that_are_not_finite_are_told(value: float, tmp_path: Path) -> None:
    def spoil(loss: Tensor, step: int) -> Tensor:
        return loss * value if step >= 5 else loss

    watched = monitor(tmp_path)
    observations = of(Observation, fit(watched, module=adder(pl, loss=spoil)))
    assert [torch.isfinite(torch.tensor(o.train_loss)).item() for o in observations] == (
        [True] * 5 + [False] * 5
    )
    assert watched.failures == {}


def test_skipped_steps_are_no_updates(tmp_path: Path) -> None:
    def skip(loss: Tensor, step: int) -> Tensor | None:
        skipped.append(step)
        return None if len(skipped) < 3 else loss

    skipped: list[int] = []
    watched = monitor(tmp_path)
    with pytest.warns(UserWarning, match="returned `None`"):
        records = fit(watched, module=adder(pl, loss=skip), max_steps=4)
    assert watched.failures == {}
    assert [o.step for o in of(Observation, records)][-1] == 4


def test_empty_epochs_start_and_end_a_run(tmp_path: Path) -> None:
    watched = monitor(tmp_path)
    records = fit(watched, limit_train_batches=0, max_steps=-1, max_epochs=2)
    assert watched.failures == {}
    assert watched.run_id is None or isinstance(records[-1], RunEnded)


def test_no_steps_at_all(tmp_path: Path) -> None:
    watched = monitor(tmp_path)
    trainer(pl, watched, max_steps=0).fit(adder(pl), DataLoader(DATA, 49), DataLoader(DATA, 49))
    assert watched.failures == {}


def test_two_trainers_in_one_process(tmp_path: Path) -> None:
    inner, outer = monitor(tmp_path), monitor(tmp_path)

    class Nested(pl.Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step == 5:
                fit(inner, lightning)

    records = fit_with(outer, Nested())
    assert inner.run_id != outer.run_id
    assert [o.step for o in of(Observation, records)] == list(range(1, 11))
    assert [o.step for o in of(Observation, list(read(inner.directory)))] == list(range(1, 11))


def fit_with(watched: GrokkingMonitor, *others: Any, **settings: Any) -> list[AnyRecord]:
    host = trainer(pl, *others, watched, **settings)
    host.fit(adder(pl), DataLoader(DATA, 49), DataLoader(DATA, 49))
    return list(read(watched.directory))


def test_second_fit_is_a_run_of_its_own(tmp_path: Path) -> None:
    watched = monitor(tmp_path, sinks=[RecordingSink()])
    first, first_id = fit(watched), watched.run_id
    second = fit(watched)
    assert watched.run_id != first_id
    assert len(of(Observation, first)) == len(of(Observation, second)) == 10


def test_attached_mlflow_logger_lends_its_run(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    logger = pl.loggers.MLFlowLogger("adders", tracking_uri=uri, save_dir=str(tmp_path))
    watched = GrokkingMonitor(directory=tmp_path, budget=None, schedule=every(5), hooks=())
    watched._settings = _without_exporter(watched)
    fit(watched, logger=logger)
    assert watched.run_id == logger.run_id
    assert logger.run_id is not None
    history = MlflowClient(uri).get_metric_history(logger.run_id, "grokwatch weights/weight_norm")
    assert [point.step for point in history] == [5, 10]


def _without_exporter(watched: GrokkingMonitor) -> Any:
    """The default sinks, but for a free port."""
    import dataclasses

    from grokwatch.callbacks import settings

    class Free(settings.Settings):
        def connect(self, tracking: str | None) -> Any:
            connected = super().connect(tracking)
            connected.pop(settings.DEFAULT_SINKS[1])
            return connected

    fields = {f.name: getattr(watched._settings, f.name) for f in dataclasses.fields(Free)}
    return Free(**fields)


def test_folder_that_cannot_be_written_gives_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    watched = monitor(tmp_path / "file")
    records = fit(watched)
    assert len(of(Observation, records)) == 10
    assert tmp_path not in watched.directory.parents
    assert "This training is recorded in" in caplog.text


def test_second_writer_of_a_run_gets_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from grokwatch.monitor.journal import Journal

    held = Journal.open(tmp_path, "taken")
    watched = monitor(tmp_path)

    class Same(pl.Callback):
        def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
            from grokwatch.callbacks.session import SessionMemory

            watched._memory = SessionMemory(run_id="taken", step=0)

    try:
        records = fit_with(watched, Same())
    finally:
        held.close()
    assert watched.run_id is not None
    assert watched.run_id.startswith("taken-")
    assert len(of(Observation, records)) == 10
    assert "recorded as run taken-" in caplog.text


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"budget": 3.0}, "Expected a budget in"),
        ({"predictor": "oracle:"}, "Expected a predictor among"),
        ({"sinks": ["nowhere:"]}, "Expected a sink among"),
        ({"hooks": ["pigeon:"]}, "Expected an alert hook among"),
    ],
)
def test_bad_configuration_is_refused_before_training(
    settings: dict[str, Any], match: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=match):
        fit(monitor(tmp_path, **settings))


def test_bad_probe_is_refused_before_training(tmp_path: Path) -> None:
    probe = Probe(roles={"embedding": "embed"})
    with pytest.raises(ProbeError, match=r"got 'embed'\. Try one of .*net\.0\.weight"):
        fit(monitor(tmp_path, probe))


def test_probe_is_checked_against_what_setup_makes(tmp_path: Path) -> None:
    class Late(pl.LightningModule):
        def configure_model(self) -> None:
            self.net = nn.Linear(2, 3)

        def training_step(self, batch: Any, index: int) -> Tensor:
            return nn.functional.cross_entropy(self.net(batch[0].float()), batch[1] % 3)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    def run(*probe: Probe) -> None:
        host = trainer(pl, monitor(tmp_path, *probe))
        host.fit(Late(), DataLoader(DATA, 49))

    run()
    with pytest.raises(ProbeError, match=r"net\.weight \(3, 2\)"):
        run(Probe(group="cyclic:97"))


def test_module_without_forward_falls_back_on_a_logged_accuracy(tmp_path: Path) -> None:
    class Opaque(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(2, 3)

        def training_step(self, batch: Any, index: int) -> Tensor:
            logits = self.net(batch[0].float())
            accuracy = (logits.argmax(-1) == batch[1] % 3).float().mean()
            self.log("train_acc", 100 * accuracy + 1, on_step=True, on_epoch=False)
            return nn.functional.cross_entropy(logits, batch[1] % 3)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    watched = monitor(tmp_path)
    trainer(pl, watched).fit(Opaque(), DataLoader(DATA, 49))
    records = list(read(watched.directory))
    skipped = {skip.name: skip for skip in of(RunStarted, records)[0].skipped}
    assert "forward" in skipped["train_accuracy"].reason
    assert "sharpness" in skipped
    accuracies = [o.train_accuracy for o in of(Observation, records)]
    assert all(accuracy is not None and 0 < accuracy < 1 for accuracy in accuracies)


def test_failing_training_is_told(tmp_path: Path) -> None:
    def explode(loss: Tensor, step: int) -> Tensor:
        if step == 3:
            raise ZeroDivisionError("by hand")
        return loss

    watched = monitor(tmp_path)
    with pytest.raises(ZeroDivisionError):
        fit(watched, module=adder(pl, loss=explode))
    ended = list(read(watched.directory))[-1]
    assert isinstance(ended, RunEnded)
    assert ended.status is RunStatus.FAILED
    assert ended.step == 3
    assert ended.message == "ZeroDivisionError: by hand"


def test_sigterm_is_an_interruption(tmp_path: Path) -> None:
    def terminate(loss: Tensor, step: int) -> Tensor:
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss

    watched = monitor(tmp_path)
    with pytest.raises(BaseException, match=r".*") as caught:
        fit(watched, module=adder(pl, loss=terminate))
    assert type(caught.value).__name__ == "SIGTERMException"
    ended = list(read(watched.directory))[-1]
    assert isinstance(ended, RunEnded)
    assert ended.status is RunStatus.INTERRUPTED


def test_other_ranks_do_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Trainer, "is_global_zero", property(lambda self: False))
    watched = monitor(tmp_path)
    trainer(pl, watched).fit(adder(pl), DataLoader(DATA, 49), DataLoader(DATA, 49))
    assert watched.run_id is None
    assert not (tmp_path / "runs").exists()


def test_defaults_need_no_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watched = GrokkingMonitor()
    assert watched.last_observation is None
    assert watched.last_assessment is None
    assert watched.health() is None
    assert watched.state_dict() == {}
    assert watched.state_key == "GrokkingMonitor[]"
    assert GrokkingMonitor(name="b").state_key == "GrokkingMonitor[b]"


def test_compiled_module_does_not_break(tmp_path: Path) -> None:
    module = adder(pl)
    module.net = torch.compile(module.net, backend="eager")
    watched = monitor(tmp_path)
    records = fit(watched, module=module)
    assert watched.failures == {}
    assert of(Observation, records)[-1].errors == {}


def test_guesses_are_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    fit(monitor(tmp_path))
    guesses = [r for r in caplog.records if r.message.startswith("Guessed: ")]
    for guess in (" embedding is", "test accuracy is the metric"):
        assert sum(r.message.count(guess) for r in guesses) == 1, guess
    assert {r.levelno for r in guesses} == {logging.WARNING}, "said also without set-up"
