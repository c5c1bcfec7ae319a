import subprocess
import sys

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits  # type: ignore[import-untyped]

from grokwatch.experiments.tasks import BreastCancer, Digits


def test_digits_are_all_there_with_their_labels() -> None:
    split = Digits(train_fraction=0.3, seed=4).split()
    assert (len(split.train_targets), len(split.test_targets)) == (539, 1_258)
    pixels, digits = load_digits(return_X_y=True)
    expected = {(*row, digit) for row, digit in zip(pixels.tolist(), digits.tolist(), strict=True)}
    inputs = torch.cat([split.train_inputs, split.test_inputs]) * 16
    targets = torch.cat([split.train_targets, split.test_targets])
    found = {(*row, y) for row, y in zip(inputs.tolist(), targets.tolist(), strict=True)}
    assert found == expected
    assert split.train_inputs.dtype == split.test_inputs.dtype == torch.float32


def test_measures_are_standardized_by_the_train_part_only() -> None:
    split = BreastCancer(train_fraction=0.4, seed=4).split()
    assert (len(split.train_targets), len(split.test_targets)) == (227, 342)
    train = split.train_inputs.double()
    assert train.mean(dim=0).abs().max() < 1e-6
    assert (train.std(dim=0, correction=0) - 1).abs().max() < 1e-6
    assert split.test_inputs.mean(dim=0).abs().max() > 0.01
    assert split.train_inputs.dtype == split.test_inputs.dtype == torch.float32


def test_measures_keep_their_labels() -> None:
    split = BreastCancer(seed=4).split()
    measures, benign = load_breast_cancer(return_X_y=True)
    order = torch.randperm(569, generator=torch.Generator().manual_seed(4))
    targets = torch.cat([split.train_targets, split.test_targets])
    assert torch.equal(targets, torch.tensor(benign)[order])
    inputs = torch.cat([split.train_inputs, split.test_inputs]).double()
    for own, raw in zip(inputs.T, torch.tensor(measures)[order].T, strict=True):
        both = torch.stack([own, raw])
        assert torch.corrcoef(both)[0, 1].item() == pytest.approx(1, abs=1e-6)


def test_a_single_train_example_has_no_deviation_and_stays_finite() -> None:
    split = BreastCancer(train_fraction=0.002).split()
    assert len(split.train_targets) == 1
    assert (split.train_inputs == 0).all()
    assert split.test_inputs.isfinite().all()


def test_scikit_learn_is_loaded_by_a_split_only() -> None:
    code = (
        "import sys\nfrom grokwatch.experiments.tasks import Digits\n"
        "task, before = Digits(), 'sklearn' in sys.modules\n"
        "task.split()\nprint(before, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
