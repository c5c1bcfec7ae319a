"""When a training is stopped, on a Trainer that is only pretended."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from grokwatch.callbacks.early_stopping import GrokkingAwareEarlyStopping
from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.vocabulary import AlertCode, Stage

GRK001, GRK002 = AlertCode.LIKELY_GROKKING, AlertCode.WILL_NOT_GROK


class Watched(GrokkingMonitor):
    """A monitor that says what it is told to."""

    def __init__(self, step: int = 2000, *, stage: Stage = Stage.PLATEAU, **firing: Any) -> None:
        super().__init__(sinks=(), hooks=())
        self.step, self.stage, self.is_spared = step, stage, firing.pop("is_spared", False)
        self.firing = firing

    @property
    def watcher(self) -> Any:
        return SimpleNamespace(
            firing_since=lambda code: self.firing.get(code.value),
            stage=self.stage,
            is_spared=self.is_spared,
        )

    @property
    def last_assessment(self) -> Any:
        return SimpleNamespace(step=self.step)


class Silent(GrokkingMonitor):
    """A monitor whose session could not start."""


class Broken(GrokkingMonitor):
    """A monitor that fails when asked."""

    @property
    def watcher(self) -> Any:
        raise ZeroDivisionError


def trainer(*callbacks: Any, world_size: int = 1, others: bool = False) -> Any:
    strategy = SimpleNamespace(reduce_boolean_decision=lambda own, all: own or others)
    return SimpleNamespace(
        callbacks=callbacks, world_size=world_size, strategy=strategy, should_stop=False
    )


def look(stopping: GrokkingAwareEarlyStopping, host: Any) -> bool:
    stopping.on_train_batch_end(host, None, None, None, 0)
    stopping.on_train_epoch_end(host, None)
    assert not stopping.failures or isinstance(host.callbacks[0], Broken)
    return bool(host.should_stop)


@pytest.mark.parametrize(
    ("monitor", "expected"),
    [
        (Watched(), False),
        (Watched(GRK002=1000), True),
        (Watched(GRK002=2000), True),
        (Watched(GRK002=1000, GRK001=1500), False),
        (Watched(GRK001=1500), False),
        (Watched(GRK002=1000, is_spared=True), False),
        (Watched(GRK002=1000, stage=Stage.FITTING), False),
        (Watched(GRK002=1000, stage=Stage.GENERALIZED), False),
        (Watched(GRK002=1000, stage=Stage.CLEANUP), True),
        (Watched(GRK003=1000, GRK004=1000), False),
        (Silent(sinks=(), hooks=()), False),
    ],
)
def test_a_run_that_is_given_up_is_stopped_and_no_other(
    monitor: GrokkingMonitor, expected: bool
) -> None:
    stopping = GrokkingAwareEarlyStopping()
    assert look(stopping, trainer(monitor)) == expected
    assert stopping.stopped_step == (2000 if expected else None)


def test_patience_is_counted_from_the_alert() -> None:
    stopping = GrokkingAwareEarlyStopping(patience=500)
    stopped = [look(stopping, trainer(Watched(step, GRK002=1000))) for step in (1499, 1500, 1600)]
    assert stopped == [False, True, True]
    assert stopping.stopped_step == 1500


@pytest.mark.parametrize(
    ("monitor", "line"),
    [
        (Watched(GRK001=1500), "likely to generalise: not stopped while GRK001 fires"),
        (Watched(GRK002=1000, is_spared=True), "this run is spared: it is not stopped"),
        (Watched(GRK002=1000), "stopped at step 2,000: GRK002 fires since step 1,000"),
    ],
)
def test_it_says_once_why(
    monitor: GrokkingMonitor, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = GrokkingAwareEarlyStopping()
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            look(stopping, trainer(monitor))
    assert [line in record.getMessage() for record in caplog.records] == [True]


def test_a_failure_of_ours_is_contained_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stopping = GrokkingAwareEarlyStopping()
    host = trainer(Broken(sinks=(), hooks=()))
    assert not look(stopping, host)
    assert not look(stopping, host)
    assert stopping.failures["early stopping"] == 2
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("given_up", "others"), [(True, False), (False, True), (False, False)])
def test_processes_stop_together_at_the_end_of_an_epoch(given_up: bool, others: bool) -> None:
    stopping = GrokkingAwareEarlyStopping()
    monitor = Watched(GRK002=1000) if given_up else Silent(sinks=(), hooks=())
    host = trainer(monitor, world_size=2, others=others)
    stopping.on_train_batch_end(host, None, None, None, 0)
    assert not host.should_stop
    stopping.on_train_epoch_end(host, None)
    assert host.should_stop == (given_up or others)


def test_what_another_callback_stopped_stays_stopped() -> None:
    for world_size in (1, 2):
        host = trainer(Watched(GRK001=10), world_size=world_size)
        host.should_stop = True
        assert look(GrokkingAwareEarlyStopping(), host)


def test_a_negative_patience_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="Expected a patience of 0 or more steps, got -1"):
        GrokkingAwareEarlyStopping(patience=-1)


def test_a_trainer_without_a_monitor_is_refused_before_training() -> None:
    stopping = GrokkingAwareEarlyStopping()
    with pytest.raises(ConfigurationError, match=r"Expected a GrokkingMonitor among the Trainer's"):
        stopping.setup(trainer(), None, "fit")
    stopping.setup(trainer(), None, "validate")
    stopping.setup(trainer(Watched()), None, "fit")


def test_a_share_of_spared_runs_out_of_range_is_refused_at_set_up() -> None:
    monitor = GrokkingMonitor(sinks=(), hooks=(), spare=1.5)
    model = nn.Linear(2, 2)
    with pytest.raises(ConfigurationError, match=r"lasting >= 1 and 0 <= spare <= 1, got"):
        monitor.setup(trainer(monitor), model, "fit")
