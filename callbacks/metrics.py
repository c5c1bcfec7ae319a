"""Reading logged metrics: which of them is the test accuracy, is it fresh, is it a percentage.

Trainers keep the last value of each metric for ever, so a value counts only where it was logged
anew. A share above 1 is a percentage, and so are all accuracies logged beside it from then on.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

from grokwatch.monitor.probe import Probe

_HELD_OUT = r"(val|valid|validation|test|eval|dev|held_out|holdout)"
_ACCURACY = r"(acc|accuracy|top1|top_1|acc1|acc_1)"
_SUFFIX = r"(_epoch|_dataloader_idx_0)*"
_PATTERNS = {
    "test accuracy": re.compile(rf"{_HELD_OUT}_(.*_)?{_ACCURACY}{_SUFFIX}"),
    "test loss": re.compile(rf"{_HELD_OUT}_(.*_)?(loss|nll|ce|cross_entropy){_SUFFIX}"),
    "train accuracy": re.compile(rf"(train_|training_)(.*_)?{_ACCURACY}{_SUFFIX}"),
}
_ANY_ACCURACY = re.compile(rf"(^|_){_ACCURACY}{_SUFFIX}$")
_REMEDIES = {
    "test accuracy": "Probe(test_accuracy='val_acc') with the name of a logged metric",
    "test loss": "Probe(test_loss='val_loss') with the name of a logged metric",
    "train accuracy": "Probe(train_accuracy='train_acc') with the name of a logged metric",
}

_log = logging.getLogger(__name__)


class Metric:
    """One quantity among the logged metrics.

    Args:
        quantity: `test accuracy`, `test loss` or `train accuracy`.
        name: the metric's name, or None to look for it.

    Attributes:
        name: the metric's name, once known.
        guesses: sentences on what was not said.
    """

    def __init__(self, quantity: str, name: str | None) -> None:
        self.quantity = quantity
        self.name = name
        self.guesses: list[str] = []
        self._last: object = None
        self._is_percent = False
        self._is_missing = False

    def read(self, metrics: Mapping[str, Any]) -> float | None:
        """The value logged since the last reading, accuracy as a fraction, or None.

        Args:
            metrics: the trainer's metrics, tensors or numbers by name.
        """
        self.look(metrics)
        value = metrics.get(self.name) if self.name is not None else None
        if value is None or value is self._last:
            return None
        self._last = value
        number = float(value)
        if not self.quantity.endswith("accuracy"):
            return number
        self._notice_percent(number, metrics)
        return number / 100 if self._is_percent else number

    def look(self, metrics: Mapping[str, Any]) -> None:
        """Find the name, or say once that there is none."""
        if self.name is None:
            self.name = guess(self.quantity, metrics)
            if self.name is not None:
                self._guess(f"{self.quantity} is the metric {self.name!r}")
        if (self.name is None or self.name not in metrics) and not self._is_missing:
            self._is_missing = True
            self._miss(metrics)

    def _miss(self, metrics: Mapping[str, Any]) -> None:
        """Say what was looked for and what there is."""
        found, remedy = guess(self.quantity, metrics), _REMEDIES[self.quantity]
        if found is not None:
            remedy = f"Probe({self.quantity.replace(' ', '_')}={found!r})"
        sought = self.quantity if self.name is None else f"metric {self.name!r}"
        logged = ", ".join(sorted(metrics)) or "none"
        _log.warning("Found no %s among the logged metrics (%s). Try %s.", sought, logged, remedy)

    def _notice_percent(self, number: float, metrics: Mapping[str, Any]) -> None:
        """A share above 1 is a percentage, and its siblings are then, also where they are below."""
        if self._is_percent:
            return
        shares = {self.name: number} | {
            name: float(value)
            for name, value in metrics.items()
            if _ANY_ACCURACY.search(_plain(name))
        }
        above = next((name for name, share in shares.items() if share > 1), None)
        if above is not None:
            self._is_percent = True
            because = "it" if above == self.name else repr(above)
            self._guess(
                f"metric {self.name!r} is in percent, because {because} was {shares[above]:g}"
            )

    def _guess(self, sentence: str) -> None:
        """Report a guess once."""
        self.guesses.append(sentence)
        _log.warning("Guessed: %s.", sentence)


class Metrics:
    """The metrics that a run's records need.

    Args:
        probe: names given by the user.
    """

    def __init__(self, probe: Probe) -> None:
        self.test_accuracy = Metric("test accuracy", probe.test_accuracy)
        self.test_loss = Metric("test loss", probe.test_loss)
        self.train_accuracy = Metric("train accuracy", probe.train_accuracy)

    def read_test(self, metrics: Mapping[str, Any]) -> tuple[float | None, float | None]:
        """Fresh test loss and test accuracy, each None where it was not logged anew."""
        return self.test_loss.read(metrics), self.test_accuracy.read(metrics)

    @property
    def guesses(self) -> tuple[str, ...]:
        """All guesses so far."""
        metrics = (self.test_accuracy, self.test_loss, self.train_accuracy)
        return tuple(guess for metric in metrics for guess in metric.guesses)


def guess(quantity: str, names: Iterable[str]) -> str | None:
    """The name that reads most like a quantity: the shortest, then the first of the alphabet.

    Args:
        quantity: `test accuracy`, `test loss` or `train accuracy`.
        names: names of logged metrics.

    Returns:
        One of them, or None.

    Example:
        >>> guess("test accuracy", ["val_acc_top5", "val/acc", "train_acc"])
        'val/acc'
    """
    pattern = _PATTERNS[quantity]
    fitting = [n for n in names if pattern.fullmatch(_plain(n))]
    return min(fitting, key=lambda name: (len(name), name), default=None)


def _plain(name: str) -> str:
    """A metric's name in lower case, its parts joined by single underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())
