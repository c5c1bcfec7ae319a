"""Which runs a predictor may be fitted on, and which it is judged on.

Leaving cells out is the split that was frozen by hash before the first fit. The others leave a
whole family, an architecture, or seeds out; a predictor that is fitted has to be fitted again for
them, without test cells and without what is left out, so it has a target for each.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from grokwatch.experiments.validation.trace import Facts

CELL = "leave-cell-out"
FAMILY = "leave-family-out"
ARCHITECTURE = "leave-architecture-out"
SEED = "leave-seed-out"

TRAIN = "train"
CALIBRATION = "calibration"
TEST = "test"

_EVERY = 3


@dataclass(frozen=True)
class Scheme:
    """One way to split.

    Attributes:
        name: such as `leave-family-out: parity`.
        fits: whether a run may be fitted on, and thresholds chosen on.
        judges: whether a run is judged.
    """

    name: str
    fits: Callable[[Facts], bool]
    judges: Callable[[Facts], bool]


class Contestant(msgspec.Struct, frozen=True, kw_only=True):
    """A predictor, under the name it has in tables.

    Attributes:
        name: in tables.
        targets: name of a scheme -> the target that was fitted for it.
        everywhere: target for schemes that are not named: of a rule, which is not fitted; None
            leaves those schemes out.
    """

    name: str
    targets: Mapping[str, str] = {}
    everywhere: str | None = None

    def target(self, scheme: str) -> str | None:
        """The target for a scheme, None where it was not fitted for it."""
        return self.targets.get(scheme, self.everywhere)

    @property
    def all_targets(self) -> set[str]:
        """Every target that it may be judged by."""
        return {*self.targets.values(), *filter(None, [self.everywhere])}


def contestant(target: str) -> Contestant:
    """A rule that is not fitted, under the name of its target."""
    return Contestant(name=target, everywhere=target)


def schemes(judged: str, facts: Iterable[Facts]) -> list[Scheme]:
    """All ways to split that the runs allow, the frozen one first.

    Args:
        judged: the split whose runs are judged: train, calibration or test.
        facts: of all runs that may be looked at.

    Returns:
        Families and architectures are left out where two of them are there.
    """
    known = list(facts)
    families = sorted({each.family for each in known})
    architectures = sorted({each.architecture for each in known})
    found = [Scheme(CELL, _is_in(TRAIN), _is_in(judged))]
    if len(families) > 1:
        found += [_without(FAMILY, "family", family, judged) for family in families]
    if len(architectures) > 1:
        # Only the way that is claimed: fitted on the simple kind, judged on the other.
        found.append(_without(ARCHITECTURE, "architecture", "transformer", judged))
    return [*found, Scheme(SEED, _is_kept_seed, _is_left_seed)]


def _is_in(split: str) -> Callable[[Facts], bool]:
    return lambda facts: facts.split == split


def _without(name: str, attribute: str, value: str, judged: str) -> Scheme:
    return Scheme(
        f"{name}: {value}",
        lambda facts: facts.split == TRAIN and getattr(facts, attribute) != value,
        lambda facts: facts.split == judged and getattr(facts, attribute) == value,
    )


def _is_kept_seed(facts: Facts) -> bool:
    return facts.split == TRAIN and facts.seed % _EVERY != 0


def _is_left_seed(facts: Facts) -> bool:
    """A third of the seeds of cells that may be fitted on: weak, for reference."""
    return facts.split == TRAIN and facts.seed % _EVERY == 0
