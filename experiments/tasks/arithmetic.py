"""Arithmetic modulo p on two tokens: the tasks on which grokking was found."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor

from grokwatch.experiments.tasks.cutting import check_label_noise, cut, num_to_train
from grokwatch.experiments.tasks.task import Split
from grokwatch.monitor.errors import ConfigurationError


def _divide(a: Tensor, b: Tensor, modulus: int) -> Tensor:
    """Multiply by the inverse, which zero has not."""
    inverses = torch.tensor([0, *(pow(each, -1, modulus) for each in range(1, modulus))])
    return a * inverses[b]


OPERATIONS: Mapping[str, Callable[[Tensor, Tensor, int], Tensor]] = MappingProxyType(
    {
        "add": lambda a, b, _: a + b,
        "sub": lambda a, b, _: a - b,
        "mul": lambda a, b, _: a * b,
        "div": _divide,
        "x^2+y^2": lambda a, b, _: a * a + b * b,
        "x^2+xy+y^2": lambda a, b, _: a * a + a * b + b * b,
    }
)
"""What is computed from a, b and p, before the remainder is taken."""


@dataclass(frozen=True, kw_only=True)
class ModularArithmetic:
    """Given two tokens a and b, answer (a op b) mod p.

    Attributes:
        operation: a name in `OPERATIONS`. `sub` and `div` depend on the order of a and b: on pairs
            of both orders they cannot be learned by a model that treats both places alike.
        modulus: p >= 2, the number of tokens and of answers; `div` needs a prime, and b is not 0.
        train_fraction: share of all pairs to train on, in (0, 1).
        symmetric: both (a, b) and (b, a) are examples; else only pairs a <= b, so that no test pair
            is the mirror image of a train pair.
        seed: of the split, the shuffled labels and the noise.
        random_labels: answers are shuffled over all pairs; they can only be learned by heart.
        label_noise: fraction of train answers replaced by another one.

    Example:
        >>> ModularArithmetic(operation="div", modulus=7).split().train_inputs.shape
        torch.Size([10, 2])

    Source:
        Power et al. 2022 (the operations).
    """

    name: ClassVar[str] = "modular_arithmetic"

    operation: str = "add"
    modulus: int = 67
    train_fraction: float = 0.4
    symmetric: bool = False
    seed: int = 0
    random_labels: bool = False
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            msg = (
                f"Expected an operation among {', '.join(OPERATIONS)}, got {self.operation!r}. "
                "Try operation='add'."
            )
            raise ConfigurationError(msg)
        if self.modulus < 2:
            msg = f"Expected modulus >= 2, got {self.modulus}. Try modulus=67."
            raise ConfigurationError(msg)
        if self.operation == "div" and not _is_prime(self.modulus):
            prime = next(filter(_is_prime, count(self.modulus)))
            msg = (
                "Expected a prime modulus for operation='div', where every b but 0 has an inverse, "
                f"got {self.modulus}. Try modulus={prime}."
            )
            raise ConfigurationError(msg)
        num_to_train(self.train_fraction, self.num_examples)
        check_label_noise(self.label_noise)

    @property
    def num_classes(self) -> int:
        """How many answers there are."""
        return self.modulus

    @property
    def group(self) -> str:
        """Tokens are numbers modulo p."""
        return f"cyclic:{self.modulus}"

    @property
    def num_examples(self) -> int:
        """How many pairs there are, to train on and held out."""
        p = self.modulus
        undefined = self.operation == "div"
        return p * p - p * undefined if self.symmetric else p * (p + 1) // 2 - undefined

    def split(self) -> Split:
        """Pairs `(N, 2)` int64 and their answers."""
        tokens = torch.arange(self.modulus)
        pairs = torch.cartesian_prod(tokens, tokens)
        if not self.symmetric:
            pairs = pairs[pairs[:, 0] <= pairs[:, 1]]
        if self.operation == "div":
            pairs = pairs[pairs[:, 1] != 0]
        generator = torch.Generator().manual_seed(self.seed)
        pairs = pairs[torch.randperm(len(pairs), generator=generator)]
        a, b = pairs.unbind(dim=1)
        return cut(
            pairs,
            OPERATIONS[self.operation](a, b, self.modulus) % self.modulus,
            num_to_train(self.train_fraction, len(pairs)),
            generator,
            num_classes=self.modulus,
            random_labels=self.random_labels,
            label_noise=self.label_noise,
        )


@dataclass(frozen=True, kw_only=True)
class ModularAddition:
    """Given two tokens a and b, answer (a + b) mod p: `ModularArithmetic` in its plainest form.

    Its own class, because journals are named after every field of the task that made them.

    Attributes:
        modulus: p >= 2, the number of tokens and of answers.
        train_fraction: share of all pairs to train on, in (0, 1).
        symmetric: both (a, b) and (b, a) are examples; else only pairs a <= b, so that no test pair
            is the mirror image of a train pair.
        seed: of the split, and of the shuffled labels.
        random_labels: answers are shuffled over all pairs; they can only be learned by heart.

    Example:
        >>> split = ModularAddition(modulus=67).split()
        >>> len(split.train_inputs), len(split.test_inputs)
        (911, 1367)
    """

    name: ClassVar[str] = "modular_addition"

    modulus: int = 67
    train_fraction: float = 0.4
    symmetric: bool = False
    seed: int = 0
    random_labels: bool = False

    def __post_init__(self) -> None:
        self._arithmetic()

    @property
    def num_classes(self) -> int:
        """How many answers there are."""
        return self.modulus

    @property
    def group(self) -> str:
        """Tokens are added modulo p."""
        return f"cyclic:{self.modulus}"

    def split(self) -> Split:
        """Pairs `(N, 2)` int64 and their sums modulo p."""
        return self._arithmetic().split()

    def _arithmetic(self) -> ModularArithmetic:
        """The same task under its general name."""
        return ModularArithmetic(operation="add", **vars(self))


def _is_prime(number: int) -> bool:
    """Whether only one and itself divide a number >= 2."""
    return all(number % divisor for divisor in range(2, math.isqrt(number) + 1))
