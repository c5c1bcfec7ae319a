"""Which part of the corpus a run belongs to: drawn by hash, written down once, never changed."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from grokwatch.experiments.corpus.writing import replace_text
from grokwatch.monitor.errors import WireError

FILE = "splits.json"

TEST_SHARE = 0.40
CALIBRATION_SHARE = 0.15

_SALT = "grokwatch corpus 1:"


def split_of(fold: str) -> str:
    """The part that a fold is drawn into: test 40 %, calibration 15 %, train the rest.

    Args:
        fold: its name.

    Returns:
        `test`, `calibration` or `train`, the same for ever.

    Example:
        >>> split_of("0123456789abcdef")
        'train'
    """
    word = hashlib.sha256((_SALT + fold).encode()).digest()[:8]
    drawn = int.from_bytes(word, "big") / 2**64
    if drawn < TEST_SHARE:
        return "test"
    return "calibration" if drawn < TEST_SHARE + CALIBRATION_SHARE else "train"


def read_splits(folder: Path) -> dict[str, str]:
    """What was written down so far.

    Args:
        folder: of the corpus.

    Returns:
        Fold -> part; empty where nothing was.

    Raises:
        WireError: the file is broken.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError) as error:
        msg = (
            f"Expected a part for each fold in {path}, got {error}. "
            "Try the file as it was committed."
        )
        raise WireError(msg) from error


def wrong_entries(splits: Mapping[str, str]) -> list[str]:
    """Folds whose written part is not the one that is drawn."""
    return sorted(fold for fold, part in splits.items() if part != split_of(fold))


def freeze(folder: Path, folds: Iterable[str]) -> dict[str, str]:
    """Write down the parts of folds that have none yet; what is written stays.

    Args:
        folder: of the corpus.
        folds: names, in any order.

    Returns:
        Fold -> part, of all that is written now.

    Raises:
        WireError: the file is broken, or an entry is not what is drawn: somebody edited one of
            them.
        JournalError: the folder cannot be written.
    """
    splits = read_splits(folder)
    wrong = wrong_entries(splits)
    if wrong:
        fold = wrong[0]
        raise WireError(
            f"Expected {fold} in {folder / FILE} as {split_of(fold)!r}, which was drawn before the "
            f"first fit, got {splits[fold]!r}. Try the file as it was committed."
        )
    new = {fold: split_of(fold) for fold in folds if fold not in splits}
    if new:
        splits = dict(sorted({**splits, **new}.items()))
        text = msgspec.json.format(msgspec.json.encode(splits), indent=1).decode()
        replace_text(folder / FILE, f"{text}\n")
    return splits
