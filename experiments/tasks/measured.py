"""Data that were measured, not computed: nothing is downloaded, scikit-learn ships them.

On these, networks grok when their weights begin too large.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from grokwatch.experiments.tasks.cutting import check_label_noise, cut, num_to_train
from grokwatch.experiments.tasks.task import Split


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Given an image of 8 by 8 pixels, answer which handwritten digit it shows.

    Attributes:
        train_fraction: share of the 1,797 images to train on, in (0, 1).
        seed: of the split, the shuffled labels and the noise.
        random_labels: answers are shuffled over all images; they can only be learned by heart.
        label_noise: fraction of train answers replaced by another digit.

    Example:
        >>> split = Digits(train_fraction=0.12).split()
        >>> split.train_inputs.shape, split.test_inputs.max().item()
        (torch.Size([215, 64]), 1.0)

    Source:
        Alpaydin and Kaynak 1998 (the data); Liu et al. 2023 (the effect, on a larger set).
    """

    name: ClassVar[str] = "digits"
    num_classes: ClassVar[int] = 10
    group: ClassVar[None] = None
    num_examples: ClassVar[int] = 1_797

    train_fraction: float = 0.12
    seed: int = 0
    random_labels: bool = False
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        num_to_train(self.train_fraction, self.num_examples)
        check_label_noise(self.label_noise)

    def split(self) -> Split:
        """Pixels `(N, 64)` float32 from 0 to 1, row by row, and digits."""
        from sklearn.datasets import load_digits  # type: ignore[import-untyped]

        pixels, digits = load_digits(return_X_y=True)
        return _split(self, torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digits))


@dataclass(frozen=True, kw_only=True)
class BreastCancer:
    """Given 30 measures of the nuclei of cells, answer whether a tumor is benign.

    Attributes:
        train_fraction: share of the 569 cases to train on, in (0, 1).
        seed: of the split, the shuffled labels and the noise.
        random_labels: answers are shuffled over all cases; they can only be learned by heart.
        label_noise: fraction of train answers replaced by the other one.

    Example:
        >>> split = BreastCancer(train_fraction=0.25).split()
        >>> split.train_inputs.shape, split.train_inputs.mean().abs().item() < 1e-6
        (torch.Size([142, 30]), True)

    Source:
        Street, Wolberg and Mangasarian 1993.
    """

    name: ClassVar[str] = "breast_cancer"
    num_classes: ClassVar[int] = 2
    group: ClassVar[None] = None
    num_examples: ClassVar[int] = 569

    train_fraction: float = 0.25
    seed: int = 0
    random_labels: bool = False
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        num_to_train(self.train_fraction, self.num_examples)
        check_label_noise(self.label_noise)

    def split(self) -> Split:
        """Measures `(N, 30)` float32 of mean 0 and deviation 1 on the train part, 1 for benign."""
        from sklearn.datasets import load_breast_cancer

        measures, benign = load_breast_cancer(return_X_y=True)
        split = _split(self, torch.tensor(measures), torch.tensor(benign))
        mean = split.train_inputs.mean(dim=0)
        deviation = split.train_inputs.std(dim=0, correction=0)
        deviation[deviation == 0] = 1.0
        train, test = (
            (part - mean) / deviation for part in (split.train_inputs, split.test_inputs)
        )
        return split._replace(train_inputs=train.float(), test_inputs=test.float())


def _split(task: Digits | BreastCancer, inputs: Tensor, targets: Tensor) -> Split:
    """Examples in random order, cut."""
    generator = torch.Generator().manual_seed(task.seed)
    order = torch.randperm(len(inputs), generator=generator)
    return cut(
        inputs[order],
        targets[order],
        num_to_train(task.train_fraction, len(inputs)),
        generator,
        num_classes=task.num_classes,
        random_labels=task.random_labels,
        label_noise=task.label_noise,
    )
