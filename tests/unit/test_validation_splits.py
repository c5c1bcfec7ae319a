"""Who is fitted on and judged on what; what is kept; what is refused."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from grokwatch.experiments.corpus import known_manifest, read_rows
from grokwatch.experiments.counting import counting_lines
from grokwatch.experiments.validation import Contestant, validate
from grokwatch.experiments.validation.contestants import STANDING
from grokwatch.experiments.validation.entries import entries
from grokwatch.experiments.validation.frozen import (
    Frozen,
    Rule,
    check,
    read_frozen,
    rules_of,
    signatures_of,
    write_frozen,
)
from grokwatch.experiments.validation.keeping import Shelf, signature
from grokwatch.experiments.validation.splits import contestant, schemes
from grokwatch.experiments.validation.thresholds import Threshold
from grokwatch.experiments.validation.trace import Facts, facts_of
from grokwatch.monitor.errors import ConfigurationError, WireError
from grokwatch.monitor.predictors import load
from grokwatch.monitor.records import RunStarted
from grokwatch.monitor.vocabulary import AlertCode
from tests.validation_cases import facts, trace

CORPUS = Path(__file__).parent.parent.parent / "experiments" / "data" / "corpus"
GOLDEN = Path(__file__).parent.parent / "golden" / "validation"
RULE = contestant("threshold:")


def runs() -> list[Facts]:
    return [
        facts(
            f"{split}-{family}-{seed}",
            split=split,
            family=family,
            architecture="transformer" if family == "permutations" else "mlp",
            seed=seed,
            fold=f"{split}-{family}",
        )
        for split in ("train", "calibration", "test")
        for family in ("cyclic", "parity", "permutations")
        for seed in range(6)
    ]


@pytest.mark.parametrize("judged", ["calibration", "test"])
def test_no_run_is_both_fitted_on_and_judged(judged: str) -> None:
    for scheme in schemes(judged, runs()):
        both = [run for run in runs() if scheme.fits(run) and scheme.judges(run)]
        assert not both, scheme.name
        assert all(run.split == "train" for run in runs() if scheme.fits(run))


def test_what_is_left_out_is_what_is_judged() -> None:
    found = {scheme.name: scheme for scheme in schemes("test", runs())}
    family = found["leave-family-out: parity"]
    assert {run.family for run in runs() if family.judges(run)} == {"parity"}
    assert {run.family for run in runs() if family.fits(run)} == {"cyclic", "permutations"}
    kind = found["leave-architecture-out: transformer"]
    assert {run.architecture for run in runs() if kind.judges(run)} == {"transformer"}
    assert {run.architecture for run in runs() if kind.fits(run)} == {"mlp"}
    seeds = found["leave-seed-out"]
    fitted = {run.seed for run in runs() if seeds.fits(run)}
    judged = {run.seed for run in runs() if seeds.judges(run)}
    assert fitted.isdisjoint(judged)
    assert {run.fold for run in runs() if seeds.judges(run)} == {
        run.fold for run in runs() if seeds.fits(run)
    }


def test_one_family_and_one_architecture_cannot_be_left_out() -> None:
    names = [scheme.name for scheme in schemes("test", [facts("a")])]
    assert names == ["leave-cell-out", "leave-seed-out"]


def test_a_fitted_predictor_takes_part_where_it_was_fitted() -> None:
    fitted = Contestant(name="ours", targets={"leave-cell-out": "one:", "leave-seed-out": "two:"})
    assert fitted.target("leave-cell-out") == "one:"
    assert fitted.target("leave-family-out: parity") is None
    assert fitted.all_targets == {"one:", "two:"}
    assert RULE.target("leave-family-out: parity") == "threshold:"
    traces = {name: [trace(run) for run in runs()] for name in ("one:", "two:", "threshold:")}
    main, family, *_ = schemes("test", runs())
    assert [e.name for e in entries(main, [fitted, RULE], traces)][:2] == ["ours", "threshold:"]
    assert next(iter(entries(family, [fitted, RULE], traces))).name == "threshold:"


def test_the_standing_list_has_a_model_for_every_scheme_of_the_corpus() -> None:
    known = [
        facts_of(row, name)
        for name in known_manifest(CORPUS).slices
        for row in read_rows(CORPUS, name)
    ]
    names = [scheme.name for scheme in schemes("test", known)]
    assert sorted(STANDING[0].targets) == sorted(names)
    assert {name for each in STANDING for name in each.targets} <= set(names)
    assert len({each.name for each in STANDING}) == len(STANDING)
    for target in {target for each in STANDING for target in each.all_targets}:
        load(target, RunStarted(run_id="a", time=0.0))


def test_what_is_kept_is_what_was_given(tmp_path: Path) -> None:
    wide = replace(
        trace(
            facts("a", onset=300, grokked=700, hyper_parameters={"decay": 0.5}),
            0.4,
            eta=(3.0, np.inf),
        ),
        fired={AlertCode.COLLAPSE: 7},
        concerned={AlertCode.NUMERICALLY_STUCK: 9},
    )
    count = len(wide.step)
    wide = replace(
        wide,
        horizons=np.tile(np.array([1, 10]), (count, 1)),
        chances=np.tile(np.array([0.1, np.nan]), (count, 1)),
    )
    shelf = Shelf(tmp_path / "x", "train")
    assert not shelf.has("name")
    shelf.write("name", [wide, trace(facts("b"), np.nan)])
    one, other = shelf.read("name")
    assert one.facts == wide.facts
    assert one.fired == wide.fired
    assert one.concerned == wide.concerned
    for name in ("step", "probability", "horizons", "chances", "eta", "stage"):
        np.testing.assert_array_equal(getattr(one, name), getattr(wide, name))
    np.testing.assert_array_equal(one.curve.test_loss, wide.curve.test_loss)
    assert np.isnan(other.chances).all()
    assert other.chances.shape == (count, 2)
    shelf.write("none", [])
    assert shelf.read("none") == []


def test_a_signature_follows_the_target_and_the_bytes_of_its_model(tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    model.write_text("1")
    first = signature(f"hazard:model={model}")
    assert first == signature(f"hazard:model={model}")
    model.write_text("2")
    assert signature(f"hazard:model={model}") != first
    assert signature("threshold:") != signature("baseline:never")


def settled() -> Frozen:
    alarm = Threshold(rate=0.05, value=0.7, alarmed=0, negatives=9)
    apart = msgspec.structs.replace(alarm, value=0.6, apart=True)
    own = msgspec.structs.replace(apart, value=0.4)
    rule = Rule(alarms=(alarm, apart), families={"parity": (alarm, own)}, stop=None)
    return Frozen(
        splits=("train",),
        splits_sha256="a" * 64,
        contestants=(RULE,),
        signatures=signatures_of([RULE]),
        rules={"leave-cell-out": {"threshold:": rule}},
        patiences={"test loss": 10, "train loss": None},
        half_landmarks={"cyclic": 10},
    )


def test_what_was_settled_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "frozen.json"
    write_frozen(path, settled())
    assert read_frozen(path) == settled()
    rule = read_frozen(path).rules["leave-cell-out"]["threshold:"]
    assert (rule.alarm(0.05).value, rule.alarm(0.05, apart=True).value) == (0.7, 0.6)
    assert (rule.alarm_of("cyclic").value, rule.alarm_of("parity").value) == (0.6, 0.4)
    path.write_text("{")
    with pytest.raises(WireError, match="Expected frozen thresholds in"):
        read_frozen(path)


def test_the_test_split_is_not_judged_by_what_was_not_settled() -> None:
    with pytest.raises(ConfigurationError, match="Expected thresholds frozen before the test"):
        check("test", None, [RULE], "a" * 64)
    check("calibration", None, [RULE], "a" * 64)
    check("test", settled(), [RULE], "a" * 64)


def test_what_changed_since_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="got others or changed ones: baseline:never"):
        check("test", settled(), [RULE, contestant("baseline:never")], "a" * 64)
    changed = msgspec.structs.replace(settled(), signatures={"threshold:": "0" * 16})
    with pytest.raises(ConfigurationError, match="got others or changed ones: threshold:"):
        check("test", changed, [RULE], "a" * 64)
    with pytest.raises(ConfigurationError, match="Expected splits_sha256 aaaa"):
        check("test", settled(), [RULE], "b" * 64)
    with pytest.raises(ConfigurationError, match="Expected frozen thresholds of 'x' for"):
        rules_of(settled(), "leave-cell-out", ["threshold:", "x"])


@pytest.mark.parametrize(
    ("judged", "chosen", "message"),
    [
        ("test", ("train",), "Expected thresholds frozen before the test split"),
        ("tests", ("train",), "Expected a split among train, calibration, test"),
        ("train", ("test",), "Expected thresholds chosen on train or calibration"),
        ("train", (), "Expected thresholds chosen on train or calibration"),
    ],
)
def test_a_validation_is_refused_before_a_run_is_read(
    tmp_path: Path, judged: str, chosen: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        validate(
            GOLDEN,
            ["threshold:"],
            judged=judged,
            kept=tmp_path,
            count=lambda job, total: counting_lines(job, total, lambda line: None),
            choose_on=chosen,
        )
    assert not list(tmp_path.iterdir())
