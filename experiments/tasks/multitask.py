"""Several sparse parities in one: each is a skill of its own, learned in its own time."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from grokwatch.experiments.tasks.cutting import check_label_noise, cut, stream
from grokwatch.experiments.tasks.parity import check_bits, check_counts, draw_bits, draw_subset
from grokwatch.experiments.tasks.task import Split
from grokwatch.monitor.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class MultitaskParity:
    """Given the number of a skill and n bits, answer the parity of that skill's own k bits.

    An input is a prefix with a one in the place of the skill and zeros elsewhere, then the bits as
    +1 and -1. No string of bits comes twice, whatever the skill.

    Attributes:
        num_skills: how many subsets of bits there are, all different, drawn by the seed.
        num_bits: n, how many bits follow the prefix.
        num_relevant: k <= n, how many bits matter to a skill.
        zipf: exponent s >= 0 of how often skill i = 1, 2, ... comes, in proportion to i^-s; at 0
            all come as often.
        num_train: examples to train on.
        num_test: examples held out, of skills as frequent as in training.
        seed: of the drawn examples and subsets, the shuffled labels and the noise.
        random_labels: answers are shuffled over all examples; they can only be learned by heart.
        label_noise: fraction of train answers replaced by the other one.

    Example:
        >>> split = MultitaskParity(num_skills=4, num_bits=20).split()
        >>> split.train_inputs.shape, split.train_inputs[:, :4].sum(dim=1).unique().tolist()
        (torch.Size([4000, 24]), [1.0])

    Source:
        Michaud et al. 2023, section 3 (there s = 1.4).
    """

    name: ClassVar[str] = "multitask_parity"

    num_skills: int = 8
    num_bits: int = 30
    num_relevant: int = 3
    zipf: float = 0.0
    num_train: int = 4_000
    num_test: int = 5_000
    seed: int = 0
    random_labels: bool = False
    label_noise: float = 0.0

    def __post_init__(self) -> None:
        check_bits(self.num_relevant, self.num_bits)
        check_counts(self.num_train, self.num_test, self.num_bits)
        check_label_noise(self.label_noise)
        subsets = math.comb(self.num_bits, self.num_relevant)
        if not 1 <= self.num_skills <= subsets:
            msg = (
                f"Expected num_skills between 1 and {subsets}, the number of subsets of "
                f"{self.num_relevant} of {self.num_bits} bits, got {self.num_skills}. "
                "Try more bits."
            )
            raise ConfigurationError(msg)
        if not 0 <= self.zipf < math.inf:
            msg = f"Expected a finite exponent zipf >= 0, got {self.zipf}. Try zipf=1.4."
            raise ConfigurationError(msg)

    @property
    def num_classes(self) -> int:
        """Even or odd."""
        return 2

    @property
    def group(self) -> str:
        """All columns of the input take two values, those of the prefix too."""
        return f"bits:{self.num_skills + self.num_bits}"

    @property
    def relevant_bits(self) -> tuple[tuple[int, ...], ...]:
        """For each skill which bits matter, counted from the end of the prefix; a secret."""
        generator = stream(self.seed, "relevant bits")
        subsets: dict[tuple[int, ...], None] = {}
        while len(subsets) < self.num_skills:
            subsets[draw_subset(self.num_relevant, self.num_bits, generator)] = None
        return tuple(subsets)

    @property
    def frequencies(self) -> Tensor:
        """Probabilities `(num_skills,)` float64 of the skills, the most frequent first."""
        powers = torch.arange(1, self.num_skills + 1, dtype=torch.float64) ** -self.zipf
        return powers / powers.sum()

    def split(self) -> Split:
        """Inputs `(N, num_skills + n)` float32, and parities of the skill's bits."""
        generator = torch.Generator().manual_seed(self.seed)
        count = self.num_train + self.num_test
        bits = draw_bits(count, self.num_bits, generator)
        skills = torch.multinomial(self.frequencies, count, replacement=True, generator=generator)
        columns = torch.tensor(self.relevant_bits)[skills]
        prefix = torch.nn.functional.one_hot(skills, self.num_skills)
        return cut(
            torch.cat([prefix.float(), 2.0 * bits - 1.0], dim=1),
            bits.gather(1, columns).sum(dim=1) % 2,
            self.num_train,
            generator,
            num_classes=2,
            random_labels=self.random_labels,
            label_noise=self.label_noise,
        )
