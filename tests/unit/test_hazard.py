"""The streaming hazard, on models drawn by hand."""

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from grokwatch.monitor.errors import ConfigurationError, WireError
from grokwatch.monitor.predictors import load
from grokwatch.monitor.predictors._model import Calibration, Hazard, HazardModel, encode_model
from grokwatch.monitor.predictors._readings import FAMILIES, NAMES
from grokwatch.monitor.predictors.hazard import HazardPredictor, make
from grokwatch.monitor.records import Alert, Assessment, Observation, RunStarted, SignalInfo
from grokwatch.monitor.vocabulary import AlertCode, Stage
from grokwatch.monitor.watcher import watcher_of
from tests.hazards import model

RUN = RunStarted(
    run_id="a",
    time=0.0,
    signals=tuple(
        SignalInfo(name=name, unit="", summary="")
        for name in ("inverse_participation_ratio", "weight_norm")
    ),
)
SPARSITY = "inverse_participation_ratio.excess@input"
TOLD = {"concentration.level": 8.0}


def sparse(step: int, sparsity: float, *, loss: float = 0.1) -> Observation:
    """Train accuracy is 1 from step 100 on, and the norm falls as sparsity rises."""
    return Observation(
        run_id="a",
        step=step,
        time=0.0,
        train_loss=loss,
        train_accuracy=1.0 if step >= 100 else 0.5,
        values={SPARSITY: sparsity, "weight_norm": 50.0 - 30 * sparsity},
    )


def told(found: HazardModel, steps: dict[int, float]) -> list[Assessment]:
    predictor = HazardPredictor(RUN, Hazard(found))
    return [predictor.update(sparse(step, x)) for step, x in steps.items()]


STEPS = (100, 110, 120, 140, 160, 200, 300, 500)


def test_it_waits_for_memorization_and_half_of_that_again() -> None:
    found = told(model(), dict.fromkeys(STEPS, 0.1))
    assert [each.stage for each in found[:2]] == [Stage.FITTING] * 2
    assert "not memorized" in (found[0].reason or "")
    assert found[3].reason == "too soon after memorization at step 100"
    assert found[3].stage is Stage.PLATEAU
    assert len(found[4].chances) == 5


def test_chances_are_those_of_the_hazard_and_grow_with_the_horizon() -> None:
    last = told(model(bias=-1.0), dict.fromkeys(STEPS, 0.1))[-1]
    each = math.log1p(math.exp(-1.0))
    expected = [each, each * (1 + 2 / 9), each * 2, each * (2 + 20 / 90), each * 3]
    assert [chance.horizon_steps for chance in last.chances] == [400, 1200, 4000, 12000, 40000]
    for chance, hazard in zip(last.chances, expected, strict=True):
        assert chance.probability == pytest.approx(1 - math.exp(-hazard))
    assert last.probability == last.chances[2].probability


def test_rising_has_chances_of_its_own_never_below_those_of_grokking() -> None:
    likely = told(model(bias=-3.0, rise=1.0), dict.fromkeys(STEPS, 0.1))[-1]
    each = math.log1p(math.exp(1.0))
    assert likely.rising[0].probability == pytest.approx(1 - math.exp(-each))
    assert [c.horizon_steps for c in likely.rising] == [c.horizon_steps for c in likely.chances]
    assert likely.rise == likely.rising[2]
    unlikely = told(model(bias=1.0, rise=-3.0), dict.fromkeys(STEPS, 0.1))[-1]
    assert unlikely.rising == unlikely.chances
    alone = told(model(), dict.fromkeys(STEPS, 0.1))[-1]
    assert (alone.rising, alone.rise) == ((), alone.standard)


def test_a_run_is_warned_of_on_rising_and_given_up_on_grokking(tmp_path: Path) -> None:
    start = msgspec.structs.replace(RUN, budget_steps=600)
    for rise, codes in ((3.0, {AlertCode.LIKELY_GROKKING}), (-9.0, {AlertCode.WILL_NOT_GROK})):
        path = tmp_path / f"{rise}.json"
        path.write_bytes(encode_model(model(bias=-9.0, rise=rise, raise_at=0.3)))
        watcher = watcher_of(f"hazard:model={path}", start)
        found = [record for step in STEPS for record in watcher.consume(sparse(step, 0.1))]
        alerts = [each for each in found if isinstance(each, Alert)]
        assert {each.code for each in alerts} == codes
        assert ("that test accuracy rises within" in alerts[0].message) is (rise > 0)


def test_levels_are_those_of_the_kind_of_group(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    own = Calibration(raise_at=0.2, give_up_at=0.01)
    path.write_bytes(encode_model(model(raise_at=0.7, by_basis={"cyclic": own})))
    for group, level in (("cyclic:67", 0.2), ("bits:8", 0.7), (None, 0.7)):
        start = msgspec.structs.replace(RUN, group=group)
        assert make(start, model=str(path)).levels.raise_at == level


def test_evidence_names_the_signal_that_spoke_and_stages_go_back() -> None:
    levels = dict(zip((*STEPS, 900, 1500), [0.0] * 6 + [0.9, 0.9, 0.0, 0.0], strict=True))
    found = told(model(TOLD, raise_at=0.5), levels)
    assert found[7].evidence[0].signal == SPARSITY
    assert found[7].evidence[0].contribution > 0
    assert found[5].stage is Stage.PLATEAU
    assert found[7].stage is Stage.CLEANUP
    assert found[9].stage is Stage.PLATEAU


def test_the_interval_of_arrival_is_where_the_shares_say() -> None:
    last = told(model(bias=8.0, arrival=(0.0, 1.0)), dict.fromkeys(STEPS, 0.1))[-1]
    assert last.eta_steps is not None
    assert (last.eta_steps.low, last.eta_steps.high) == (0, 40_000)


def test_a_run_unlike_all_that_it_was_fitted_on_cannot_be_told() -> None:
    narrow = model(low=[0.0] * len(FAMILIES), high=[0.01] * len(FAMILIES))
    last = told(narrow, dict.fromkeys(STEPS, 0.9))[-1]
    assert not last.chances
    assert (last.reason or "").startswith("unlike the runs that the predictor was fitted on")
    assert last.stage is Stage.PLATEAU


def test_without_a_reading_of_structure_it_cannot_tell_unless_that_is_asked_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "own.json"
    path.write_bytes(encode_model(model()))
    for only, tells in (("", False), (",only=loss+norms", True)):
        predictor = load(f"hazard:model={path}{only}", RUN)
        for step in STEPS:
            seen = msgspec.structs.replace(sparse(step, 0.2), values={"weight_norm": 9.0})
            said = predictor.update(seen)
        assert bool(said.chances) is tells
        assert tells or "Try Probe(group='cyclic:<p>')" in (said.reason or "")


def test_where_it_cannot_tell_the_stage_stays() -> None:
    high = [50.0] * len(NAMES)
    high[NAMES.index("concentration.level")] = 0.5
    sparse_at_last = dict(zip(STEPS, [0.4] * 7 + [0.95], strict=True))
    found = told(model(bias=2.0, high=high, most_unlike=0.0, raise_at=0.5), sparse_at_last)
    assert found[-2].stage is found[-1].stage is Stage.CIRCUIT_FORMATION
    assert found[-2].chances
    assert not found[-1].chances


def test_a_loss_that_is_not_finite_freezes_it() -> None:
    predictor = HazardPredictor(RUN, Hazard(model(TOLD)))
    for step in STEPS[:-1]:
        predictor.update(sparse(step, 0.2))
    before = predictor.state()
    said = predictor.update(sparse(400, 0.9, loss=math.nan))
    assert "diverged: train loss is nan at step 400" in (said.reason or "")
    assert predictor.state() == before


def test_a_rewind_forgets_readings_and_one_to_before_memorization_forgets_that_too() -> None:
    predictor = HazardPredictor(RUN, Hazard(model({"concentration.slope": 1.0})))
    risen = [predictor.update(sparse(step, step / 1000)) for step in STEPS][-1]
    assert risen.evidence
    again = predictor.update(sparse(300, 0.3))
    assert again.chances
    assert not again.evidence
    assert predictor.update(sparse(50, 0.3)).stage is Stage.FITTING


def test_families_that_are_left_out_have_no_say(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_bytes(encode_model(model({**TOLD, "weight_norm.change": -5.0})))
    steps = dict(zip(STEPS, np.linspace(0, 0.8, len(STEPS)), strict=True))
    said = {}
    for only in ("", ",only=norms", ",only=loss"):
        predictor = load(f"hazard:model={path}{only}", RUN)
        said[only] = [predictor.update(sparse(step, x)) for step, x in steps.items()][-1]
    both, norms, loss = (said[only].probability for only in said)
    assert both is not None
    assert norms is not None
    assert loss is not None
    assert both > norms > loss
    assert [e.signal for e in said[",only=norms"].evidence] == ["weight_norm"]


def test_the_policy_takes_the_levels_that_were_fitted(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_bytes(encode_model(model(bias=-1.2, raise_at=0.3)))
    for target, fires in ((f"hazard:model={path}", True), ("baseline:never", False)):
        watcher = watcher_of(target, RUN)
        fired = [len(watcher.consume(sparse(step, 0.1))) > 1 for step in STEPS]
        assert any(fired) is fires
        # Three looks in a row, from the first one that it judges on.
        assert not fires or fired.index(True) == STEPS.index(160) + 2


def test_state_is_small_and_of_the_same_readings_only() -> None:
    predictor = HazardPredictor(RUN, Hazard(model()))
    for step in STEPS:
        predictor.update(sparse(step, 0.2))
    state = predictor.state()
    assert len(state) <= 2048
    broken = msgspec.msgpack.decode(state)
    broken["course"] = broken["course"][:-8]
    with pytest.raises(WireError, match=r"Expected \d+ bytes of \d+ readings, got \d+\. Try"):
        predictor.restore(msgspec.msgpack.encode(broken))


def test_options_that_there_are_not_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"families among .*, got colour\. Try 'hazard:'"):
        make(RUN, only="loss+colour")
    with pytest.raises(ConfigurationError, match="got colour"):
        make(RUN, colour="red")
    with pytest.raises(
        ConfigurationError, match=r"Expected a fitted model in .*nowhere\.json, got"
    ):
        make(RUN, model="nowhere")
