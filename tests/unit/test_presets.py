"""What each preset measures, and what cannot be asked for."""

import inspect
from pathlib import Path

import pytest
from torch import nn

from grokwatch.callbacks.lightning import GrokkingMonitor
from grokwatch.callbacks.loop import LoopMonitor
from grokwatch.callbacks.settings import Settings
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.presets import DEFAULT, PRESETS, choose, presets_of
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.snapshot import Cost

READ_BY_THE_RULE = {
    "weight_norm",
    "inverse_participation_ratio",
    "coordinate_inverse_participation_ratio",
}


def names(preset: str) -> set[str]:
    return {signal.name for signal in choose(preset)}


def test_presets_follow_the_cost_class() -> None:
    by_cost = {cost: {signal.name for signal in ALL if signal.cost is cost} for cost in Cost}
    assert names("cheap") == by_cost[Cost.CHEAP]
    assert names("standard") == names("cheap") | by_cost[Cost.MODERATE] | {"sharpness"}
    assert names("full") == {signal.name for signal in ALL}
    assert names("cheap") < names("standard") <= names("full")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_holds_what_the_rule_reads_in_the_order_of_the_tables(preset: str) -> None:
    assert names(preset) >= READ_BY_THE_RULE
    assert [s for s in ALL if preset in presets_of(s)] == list(choose(preset))


def test_a_sequence_of_signals_is_taken_as_it_is() -> None:
    assert choose([ALL[3], ALL[1]]) == (ALL[3], ALL[1])
    assert choose(()) == ()


def test_a_monitor_measures_the_standard_where_nothing_is_said() -> None:
    assert DEFAULT == "standard"
    assert Settings().signals == choose(DEFAULT)
    for monitor in (GrokkingMonitor, LoopMonitor):
        assert inspect.signature(monitor).parameters["signals"].default == DEFAULT


def test_an_unknown_preset_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    message = r"Expected a preset among cheap, standard, full or a signal, got 'dear'\. Try"
    with pytest.raises(ConfigurationError, match=message):
        GrokkingMonitor(signals="dear")
    with pytest.raises(ConfigurationError, match=message):
        LoopMonitor(nn.Linear(2, 2), directory=tmp_path, sinks=(), signals="dear")
    assert not list(tmp_path.iterdir())


def test_names_of_signals_are_no_signals() -> None:
    wrong: list[object] = [ALL[0], "sharpness"]
    with pytest.raises(ConfigurationError, match=r"Expected signals or .* got 'sharpness' .*Try"):
        choose(wrong)  # type: ignore[arg-type]
