"""Every listed signal has finite values on the demo's tasks, or a sentence that says why not."""

import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.experiments.modules import Classifier
from grokwatch.experiments.recipes import ADDITION, PARITY, Recipe, build, fit
from grokwatch.experiments.workloads import Transformer
from grokwatch.monitor.journal import read
from grokwatch.monitor.records import Observation, RunStarted
from grokwatch.monitor.schedule import every
from grokwatch.monitor.signals import ALL

STEPS = 400
PAGE = Path(__file__).parents[2] / "docs" / "signals.md"
# a first passage that is not in sight is infinitely far
INFINITE = {"norm_crossing"}


def watched(monitor: GrokkingMonitor) -> tuple[RunStarted, Observation]:
    """What was said at the start, and the last observation; nothing may have failed."""
    records = list(read(monitor.directory))
    started = next(record for record in records if isinstance(record, RunStarted))
    observed = [record for record in records if isinstance(record, Observation)]
    assert not monitor.failures
    for observation in observed:
        assert observation.errors == {}, observation.step
    return started, observed[-1]


def names(observation: Observation) -> set[str]:
    """Signals that have values, all of them finite."""
    found: dict[str, list[float]] = {}
    for key, value in observation.values.items():
        found.setdefault(key.partition("@")[0].partition(".")[0], []).append(value)
    return {
        name
        for name, values in found.items()
        if all(map(math.isfinite, values))
        or (name in INFINITE and not any(map(math.isnan, values)))
    }


def monitor_in(directory: Path, probe: Any = None) -> GrokkingMonitor:
    return GrokkingMonitor(
        probe,
        signals="full",
        sinks=(),
        hooks=(),
        directory=directory,
        budget=None,
        schedule=every(25),
    )


def demo(recipe: Recipe, directory: Path) -> tuple[RunStarted, Observation]:
    """Train a recipe for a while under the full preset."""
    parts = build(recipe, recipe.seed)
    monitor = monitor_in(directory, parts.probe)
    fit(parts, STEPS, [monitor])
    return watched(monitor)


def unavailable(started: RunStarted) -> set[str]:
    return {skip.name for skip in started.skipped}


@pytest.mark.slow
def test_every_signal_has_a_value_on_some_task_or_a_sentence(tmp_path: Path) -> None:
    on_addition, observation = demo(ADDITION, tmp_path / "addition")
    every_name = {signal.name for signal in ALL}
    assert names(observation) >= every_name - unavailable(on_addition)
    on_parity, other = demo(PARITY, tmp_path / "parity")
    assert names(other) >= every_name - unavailable(on_parity)
    page = PAGE.read_text()
    section = page.partition("## Without a value on the demo")[2].partition("\n## ")[0]
    for name in unavailable(on_addition):
        assert f"`{name}`" in section, name


def test_attention_has_values_on_a_transformer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokens = torch.randint(11, (64, 5))
    batch = (tokens, tokens[:, 0])
    module = Classifier(Transformer(vocabulary=11, width=12, layers=2), ADDITION.optimizer)
    monitor = monitor_in(tmp_path)
    trainer = pl.Trainer(
        max_steps=50, max_epochs=-1, accelerator="cpu", callbacks=[monitor], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    loader = DataLoader(TensorDataset(*batch), batch_size=64)
    trainer.fit(module, loader, loader)
    started, observation = watched(monitor)
    assert {"head_similarity", "head_entropy_deviation"} <= names(observation)
    assert names(observation) >= {signal.name for signal in ALL} - unavailable(started)
