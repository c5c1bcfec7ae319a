"""What was settled before the test split was judged: predictors by signature, and every threshold.

The file is written by a validation on other splits. One on the test split reads it, and takes no
threshold, stop level or patience from anywhere else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from grokwatch.experiments.corpus.writing import replace_text
from grokwatch.experiments.validation.keeping import signature
from grokwatch.experiments.validation.splits import TEST, Contestant
from grokwatch.experiments.validation.thresholds import HEADLINE_RATE, Threshold
from grokwatch.monitor.errors import ConfigurationError, WireError


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How one entry of a scheme decides.

    Attributes:
        alarms: thresholds of alarms, for each rate with partial runs among the negatives and with
            them set apart, chosen on runs of all families.
        families: the same, chosen on runs of one family that has enough of them.
        stop: runs are stopped at this chance of grokking, None where no level was allowed.
    """

    alarms: tuple[Threshold, ...]
    families: dict[str, tuple[Threshold, ...]]
    stop: float | None

    def alarm_of(self, family: str) -> Threshold:
        """The alarm as it is raised live: of rising, at the headline rate."""
        return self.alarm(HEADLINE_RATE, family, apart=True)

    def alarm(self, rate: float, family: str = "", *, apart: bool = False) -> Threshold:
        """The threshold for a rate, chosen on the family where that could be done."""
        alarms = self.families.get(family, self.alarms)
        return next(each for each in alarms if (each.rate, each.apart) == (rate, apart))


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """All that was settled.

    Attributes:
        splits: whose runs thresholds were chosen on.
        splits_sha256: of the corpus's file of splits.
        contestants: in order.
        signatures: target -> what it would say, by hash.
        rules: scheme -> entry -> how it decides.
        patiences: loss -> looks of EarlyStopping, None where none was allowed.
        half_landmarks: family -> landmark at which half of the grokking runs are at risk.
    """

    splits: tuple[str, ...]
    splits_sha256: str
    contestants: tuple[Contestant, ...]
    signatures: dict[str, str]
    rules: dict[str, dict[str, Rule]]
    patiences: dict[str, int | None]
    half_landmarks: dict[str, int]


def write_frozen(path: Path, frozen: Frozen) -> None:
    """Write all that was settled.

    Args:
        path: of the file; its folder is made.
        frozen: its content.

    Raises:
        JournalError: the folder cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(frozen, order="sorted"), indent=1).decode()
    replace_text(path, f"{text}\n")


def read_frozen(path: Path) -> Frozen:
    """Read what was settled.

    Args:
        path: of the file.

    Returns:
        Its content.

    Raises:
        WireError: there is no such file, or it is broken.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Frozen)
    except (OSError, msgspec.MsgspecError) as error:
        msg = (
            f"Expected frozen thresholds in {path}, got {error}. "
            "Try validating on the calibration split first, with a file to freeze to."
        )
        raise WireError(msg) from error


def signatures_of(contestants: Sequence[Contestant]) -> dict[str, str]:
    """Target -> signature, of all targets."""
    targets = sorted({target for each in contestants for target in each.all_targets})
    return {target: signature(target) for target in targets}


def check(
    judged: str, frozen: Frozen | None, contestants: Sequence[Contestant], splits_sha256: str
) -> None:
    """Refuse to judge the test split by anything that was not settled before.

    Args:
        judged: the split.
        frozen: what was settled, if anything.
        contestants: who is to be judged.
        splits_sha256: of the corpus's file of splits.

    Raises:
        ConfigurationError: nothing was settled, or something changed since.
    """
    if frozen is None:
        if judged == TEST:
            msg = (
                "Expected thresholds frozen before the test split is judged, got none. "
                "Try judged='calibration' with a file to freeze to, and then that file."
            )
            raise ConfigurationError(msg)
        return
    found = signatures_of(contestants)
    changed = sorted(t for t in found if frozen.signatures.get(t) != found[t])
    if changed or tuple(contestants) != frozen.contestants:
        raise ConfigurationError(
            f"Expected the predictors that were frozen, got others or changed ones: "
            f"{', '.join(changed) or 'another list'}. Try freezing again, before the test split."
        )
    if frozen.splits_sha256 != splits_sha256:
        raise ConfigurationError(
            f"Expected splits_sha256 {frozen.splits_sha256[:16]}... as it was frozen, got "
            f"{splits_sha256[:16]}... Try the corpus that thresholds were frozen on."
        )


def rules_of(frozen: Frozen, scheme: str, names: Sequence[str]) -> Mapping[str, Rule]:
    """How the entries of a scheme decide.

    Raises:
        ConfigurationError: one of them was not settled.
    """
    known = frozen.rules.get(scheme, {})
    missing = [name for name in names if name not in known]
    if missing:
        raise ConfigurationError(
            f"Expected frozen thresholds of {missing[0]!r} for {scheme!r}, got none. "
            "Try freezing again on the same slices, before the test split."
        )
    return known
