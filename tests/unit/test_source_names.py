import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors._readings import READINGS
from grokwatch.monitor.records import signal_of
from grokwatch.monitor.service.sources.names import (
    PLAIN,
    SIGNAL_KEYS,
    check,
    described,
    shown,
    understand,
)
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.sinks.sections import mlflow_key, plain_key
from grokwatch.monitor.snapshot import Access

TRAIN_LOSS, TRAIN_ACCURACY, TEST_LOSS, TEST_ACCURACY = PLAIN

GUESSED = {
    "train_loss": TRAIN_LOSS,
    "Train Loss": TRAIN_LOSS,
    "training_loss": TRAIN_LOSS,
    "train/loss": TRAIN_LOSS,
    "loss/train": TRAIN_LOSS,
    "trainLoss": TRAIN_LOSS,
    "train_loss_epoch": TRAIN_LOSS,
    "train.loss.step": TRAIN_LOSS,
    "train_cross_entropy": TRAIN_LOSS,
    "loss": TRAIN_LOSS,
    "mse": TRAIN_LOSS,
    "train_acc": TRAIN_ACCURACY,
    "train/accuracy": TRAIN_ACCURACY,
    "Accuracy": TRAIN_ACCURACY,
    "train_top1": TRAIN_ACCURACY,
    "sparse_categorical_accuracy": TRAIN_ACCURACY,
    "val_loss": TEST_LOSS,
    "eval_loss": TEST_LOSS,
    "test/loss": TEST_LOSS,
    "valid_nll": TEST_LOSS,
    "val_acc": TEST_ACCURACY,
    "val_accuracy": TEST_ACCURACY,
    "valid/acc": TEST_ACCURACY,
    "Validation Accuracy": TEST_ACCURACY,
    "acc/val": TEST_ACCURACY,
    "test_acc": TEST_ACCURACY,
    "val_sparse_categorical_accuracy": TEST_ACCURACY,
    "fair-sun-3 - val_acc": TEST_ACCURACY,
    "weight_norm": "weight_norm",
    "l2_norm": "weight_norm",
    "param norm": "weight_norm",
    "train/weight_norm": "weight_norm",
    "spectral_entropy.embedding": "spectral_entropy@embedding",
}


@pytest.mark.parametrize(("name", "ours"), GUESSED.items())
def test_a_name_is_understood_and_the_guess_said(name: str, ours: str) -> None:
    found = understand([name], {})
    assert found.ours == {name: ours}
    assert found.guesses == (f"`{name}` is taken for {described(ours)}",)


@pytest.mark.parametrize(
    "name", ["lr", "grad_norm", "train_f1", "perplexity", "traincar", "", "损失", "system/gpu"]
)
def test_a_name_that_means_nothing_to_us_is_listed(name: str) -> None:
    found = understand([name], {})
    assert (found.ours, found.guesses) == ({}, (f"not used: {shown(name)}",))


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["train_loss", "loss"], "train_loss"),
        (["train_loss", "loss", "train_runtime"], "loss"),
        (["train_loss_step", "train_loss_epoch"], "train_loss_epoch"),
        (["train_loss_step", "train_loss"], "train_loss"),
        (["test_acc", "val_acc", "eval_acc"], "val_acc"),
        (["eval_acc", "test_acc"], "test_acc"),
        (["weight_norm", "l2_norm"], "weight_norm"),
        (["grokwatch/train_loss", "train_loss"], "grokwatch/train_loss"),
    ],
)
def test_of_several_names_for_one_thing_one_is_taken(names: list[str], taken: str) -> None:
    for order in (names, names[::-1]):
        assert list(understand(order, {}).ours) == [taken]


def test_what_is_passed_over_is_said() -> None:
    assert understand(["val_acc", "test_acc"], {}).guesses == (
        "`val_acc` is taken for test accuracy, rather than `test_acc`",
    )
    many = [f"metric_{n:02}" for n in range(20)]
    (sentence,) = understand(many, {}).guesses
    assert sentence.endswith("`metric_11` and 8 more")


def test_what_the_user_said_is_neither_guessed_nor_mentioned() -> None:
    said = {"score": TEST_ACCURACY, "loss": "", "absent": TRAIN_LOSS, "other": TEST_ACCURACY}
    found = understand(["score", "loss", "other", "val_acc"], said)
    assert found.ours == {"score": TEST_ACCURACY}
    assert found.guesses == ("not used: `val_acc`",)


def test_a_mapping_to_what_there_is_not_is_refused() -> None:
    check({"a": "train_loss", "b": "weight_norm", "c": "", "d": SIGNAL_KEYS[-1]})
    with pytest.raises(ConfigurationError, match=r"Expected a metric among train_loss, .* got 'x'"):
        check({"theirs": "x"})


def test_every_signal_that_is_read_is_of_the_train_side_and_survives_our_sink() -> None:
    access = {signal.name: signal.access for signal in ALL}
    assert {access[signal_of(key)] for key in SIGNAL_KEYS} == {Access.TRAIN}
    assert set(SIGNAL_KEYS) == {key for row in READINGS for key in row.keys}
    names = {mlflow_key(key): key for key in (*SIGNAL_KEYS, *PLAIN)}
    assert understand(names, {}).ours == names


def test_names_of_before_there_were_sections_are_read_too() -> None:
    names = {f"grokwatch/{plain_key(key)}": key for key in (*SIGNAL_KEYS, *PLAIN)}
    assert understand(names, {}).ours == names


def test_of_an_old_and_a_new_name_of_ours_the_new_one_is_taken() -> None:
    names = ["grokwatch/weight_norm", "grokwatch weights/weight_norm"]
    for order in (names, names[::-1]):
        assert understand(order, {}).ours == {"grokwatch weights/weight_norm": "weight_norm"}


def test_our_own_judgements_are_no_signals() -> None:
    names = ["grokwatch/probability", "grokwatch/stage", "grokwatch/", "grokwatch/signal_errors"]
    names += ["grokwatch cost/signal_errors", "grokwatch cost/overhead_ratio"]
    assert (understand(names, {}).ours, understand(names, {}).guesses) == ({}, ())


def test_a_section_that_is_not_ours_is_somebody_elses() -> None:
    name = "grokwatch of mine/weight_norm"
    assert understand([name], {}).guesses == (f"not used: `{name}`",)


@given(st.lists(st.text(), max_size=8), st.dictionaries(st.text(), st.sampled_from(["", *PLAIN])))
def test_any_names_are_understood_somehow(names: list[str], said: dict[str, str]) -> None:
    found = understand(names, said)
    assert set(found.ours) <= set(names)
    assert len(set(found.ours.values())) == len(found.ours)
    assert all(sentence.isprintable() and len(sentence) < 2000 for sentence in found.guesses)
