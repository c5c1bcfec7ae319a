"""The parts of the callbacks that no ordinary training reaches."""

import logging
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from grokwatch.callbacks.first_batch import FirstBatch, report
from grokwatch.callbacks.guard import guarded, guarded_setup
from grokwatch.callbacks.judge import Judge
from grokwatch.callbacks.metrics import Metrics
from grokwatch.callbacks.opening import versions
from grokwatch.callbacks.session import Session
from grokwatch.callbacks.settings import Settings
from grokwatch.callbacks.trainer_facts import ending, loss_of, updates_between
from grokwatch.callbacks.training import Training
from grokwatch.monitor.alerts.log import LogHook
from grokwatch.monitor.dispatch import Dispatcher
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.journal import Journal, read
from grokwatch.monitor.probe import Probe
from grokwatch.monitor.records import Alert, RunEnded, RunStarted, SkippedSignal, alert_id
from grokwatch.monitor.roles import Roles
from grokwatch.monitor.sinks import RecordingSink
from grokwatch.monitor.vocabulary import AlertCode, AlertState, RunStatus, Severity


class Guarded:
    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()

    @guarded_setup
    def prepare(self, error: BaseException) -> None:
        raise error

    @guarded
    def work(self, error: BaseException) -> None:
        raise error


def test_only_configuration_errors_leave_a_setup() -> None:
    subject = Guarded()
    subject.prepare(OSError())
    with pytest.raises(ConfigurationError):
        subject.prepare(ConfigurationError())
    subject.work(ConfigurationError())
    assert subject.failures == {"prepare": 1, "work": 1}


def test_interrupts_leave_every_hook() -> None:
    for hook in (Guarded().prepare, Guarded().work):
        with pytest.raises(KeyboardInterrupt):
            hook(KeyboardInterrupt())


def test_alerts_of_earlier_attempts_are_not_announced_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path, "run")
    code = AlertCode.LIKELY_GROKKING
    alert = Alert(
        run_id="run", seq=1, id=alert_id("run", code, 1), code=code, episode=1, step=3, time=0.0,
        severity=Severity.WARNING, state=AlertState.FIRING, message="",
    )  # fmt: skip
    journal.append([alert])
    journal.close()
    failures = Counter[str]()
    judge = Judge(RunStarted(run_id="run", attempt=2, time=0.0), "baseline:never", failures)
    remembered: list[Alert] = []
    monkeypatch.setattr(judge.watcher, "remember", remembered.append)
    judge.catch_up(journal.directory, b"")
    assert remembered == [alert]
    judge.catch_up(tmp_path / "missing", b"")
    assert failures == {"watcher.restore": 1}


def test_packages_that_are_missing_have_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grokwatch.callbacks.opening._PACKAGES", ("torch", "no-such-package"))
    assert set(versions()) == {"python", "torch"}


def test_settings_take_hooks_and_run_ids() -> None:
    settings = Settings(sinks=(), hooks=(LogHook(),), run_id="a-run")
    settings.check()
    assert list(settings.connect(None)) == ["hook:LogHook:0"]
    with pytest.raises(ConfigurationError, match="run"):
        Settings(sinks=(), run_id="../up").check()


@pytest.mark.parametrize(
    ("outputs", "accumulated", "loss"),
    [
        ({"loss": torch.tensor(2.0)}, 1, 2.0),
        (torch.tensor(2.0), 3, 6.0),
        (None, 1, None),
        ({}, 1, None),
        ({"loss": torch.zeros(2)}, 1, None),
    ],
)
def test_loss_is_the_one_that_the_module_returned(
    outputs: Any, accumulated: int, loss: float | None
) -> None:
    trainer = SimpleNamespace(accumulate_grad_batches=accumulated)
    found = loss_of(trainer, SimpleNamespace(automatic_optimization=True), outputs)
    assert (None if found is None else found.item()) == loss


@pytest.mark.parametrize(("optimizers", "steps", "updates"), [(1, 3, 3), (2, 2, 1), (2, 0, 0)])
def test_updates_are_counted_once(optimizers: int, steps: int, updates: int) -> None:
    assert updates_between(SimpleNamespace(optimizers=[0] * optimizers), 5, 5 + steps) == updates


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), RunStatus.INTERRUPTED),
        (SystemExit(1), RunStatus.INTERRUPTED),
        (ValueError("no"), RunStatus.FAILED),
    ],
)
def test_endings(error: BaseException, status: RunStatus) -> None:
    assert ending(error)[0] is status
    assert not ending(error)[1].endswith(": ")


def session(tmp_path: Path, module: nn.Module) -> Session:
    dispatcher = Dispatcher(journal := Journal.open(tmp_path, "run"), {})
    settings = Settings(sinks=(), hooks=(), budget=None)
    return Session(
        settings, Training(module=module), dispatcher, journal.directory, None, Counter()
    )


def test_session_ends_though_its_last_look_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = session(tmp_path, nn.Linear(2, 2))
    watched.before_batch((torch.zeros(4, 2), torch.zeros(4).long()))
    watched.after_batch(torch.tensor(1.0), 1)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(watched, "observe", fail)
    watched.end(RunStatus.FINISHED)
    assert watched._failures == {"last observation": 1}
    assert isinstance(list(read(watched.directory))[-1], RunEnded)


def test_session_without_a_batch_says_nothing_but_start_and_end(tmp_path: Path) -> None:
    watched = session(tmp_path, nn.Linear(2, 2))
    watched.observe()
    watched.evaluate(1.0, 1.0)
    watched.end(RunStatus.FINISHED)
    kinds = [type(record).__name__ for record in read(watched.directory)]
    assert kinds == ["RunStarted", "RunEnded"]


def test_first_batch_that_is_none_teaches_nothing() -> None:
    module = nn.Linear(2, 2)
    first = FirstBatch(Settings(), Training(module=module), None)
    session_sources = first.sources(Roles(), Any, None)  # type: ignore[arg-type]
    assert session_sources.probe is None
    assert session_sources.curvature is None
    assert [skip.name for skip in first.skipped] == ["train_accuracy"]


def test_a_named_metric_that_is_missing_is_named(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(Probe(test_accuracy="valacc"))
    assert metrics.test_accuracy.read({"val/acc": 0.5, "loss": 1.0}) is None
    assert caplog.messages == [
        "Found no metric 'valacc' among the logged metrics (loss, val/acc). "
        "Try Probe(test_accuracy='val/acc')."
    ]


def test_a_percentage_below_one_is_known_by_its_siblings() -> None:
    metrics = Metrics(Probe())
    logged = {"val_acc": torch.tensor(0.96), "train/acc": torch.tensor(40.0), "lr": 3.0}
    assert metrics.test_accuracy.read(logged) == pytest.approx(0.0096)
    assert "metric 'val_acc' is in percent, because 'train/acc' was 40" in metrics.guesses
    fractions = {"val_acc": torch.tensor(0.96), "train/acc": torch.tensor(0.4), "lr": 3.0}
    assert Metrics(Probe()).test_accuracy.read(fractions) == pytest.approx(0.96)


def test_the_other_kind_of_group_is_no_advice(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    remedies = (
        *("Probe(group='bits:30')", "Probe(group='symmetric:5')"),
        *("Probe(group='cyclic:67')", "Probe(loss=...)"),
    )
    skipped = tuple(SkippedSignal(name=r, reason="needs it", remedy=r) for r in remedies)
    guesses = ("told", "new", "newer")
    started = RunStarted(run_id="r", time=0.0, group="cyclic:7", skipped=skipped, guesses=guesses)
    report(started, told=("told",))
    first, *rest = caplog.records
    assert first.message == "Guessed: new; newer. Where that is wrong, say it in a Probe."
    levels = {remedy: r.levelname for r in rest for remedy in remedies if remedy in r.message}
    assert [levels[remedy] for remedy in remedies] == ["INFO"] * 2 + ["WARNING"] * 2


def test_where_a_service_is_pushed_to_it_alone_fires_hooks_that_targets_name() -> None:
    own = LogHook()
    hooks = ("log:", own, "log:other")
    pushed = Settings(sinks=("remote:http://127.0.0.1:8420",), hooks=hooks).connect(None)
    assert list(pushed) == ["remote:http://127.0.0.1:8420", "hook:LogHook:0"]
    alone = Settings(sinks=(), hooks=hooks).connect(None)
    assert list(alone) == ["hook:log:", "hook:LogHook:1", "hook:log:other"]


def test_a_sink_object_that_pushes_leaves_hooks_alone() -> None:
    connected = Settings(sinks=(RecordingSink(),), hooks=("log:",)).connect(None)
    assert list(connected) == ["RecordingSink:0", "hook:log:"]
