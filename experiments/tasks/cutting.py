"""The last step of every task: shuffle labels where asked, cut train from test, add label noise.

Only train labels are ever noisy, so that test accuracy still measures the rule. Noise is drawn
last: a task without it has the same examples as the same task with it.
"""

import hashlib

import torch
from torch import Tensor

from grokwatch.experiments.tasks.task import Split
from grokwatch.monitor.errors import ConfigurationError


def cut(
    inputs: Tensor,
    targets: Tensor,
    num_train: int,
    generator: torch.Generator,
    *,
    num_classes: int,
    random_labels: bool,
    label_noise: float,
) -> Split:
    """The first examples to train on, the others held out.

    Args:
        inputs: `(N, ...)` in random order.
        targets: `(N,)` their true answers.
        num_train: how many to train on.
        generator: draws shuffle and noise.
        num_classes: answers are 0 to this minus one.
        random_labels: shuffle answers over all examples: each class stays as frequent as it was.
        label_noise: fraction of train answers to replace, each by another class.

    Returns:
        The split; inputs are never changed.
    """
    if random_labels:
        targets = targets[torch.randperm(len(targets), generator=generator)]
    train = targets[:num_train]
    if label_noise:
        train = _noisy(train, label_noise, num_classes, generator)
    return Split(inputs[:num_train], train, inputs[num_train:], targets[num_train:])


def stream(seed: int, purpose: str) -> torch.Generator:
    """A generator beside that of the examples, for another purpose under the same seed."""
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big"))


def num_to_train(train_fraction: float, num_examples: int) -> int:
    """Examples to train on, rounded down, when a fraction of all is asked for.

    Raises:
        ConfigurationError: nothing would be left on one of the two sides.
    """
    if not 0 < train_fraction < 1:
        msg = (
            f"Expected train_fraction strictly between 0 and 1, got {train_fraction}. "
            "Try train_fraction=0.4."
        )
        raise ConfigurationError(msg)
    num_train = int(num_examples * train_fraction)
    if not num_train:
        msg = (
            f"Expected train_fraction to leave one of {num_examples} examples to train on, "
            f"got {train_fraction}. Try train_fraction=0.5."
        )
        raise ConfigurationError(msg)
    return num_train


def check_label_noise(label_noise: float) -> None:
    """Refuse what is no fraction.

    Raises:
        ConfigurationError: it is not within 0 and 1.
    """
    if not 0 <= label_noise <= 1:
        msg = (
            "Expected label_noise, the fraction of train labels to replace, between 0 and 1, "
            f"got {label_noise}. Try label_noise=0.05."
        )
        raise ConfigurationError(msg)


def _noisy(
    targets: Tensor, fraction: float, num_classes: int, generator: torch.Generator
) -> Tensor:
    """Replace a fraction of the labels; those hit by less noise are hit alike by more."""
    order = torch.randperm(len(targets), generator=generator)
    shifts = torch.randint(1, num_classes, (len(targets),), generator=generator)
    hit = order[: round(fraction * len(targets))]
    noisy = targets.clone()
    noisy[hit] = (targets[hit] + shifts[hit]) % num_classes
    return noisy
