"""`grokwatch bench` with real trainers and monitors, at a tiny size; no time decides anything."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import msgspec
import pytest

from grokwatch.experiments.bench import curvature, presets
from grokwatch.experiments.bench.costs import costs
from grokwatch.experiments.bench.loggers import HISTOGRAMS, OBSERVATION, SIGNALS, loggers
from grokwatch.experiments.bench.memory import memory, peaks
from grokwatch.experiments.bench.rows import Row
from grokwatch.experiments.bench.sizes import TINY, workload
from grokwatch.experiments.counting import Counting, counting
from grokwatch.experiments.workloads import CONTROL, Workload
from grokwatch.monitor.commands import bench as command
from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.presets import PRESETS
from grokwatch.monitor.signals import ALL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning:pytorch_lightning"),
]


def nothing(_: str) -> None:
    """Take no note."""


COUNT: Counting = counting(nothing, progress=False)


def measured(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows with a figure, by what was measured; each is finite and within its interval."""
    found = {row.what: row for row in rows if row.value is not None}
    for row in found.values():
        assert row.value is not None
        assert row.low is not None
        assert row.high is not None
        assert math.isfinite(row.value)
        assert row.low <= row.value <= row.high
        assert (row.is_met is None) is (row.target == "")
    return found


def short(name: str) -> Workload:
    return replace(workload(name), block=8, warm_up=1)


def test_costs_has_a_row_for_every_signal_and_a_reason_where_one_cannot_be_read() -> None:
    rows = costs(COUNT, rounds=1, names=(TINY,))
    assert [row.what for row in rows] == [*(signal.name for signal in ALL), "whole observation"]
    assert {"weight_norm", "gradient_norm", "whole observation"} <= measured(rows).keys()
    for row in rows:
        assert "failed" not in row.note, row
        if row.value is None:
            assert "; needs" in row.note or "no reading" in row.note, row


def test_presets_has_a_row_for_every_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "workload", short)
    found = measured(presets.presets(COUNT, blocks=2, names=(TINY,)))
    expected = [f"preset {name}, budget on" for name in PRESETS]
    assert list(found) == [CONTROL, *expected, "preset cheap, over bare training"]
    assert all(found[what].is_met is not None for what in expected)


def test_curvature_reads_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curvature, "CADENCE", 8)
    monkeypatch.setattr(curvature, "is_installed", lambda: False)
    rows = curvature.curvature(COUNT, blocks=2)
    assert rows[-1].value is None
    assert rows[-1].what == curvature.PACKAGE
    found = measured(rows)
    arms = (CONTROL, curvature.OURS, curvature.BUSINESS, curvature.FULL)
    assert set(arms) < found.keys()
    full = found[f"ours over {curvature.FULL}"]
    assert full.unit == "ratio"
    assert full.is_met is not None
    assert "products" in found[curvature.FULL].note
    assert {signal.name for signal in curvature.landscape_signals()} == curvature.NAMES


def test_loggers_compares_at_the_same_steps() -> None:
    found = measured(loggers(COUNT, rounds=2, names=(TINY,)))
    assert set(found) == {
        *(SIGNALS, OBSERVATION, HISTOGRAMS),
        *(f"{ours} over {HISTOGRAMS}" for ours in (SIGNALS, OBSERVATION)),
    }
    assert found[f"{SIGNALS} over {HISTOGRAMS}"].target == "at most 1/5"


def test_memory_trains_in_children() -> None:
    found = measured(memory(COUNT, repeats=1, names=(TINY,)))
    bare = ["bare training", "the process that trains"]
    added = [f"added by preset {arm}, over {of}" for arm in ("standard", "full") for of in bare]
    assert list(found) == [*bare, *added]
    training, process = (found[what].value for what in bare)
    assert training is not None
    assert process is not None
    assert 0 <= training < process
    assert process > 50 * 2**20, "torch alone takes more"
    with pytest.raises(
        RuntimeError, match=r"(?s)Expected a peak from nobody, bare, got: .* Try it"
    ):
        memory(COUNT, repeats=1, names=("nobody",))
    first, again, whole = peaks(TINY, "bare", 2)
    assert 0 <= min(first, again) <= whole


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two parts, of one tiny model each."""
    runs: dict[str, Callable[..., list[Row]]] = {
        "costs": partial(costs, names=(TINY,), signals=ALL[:2]),
        "loggers": partial(loggers, names=(TINY,)),
    }
    for name, run in runs.items():
        question, _ = command._PARTS[name]
        wrapped = (question, lambda count, rounds, run=run: run(count, rounds=rounds))
        monkeypatch.setitem(command._PARTS, name, wrapped)


def test_the_command_tells_all_rows_in_words_and_as_data(
    small: None, capfd: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []
    report = command.bench(["costs", "loggers"], rounds=1, show=shown.append, progress=False)
    assert capfd.readouterr() == ("", "")
    assert shown[-1] == "loggers, tiny: 3/3, measuring"
    found = msgspec.convert(report.data, command.Bench)
    assert [part.name for part in found.parts] == ["costs", "loggers"]
    rows = [row for part in found.parts for row in part.rows]
    assert report.holds is all(row.is_met is not False for row in rows)
    assert max(map(len, report.lines)) <= 80
    text = " ".join(" ".join(report.lines).split())
    assert f"torch {found.machine.versions['torch']}" in text
    assert all(row.what in text for row in rows)
    missed = any(row.is_met is False for row in rows)
    assert ("missed" in text) is missed
    assert "test_neutrality" in text
    assert msgspec.json.decode(msgspec.json.encode(found), type=command.Bench) == found


def test_accuracy_trains_the_demo_and_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    from grokwatch.experiments.bench import accuracy

    monkeypatch.setattr(accuracy, "CADENCE", 16)
    rows = accuracy.accuracy(COUNT, samples=2, products=4)
    assert len(rows) == len(measured(rows)) == 7
    assert "2 readings every 16 steps" in rows[0].workload
    assert "within 5 % of its converged value on the sub-batch" in rows[0].what


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"Expected parts among costs, .* got 'cots'\. Try 'costs'"
    ):
        command.bench(["cots"], rounds=1, show=print, progress=False)
