"""What a task is: a known rule or data set, split once and for all by a seed.

A task is a frozen dataclass of plain numbers, words and truth values, so that `vars(task)` can be
shown beside a run. It draws from generators of its own: the same task gives the same examples
whatever the rest of the process does.
"""

from typing import ClassVar, NamedTuple, Protocol

from torch import Tensor


class Split(NamedTuple):
    """Examples to train on and examples held out; inputs `(N, ...)`, int64 targets `(N,)`."""

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor


class Task(Protocol):
    """Something to learn."""

    name: ClassVar[str]

    @property
    def num_classes(self) -> int:
        """How many answers there are."""
        ...

    @property
    def group(self) -> str | None:
        """The group over which tokens or input coordinates run, as a `Probe` wants it, if any."""
        ...

    def split(self) -> Split:
        """Examples, the same at every call."""
        ...
