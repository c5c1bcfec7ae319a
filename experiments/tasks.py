"""What is learned: small algorithmic tasks with a known rule, split once and for all by a seed.

A task is a frozen dataclass with `num_classes`, `group` and `split()`. It draws from a generator of
its own, so the same task gives the same examples whatever the rest of the process does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from grokwatch.monitor.errors import ConfigurationError

_DENSE_BITS = 20


class Split(NamedTuple):
    """Examples to train on and examples held out; inputs `(N, ...)`, int64 targets `(N,)`."""

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor


class Task(Protocol):
    """Something to learn."""

    @property
    def num_classes(self) -> int:
        """How many answers there are."""
        ...

    @property
    def group(self) -> str:
        """The group over which tokens or input coordinates run, as a `Probe` wants it."""
        ...

    def split(self) -> Split:
        """Examples, the same at every call."""
        ...


@dataclass(frozen=True, kw_only=True)
class ModularAddition:
    """Given two tokens a and b, answer (a + b) mod p.

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

    modulus: int = 67
    train_fraction: float = 0.4
    symmetric: bool = False
    seed: int = 0
    random_labels: bool = False

    def __post_init__(self) -> None:
        if self.modulus < 2:
            msg = f"Expected modulus >= 2, got {self.modulus}. Try modulus=67."
            raise ConfigurationError(msg)
        if not 0 < self.train_fraction < 1:
            msg = (
                f"Expected train_fraction strictly between 0 and 1, got {self.train_fraction}. "
                "Try train_fraction=0.4."
            )
            raise ConfigurationError(msg)

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
        tokens = torch.arange(self.modulus)
        pairs = torch.cartesian_prod(tokens, tokens)
        if not self.symmetric:
            pairs = pairs[pairs[:, 0] <= pairs[:, 1]]
        generator = torch.Generator().manual_seed(self.seed)
        pairs = pairs[torch.randperm(len(pairs), generator=generator)]
        targets = pairs.sum(dim=1) % self.modulus
        if self.random_labels:
            targets = targets[torch.randperm(len(targets), generator=generator)]
        return _cut(pairs, targets, int(len(pairs) * self.train_fraction))


@dataclass(frozen=True, kw_only=True)
class SparseParity:
    """Given n bits, answer whether the number of ones among the first k is odd.

    Attributes:
        num_bits: n, length of an input.
        num_relevant: k <= n, how many bits matter.
        num_train: examples to train on.
        num_test: examples held out; all examples of a task are different.
        seed: of the drawn examples, and of the shuffled labels.
        random_labels: answers are shuffled over all examples; they can only be learned by heart.

    Example:
        >>> split = SparseParity(num_bits=30, num_train=750).split()
        >>> split.train_inputs.shape, split.train_inputs.unique().tolist()
        (torch.Size([750, 30]), [-1.0, 1.0])
    """

    num_bits: int = 30
    num_relevant: int = 3
    num_train: int = 750
    num_test: int = 5_000
    seed: int = 0
    random_labels: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.num_relevant <= self.num_bits <= 62:
            msg = (
                "Expected 1 <= num_relevant <= num_bits <= 62, got "
                f"num_relevant={self.num_relevant}, num_bits={self.num_bits}. "
                "Try num_relevant=3, num_bits=30."
            )
            raise ConfigurationError(msg)
        if self.num_train + self.num_test > 2**self.num_bits:
            msg = (
                f"Expected at most {2**self.num_bits} different examples of {self.num_bits} bits, "
                f"got {self.num_train} to train and {self.num_test} to test. Try more bits."
            )
            raise ConfigurationError(msg)

    @property
    def num_classes(self) -> int:
        """Even or odd."""
        return 2

    @property
    def group(self) -> str:
        """Inputs are n bits."""
        return f"bits:{self.num_bits}"

    def split(self) -> Split:
        """Inputs `(N, n)` float32, ones as +1 and zeros as -1, and parities of relevant bits."""
        generator = torch.Generator().manual_seed(self.seed)
        codes = self._codes(self.num_train + self.num_test, generator)
        bits = codes[:, None] >> torch.arange(self.num_bits) & 1
        targets = bits[:, : self.num_relevant].sum(dim=1) % 2
        if self.random_labels:
            targets = targets[torch.randperm(len(targets), generator=generator)]
        return _cut(2.0 * bits - 1.0, targets, self.num_train)

    def _codes(self, count: int, generator: torch.Generator) -> Tensor:
        """`(count,)` different integers below 2**num_bits, in random order."""
        if self.num_bits <= _DENSE_BITS:
            return torch.randperm(2**self.num_bits, generator=generator)[:count]
        codes = torch.empty(0, dtype=torch.int64)
        while len(codes) < count:
            drawn = torch.randint(2**self.num_bits, (2 * count,), generator=generator)
            codes = torch.unique(torch.cat([codes, drawn]))
        return codes[torch.randperm(len(codes), generator=generator)[:count]]


def _cut(inputs: Tensor, targets: Tensor, num_train: int) -> Split:
    """The first `num_train` examples to train on, the others held out."""
    return Split(inputs[:num_train], targets[:num_train], inputs[num_train:], targets[num_train:])


TASKS: dict[str, Callable[..., Task]] = {
    "modular_addition": ModularAddition,
    "sparse_parity": SparseParity,
}
