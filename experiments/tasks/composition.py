"""Composition of permutations: a group in which the order of the two elements matters."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from grokwatch.experiments.tasks.cutting import check_label_noise, cut, num_to_train
from grokwatch.experiments.tasks.task import Split
from grokwatch.monitor.errors import ConfigurationError

_ORDERS = {3: 6, 4: 24, 5: 120}


def composition_table(degree: int) -> Tensor:
    """Index of a o b for all permutations a and b of n things.

    (a o b)(i) = a(b(i)): b moves first. Permutations are counted in lexicographic order, from the
    identity at 0, as `itertools.permutations` lists them.

    Args:
        degree: n.

    Returns:
        `(n!, n!)` int64, a on axis 0, b on axis 1.

    Example:
        >>> composition_table(3)[1]
        tensor([1, 0, 4, 5, 2, 3])
    """
    permutations = torch.tensor(list(itertools.permutations(range(degree))))
    places = degree ** torch.arange(degree - 1, -1, -1)
    codes = (permutations * places).sum(-1)
    return torch.searchsorted(codes, (permutations[:, permutations] * places).sum(-1))


@dataclass(frozen=True, kw_only=True)
class PermutationComposition:
    """Given two permutations a and b of n things, answer a o b: first b, then a.

    All n!^2 ordered pairs are examples: a o b says nothing of b o a.

    Attributes:
        degree: n in 3, 4, 5 for the symmetric groups S3, S4, S5.
        train_fraction: share of all pairs to train on, in (0, 1).
        seed: of the split, the shuffled labels and the noise.
        random_labels: answers are shuffled over all pairs; they can only be learned by heart.
        label_noise: fraction of train answers replaced by another one.

    Example:
        >>> task = PermutationComposition(degree=4, train_fraction=0.5)
        >>> task.group, len(task.split().train_targets)
        ('symmetric:4', 288)

    Source:
        Power et al. 2022; Chughtai et al. 2023.
    """

    name: ClassVar[str] = "permutation_composition"

    degree: int = 5
    train_fraction: float = 0.5
    seed: int = 0
    random_labels: bool = False
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        if self.degree not in _ORDERS:
            msg = f"Expected degree 3, 4 or 5 (S3, S4, S5), got {self.degree}. Try degree=5."
            raise ConfigurationError(msg)
        num_to_train(self.train_fraction, self.num_examples)
        check_label_noise(self.label_noise)

    @property
    def num_classes(self) -> int:
        """How many permutations there are: n!."""
        return _ORDERS[self.degree]

    @property
    def group(self) -> str:
        """Tokens are permutations of n things, in lexicographic order."""
        return f"symmetric:{self.degree}"

    @property
    def num_examples(self) -> int:
        """How many pairs there are, to train on and held out."""
        return self.num_classes**2

    def split(self) -> Split:
        """Pairs `(N, 2)` int64 of permutations, by number, and the number of their product."""
        table = composition_table(self.degree)
        generator = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(table.numel(), generator=generator)
        return cut(
            torch.stack([order // len(table), order % len(table)], dim=1),
            table.flatten()[order],
            num_to_train(self.train_fraction, table.numel()),
            generator,
            num_classes=self.num_classes,
            random_labels=self.random_labels,
            label_noise=self.label_noise,
        )
