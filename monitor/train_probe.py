"""The fixed train probe: a copy of the first train batch, judged in eval mode.

Accuracy on the batch just trained on is measured before its update and with dropout on, on examples
that change; memorization needs better. A resumed run takes its probe from the first batch after the
resume.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from grokwatch.monitor.batch import Batch, classified, copied, num_examples, split, take
from grokwatch.monitor.bystander import lent, undisturbed

MAX_EXAMPLES = 1_024
MAX_FULL_BATCH = 4_096
MOST_LOGITS = 1 << 24

T = TypeVar("T")


@dataclass(frozen=True)
class ProbeReading:
    """Logits `(M, C)`, class indices `(M,)` and the fraction correct, a scalar."""

    logits: Tensor
    targets: Tensor
    accuracy: Tensor


class TrainProbe:
    """A fixed copy of train examples, and what the model makes of them.

    Args:
        module: the model being trained.
        batch: its first train batch.
        is_full_batch: whether that is the whole training set, of which up to 4,096 examples are
            kept instead of 1,024.

    Example:
        >>> batch = (torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
        >>> TrainProbe(nn.Identity(), batch).read().accuracy.item()
        1.0
    """

    def __init__(self, module: nn.Module, batch: Batch, *, is_full_batch: bool = False) -> None:
        self._module = module
        self._size = MAX_FULL_BATCH if is_full_batch else MAX_EXAMPLES
        pair = split(batch)
        whole = pair is not None and num_examples(pair) is not None
        self._pair = split(take((*pair[0], pair[1]), self._size)) if pair and whole else None

    @property
    def examples(self) -> tuple[tuple[Tensor, ...], Tensor] | None:
        """Inputs and targets; None where the batch was no such pair."""
        return self._pair

    def read(self) -> ProbeReading | None:
        """Run the model on the probe, leaving no trace.

        Where that gives more than 2^24 logits, as in a language model, of which signals make
        several copies in float64, fewer examples are kept.

        Returns:
            The reading, or None where the model is no classifier of (inputs, targets).

        Raises:
            torch.OutOfMemoryError: the probe did not fit; the next one is half as large.
        """
        if self._pair is None:
            return None
        inputs, targets = self._pair
        output = self.watch(lambda: self._module(*copied(inputs)))
        pair = classified(output, targets)
        if pair is None:
            return None
        logits, classes = pair
        if logits.numel() > MOST_LOGITS and len(targets) > 1:
            self._keep(len(targets) * MOST_LOGITS // logits.numel())
            return self.read()
        accuracy = (logits.argmax(dim=-1) == classes).double().mean()
        return ProbeReading(logits, classes, accuracy)

    def watch(self, look: Callable[[], T]) -> T:
        """Run something that runs the model, in eval mode and without gradients or a trace.

        Args:
            look: what to run.

        Returns:
            What it returned.

        Raises:
            torch.OutOfMemoryError: the probe did not fit; the next one is half as large.
        """
        try:
            with undisturbed(self._module), lent(self._module), torch.no_grad():
                return look()
        except torch.OutOfMemoryError:
            self._shrink()
            raise

    def _shrink(self) -> None:
        """Halve the probe and give unused memory back."""
        if self._pair is not None:
            self._keep(min(self._size, self._pair[1].shape[0]) // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _keep(self, count: int) -> None:
        """Keep some of the examples, spread evenly, at least one."""
        if self._pair is not None:
            self._size = max(1, count)
            self._pair = split(take((*self._pair[0], self._pair[1]), self._size))
