"""A fitted model as a file, and as arrays."""

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors._model import (
    FORMAT,
    Calibration,
    Hazard,
    Layer,
    encode_model,
    inputs_of,
    read_model,
)
from grokwatch.monitor.predictors._readings import NAMES
from grokwatch.monitor.predictors.hazard import MODELS
from tests.hazards import EDGES, model

OLD = Path(__file__).parent.parent / "golden" / "models"


def test_a_file_gives_the_model_back(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(encode_model(model({"clock": 0.25}, summary={"runs": 3.0})))
    assert read_model(path) == model({"clock": 0.25}, summary={"runs": 3.0})


def test_an_edited_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(
        encode_model(model(raise_at=0.9)).replace(b'"raise_at":0.9', b'"raise_at":0.1')
    )
    with pytest.raises(
        ConfigurationError, match=r"with hash [0-9a-f]{16}, got .*as `grokwatch fit"
    ):
        read_model(path)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"sha256": "a", "model": {"name": 3}}'])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"Expected a fitted model in .*a\.json, got"):
        read_model(path)


def test_a_newer_format_and_unknown_features_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for fields, words in (
        ({"format": FORMAT + 1}, f"got format {FORMAT + 1} over known ones"),
        ({"features": [*NAMES[:-1], "taste.level"]}, f"got format {FORMAT} over taste.level"),
    ):
        path.write_bytes(encode_model(model(**fields)))
        with pytest.raises(ConfigurationError, match=words):
            read_model(path)


@pytest.mark.parametrize("path", sorted(OLD.glob("*.json")), ids=lambda path: path.stem)
def test_files_of_older_formats_are_read(path: Path) -> None:
    found = Hazard(read_model(path))
    features = np.full(len(NAMES), np.nan)
    inputs = found.inputs(found.chosen(features))
    chances = found.chances(found.logits(inputs), np.array([10.0]))
    assert chances.shape == (min(found.model.format, 2), 1)
    assert ((chances > 0) & (chances < 1)).all()


def test_there_is_a_file_of_every_format() -> None:
    assert {read_model(path).format for path in OLD.glob("*.json")} == set(range(1, FORMAT + 1))


def test_every_shipped_model_says_where_it_is_from() -> None:
    shipped = {path.stem: read_model(path) for path in MODELS.glob("*.json")}
    assert {"hazard", "without-parity", "without-transformer", "some-seeds"} <= shipped.keys()
    assert len({each.splits_sha256 for each in shipped.values()}) == 1
    for each in shipped.values():
        assert len(each.corpus_sha256) == 64
        assert each.summary["runs"] > each.summary["grokked"] > 0
        assert 0 < each.give_up_at < each.raise_at <= 1


def test_chances_integrate_the_hazard_bin_by_bin() -> None:
    hazard = Hazard(model())
    logits = np.log(np.expm1([0.1, 0.2, 0.4]))
    found = hazard.chances(logits, np.array([0.0, 0.5, 1.0, 10.0, 55.0, 100.0, 1e6]))
    expected = [0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.7]
    np.testing.assert_allclose(-np.log1p(-found), expected, atol=1e-12)


def test_arrival_is_read_off_the_chances() -> None:
    hazard = Hazard(model(arrival=(0.25, 0.75)))
    low, high = hazard.arrival(np.log(np.expm1([1e-6, 1e-6, 1e-3])))
    assert EDGES[2] < low < high < EDGES[3]
    assert (low, high) == pytest.approx((10 + 90 / 4, 10 + 90 * 3 / 4), rel=0.01)


def test_slopes_are_those_of_the_mean_logit() -> None:
    random = np.random.default_rng(0)
    num = 2 * len(NAMES)
    layers = [
        Layer(random.normal(size=(num, 5)).tolist(), [0.1] * 5),
        Layer(random.normal(size=(5, 6)).tolist(), [0.0] * 6),
    ]
    hazard = Hazard(model(layers=layers, slope=1.5, rise_slope=0.5, intercept=0.2))
    inputs = random.normal(size=num) / num
    eye = np.eye(num) * 1e-6
    ahead, behind = (hazard.logits(inputs + step).mean((-2, -1)) for step in (eye, -eye))
    np.testing.assert_allclose(hazard.slopes(inputs), (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-8)


def test_inputs_are_cut_and_say_what_is_missing() -> None:
    found = inputs_of(np.array([3.0, math.nan, 1e9]), np.array([1.0, 0, 0]), np.array([2.0, 1, 1]))
    assert found.tolist() == [1.0, 0.0, 4.0, 0.0, 1.0, 0.0]


def test_unlike_is_the_share_of_what_is_there() -> None:
    hazard = Hazard(model(low=[0.0] * len(NAMES), high=[1.0] * len(NAMES)))
    features = np.full(len(NAMES), np.nan)
    assert hazard.unlike(features) == 0
    features[:4] = (0.5, 0.5, 2.0, -1.0)
    assert hazard.unlike(features) == 0.5


def test_a_model_is_data_without_code() -> None:
    for path in MODELS.glob("*.json"):
        assert set(msgspec.json.decode(path.read_bytes())) == {"sha256", "model"}


def test_a_kind_of_group_has_a_calibration_of_its_own() -> None:
    own = Calibration(intercept=2.0, raise_at=0.6)
    both = model(raise_at=0.4, by_basis={"bits": own})
    assert (both.over("bits").intercept, both.over("bits").raise_at) == (2.0, 0.6)
    assert both.over("cyclic") == msgspec.structs.replace(both, by_basis={})
    inputs = np.zeros(2 * len(NAMES))
    bits, other = (Hazard(both.over(basis)).logits(inputs) for basis in ("bits", ""))
    np.testing.assert_allclose(bits - other, 2.0)


@pytest.mark.parametrize("huge", [1e308, -1e308, 2.05e307, math.inf, -math.inf])
def test_a_feature_too_large_to_scale_is_clipped_like_any_other(huge: float) -> None:
    center, spread = np.array([-1e308 if huge > 0 else 1e308]), np.array([1e-9])
    found = inputs_of(np.array([huge]), center, spread)
    assert found.tolist() == inputs_of(center + math.copysign(1e300, huge), center, spread).tolist()
    assert found[1] == 0.0
    assert abs(found[0]) < 100
