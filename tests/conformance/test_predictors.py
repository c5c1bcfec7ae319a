"""What every predictor keeps to. A new one adds a subclass with its target; the checks follow."""

import copy
import math
import pkgutil
from collections.abc import Sequence
from typing import ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import grokwatch.monitor.predictors as package
from grokwatch.monitor.errors import SchemaError, WireError
from grokwatch.monitor.predictors import load
from grokwatch.monitor.protocols import Predictor
from grokwatch.monitor.records import Assessment, Observation, RunStarted
from grokwatch.monitor.vocabulary import Stage

KEYS = (
    "inverse_participation_ratio.excess@input",
    "inverse_participation_ratio.excess@embedding",
    "coordinate_gini_coefficient.excess@input",
    "weight_norm",
    "train_loss.log",
    "loss_activity",
    "commutator_defect",
    "spectral_entropy@input",
    "representation_entropy@last",
    "norm_crossing",
    "norm_crossing.rate",
    "margin.low",
    "margin.least",
    "margin",
    "gini_coefficient.excess@input",
    "update_ratio",
    "sharpness.normalized",
    "basis_evidence@embedding",
)
ODD = (math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, -0.0, 0.0, 1.0)

numbers = st.one_of(st.floats(0, 1), st.floats(), st.sampled_from(ODD))
rows = st.lists(
    st.fixed_dictionaries(
        {
            "step": st.integers(-(2**63), 2**63 - 1) | st.integers(1, 10**4),
            "train_loss": st.floats(0, 5) | st.sampled_from(ODD),
            "train_accuracy": st.none() | st.sampled_from((0.5, 0.99, 1.0, math.nan)),
            "values": st.dictionaries(st.sampled_from(KEYS), numbers),
            "attempt": st.integers(1, 3),
        }
    ),
    max_size=40,
)

inherited = settings(suppress_health_check=[HealthCheck.differing_executors])
"""One test body for many classes is what a conformance suite is."""


def observations(parts: Sequence[dict[str, object]]) -> list[Observation]:
    return [
        msgspec.convert({"type": "observation", "run_id": "a", "time": 0.0, **part}, Observation)
        for part in parts
    ]


def story(*, rises: bool = True) -> list[Observation]:
    """Memorize at 200; from 2,000 to 8,000 sparsity rises or not while the norm falls."""
    steps = sorted({round(10 ** (k / 50)) for k in range(50, 226)})
    return [
        Observation(
            run_id="a",
            step=step,
            time=0.0,
            train_loss=1 / step,
            train_accuracy=1.0 if step >= 200 else 0.2,
            values=dict.fromkeys(KEYS, 0.05 + rises * 0.9 * min(max(step - 2000, 0) / 6000, 1.0))
            | {"weight_norm": 60.0 - 20.0 * min(step / 8000, 1.0)},
        )
        for step in steps
    ]


def bits(assessments: Sequence[Assessment]) -> bytes:
    return msgspec.msgpack.encode(assessments)


class PredictorConformance:
    """The contract of `Predictor`, executable; a subclass names its `target`."""

    target: ClassVar[str]

    def make(self, **fields: object) -> Predictor:
        return load(self.target, RunStarted(run_id="a", time=0.0, **fields))  # type: ignore[arg-type]

    def check(self, assessment: Assessment, observation: Observation) -> None:
        """Every assessment says one thing, and nothing that is no probability."""
        assert bool(assessment.chances) != bool(assessment.reason)
        for chance in assessment.chances:
            assert 0 <= chance.probability <= 1
            assert chance.horizon_steps >= 1
        assert all(math.isfinite(part.contribution) for part in assessment.evidence)
        assert assessment.stage is not Stage.GENERALIZED
        assert (assessment.run_id, assessment.step) == (observation.run_id, observation.step)
        assert assessment.attempt == observation.attempt
        assert "@" in assessment.predictor
        msgspec.msgpack.encode(assessment)

    @inherited
    @given(rows)
    def test_says_one_thing_whatever_comes(self, parts: list[dict[str, object]]) -> None:
        predictor = self.make()
        for observation in observations(parts):
            before = copy.deepcopy(observation)
            self.check(predictor.update(observation), observation)
            assert msgspec.msgpack.encode(observation) == msgspec.msgpack.encode(before)

    @inherited
    @given(rows, st.integers(0, 40))
    def test_restored_goes_on_bit_for_bit(self, parts: list[dict[str, object]], cut: int) -> None:
        whole, first, second = self.make(), self.make(), self.make()
        records = observations(parts)
        expected = [whole.update(record) for record in records]
        seen = [first.update(record) for record in records[:cut]]
        second.restore(first.state())
        seen += [second.update(record) for record in records[cut:]]
        assert bits(seen) == bits(expected)
        assert second.state() == whole.state()

    @pytest.mark.parametrize("cut", range(0, 176, 25))
    def test_restored_goes_on_along_a_whole_run(self, cut: int) -> None:
        whole, first, second = self.make(), self.make(), self.make()
        expected = [whole.update(record) for record in story()]
        seen = [first.update(record) for record in story()[:cut]]
        second.restore(first.state())
        seen += [second.update(record) for record in story()[cut:]]
        assert bits(seen) == bits(expected)

    def test_same_observations_give_same_bits(self) -> None:
        one, other = self.make(), self.make()
        assert bits([one.update(o) for o in story()]) == bits([other.update(o) for o in story()])

    def test_cannot_tell_before_memorization(self) -> None:
        predictor = self.make()
        for observation in story():
            assessment = predictor.update(observation)
            if observation.step < 200:
                assert assessment.stage is Stage.FITTING
                assert assessment.reason is not None

    @pytest.mark.parametrize("missing", KEYS)
    def test_missing_signal_crashes_nothing(self, missing: str) -> None:
        predictor = self.make()
        for index, observation in enumerate(story()):
            values = dict(observation.values)
            if index % 3:
                del values[missing]
            thinned = msgspec.structs.replace(observation, values=values)
            self.check(predictor.update(thinned), thinned)

    def test_no_signals_crash_nothing(self) -> None:
        predictor = self.make()
        for observation in story():
            bare = msgspec.structs.replace(observation, values={})
            self.check(predictor.update(bare), bare)

    def test_state_is_small_and_does_not_grow(self) -> None:
        predictor = self.make()
        for step in range(1, 3000):
            part = {"step": step, "train_loss": 0.1, "train_accuracy": 1.0}
            values = dict.fromkeys(KEYS, 0.1)
            predictor.update(observations([{**part, "values": values}])[0])
            assert len(predictor.state()) <= 2048

    def test_state_is_a_copy(self) -> None:
        predictor = self.make()
        records = story()
        for record in records[:100]:
            predictor.update(record)
        state = predictor.state()
        expected = [predictor.update(record) for record in records[100:]]
        predictor.restore(state)
        assert bits([predictor.update(record) for record in records[100:]]) == bits(expected)

    @pytest.mark.parametrize("data", [b"", b"\xc1", b"\x80", b"\x00" * 100, b"cos\nsystem"])
    def test_foreign_state_is_refused(self, data: bytes) -> None:
        predictor = self.make()
        before = predictor.state()
        with pytest.raises(WireError, match=r"Expected a state of kind \w+, got \d+ other bytes"):
            predictor.restore(data)
        assert predictor.state() == before

    def test_state_of_another_version_is_refused(self) -> None:
        predictor = self.make()
        fields = msgspec.msgpack.decode(predictor.state())
        newer = msgspec.msgpack.encode({**fields, "version": 99})
        with pytest.raises(SchemaError, match=r"Expected version \d+ of \w+, got 99\."):
            predictor.restore(newer)


class TestNever(PredictorConformance):
    target = "baseline:never"


class TestAlways(PredictorConformance):
    target = "baseline:always"


class TestAfterMemorization(PredictorConformance):
    target = "baseline:after_memorization"


class TestThreshold(PredictorConformance):
    target = "threshold:"


class TestWeightNorm(PredictorConformance):
    target = "weight_norm:"


class TestOscillation(PredictorConformance):
    target = "oscillation:"


class TestCommutator(PredictorConformance):
    target = "commutator:"


class TestSpectralEntropy(PredictorConformance):
    target = "spectral_entropy:"


class TestRepresentationEntropy(PredictorConformance):
    target = "spectral_entropy:representation"


class TestNormLaw(PredictorConformance):
    target = "norm_law:"


class TestHankelResidual(PredictorConformance):
    target = "dmd:"


class TestChangePoint(PredictorConformance):
    target = "change_point:"


class TestHazard(PredictorConformance):
    target = "hazard:"


class TestHazardOfLoss(PredictorConformance):
    target = "hazard:only=loss"


def test_every_predictor_is_checked() -> None:
    checked = {c.target.partition(":")[0] for c in PredictorConformance.__subclasses__()}
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert checked == {name for name in modules if not name.startswith("_")}
