"""Sparse parity: few of many bits decide, and no single one of them tells anything."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from grokwatch.experiments.tasks.cutting import check_label_noise, cut, stream
from grokwatch.experiments.tasks.task import Split
from grokwatch.monitor.errors import ConfigurationError

_DENSE_BITS = 20
_CHOICES = ("first", "drawn")


@dataclass(frozen=True, kw_only=True)
class SparseParity:
    """Given n bits, answer whether the number of ones among k of them is odd.

    Attributes:
        num_bits: n, length of an input.
        num_relevant: k <= n, how many bits matter.
        relevant: which: the `first` k, or k `drawn` by the seed; inputs are the same in both cases.
        num_train: examples to train on.
        num_test: examples held out; all examples of a task are different.
        seed: of the drawn examples and bits, the shuffled labels and the noise.
        random_labels: answers are shuffled over all examples; they can only be learned by heart.
        label_noise: fraction of train answers replaced by the other one.
        signed: inputs are +1 for ones and -1 for zeros; else they are 1 and 0.

    Example:
        >>> split = SparseParity(num_bits=30, num_train=750).split()
        >>> split.train_inputs.shape, split.train_inputs.unique().tolist()
        (torch.Size([750, 30]), [-1.0, 1.0])

    Source:
        Barak et al. 2022.
    """

    name: ClassVar[str] = "sparse_parity"

    num_bits: int = 30
    num_relevant: int = 3
    relevant: str = "first"
    num_train: int = 750
    num_test: int = 5_000
    seed: int = 0
    random_labels: bool = False
    label_noise: float = 0.0
    signed: bool = True

    def __post_init__(self) -> None:
        check_bits(self.num_relevant, self.num_bits)
        check_counts(self.num_train, self.num_test, self.num_bits)
        check_label_noise(self.label_noise)
        if self.relevant not in _CHOICES:
            msg = (
                f"Expected relevant, the choice of bits that matter, among {', '.join(_CHOICES)}, "
                f"got {self.relevant!r}. Try relevant='first'."
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

    @property
    def relevant_bits(self) -> tuple[int, ...]:
        """Which columns of the input matter, ascending; a solution's secret."""
        if self.relevant == "first":
            return tuple(range(self.num_relevant))
        return draw_subset(self.num_relevant, self.num_bits, stream(self.seed, "relevant bits"))

    def split(self) -> Split:
        """Inputs `(N, n)` float32, and parities of relevant bits."""
        generator = torch.Generator().manual_seed(self.seed)
        bits = draw_bits(self.num_train + self.num_test, self.num_bits, generator)
        return cut(
            2.0 * bits - 1.0 if self.signed else bits.float(),
            bits[:, self.relevant_bits].sum(dim=1) % 2,
            self.num_train,
            generator,
            num_classes=2,
            random_labels=self.random_labels,
            label_noise=self.label_noise,
        )


def draw_bits(count: int, num_bits: int, generator: torch.Generator) -> Tensor:
    """Different strings of bits in random order: `(count, num_bits)` int64 of 0 and 1."""
    codes = _codes(count, num_bits, generator)
    return codes[:, None] >> torch.arange(num_bits) & 1


def draw_subset(size: int, num_bits: int, generator: torch.Generator) -> tuple[int, ...]:
    """Columns, ascending; every subset of this size is as likely."""
    return tuple(torch.randperm(num_bits, generator=generator)[:size].sort().values.tolist())


def check_bits(num_relevant: int, num_bits: int) -> None:
    """Refuse more relevant bits than there are.

    Raises:
        ConfigurationError: there are none, too few or too many bits.
    """
    if not 1 <= num_relevant <= num_bits <= 62:
        msg = (
            "Expected 1 <= num_relevant <= num_bits <= 62, got "
            f"num_relevant={num_relevant}, num_bits={num_bits}. Try num_relevant=3, num_bits=30."
        )
        raise ConfigurationError(msg)


def check_counts(num_train: int, num_test: int, num_bits: int) -> None:
    """Refuse to draw nothing, or more different examples than there are.

    Raises:
        ConfigurationError: so many cannot be drawn.
    """
    if min(num_train, num_test) < 1:
        msg = (
            "Expected num_train >= 1 and num_test >= 1, got "
            f"num_train={num_train}, num_test={num_test}. Try num_train=750, num_test=5000."
        )
        raise ConfigurationError(msg)
    if num_train + num_test > 2**num_bits:
        msg = (
            f"Expected at most {2**num_bits} different examples of {num_bits} bits, "
            f"got {num_train} to train and {num_test} to test. Try more bits."
        )
        raise ConfigurationError(msg)


def _codes(count: int, num_bits: int, generator: torch.Generator) -> Tensor:
    """`(count,)` different integers below 2**num_bits, in random order."""
    if num_bits <= _DENSE_BITS:
        return torch.randperm(2**num_bits, generator=generator)[:count]
    codes = torch.empty(0, dtype=torch.int64)
    while len(codes) < count:
        drawn = torch.randint(2**num_bits, (2 * count,), generator=generator)
        codes = torch.unique(torch.cat([codes, drawn]))
    return codes[torch.randperm(len(codes), generator=generator)[:count]]
