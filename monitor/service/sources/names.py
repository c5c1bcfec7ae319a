"""What the metrics of others mean: `val_acc` is test accuracy, `loss` is train loss, and so on.

What the user said comes first, then our own sink's names, then a guess by the words of the name,
case and separators ignored. Each guess is a sentence that the run's start carries, so that nobody
has to wonder what was judged. Pure text: no torch, no client library.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.predictors._readings import READINGS
from grokwatch.monitor.probe import ROLES
from grokwatch.monitor.records import signal_of
from grokwatch.monitor.sinks.names import METRICS
from grokwatch.monitor.sinks.sections import name_within, plain_key

TRAIN_LOSS, TRAIN_ACCURACY = "train_loss", "train_accuracy"
TEST_LOSS, TEST_ACCURACY = "test_loss", "test_accuracy"
TEST_SIDE = frozenset({TEST_LOSS, TEST_ACCURACY})
ACCURACIES = frozenset({TRAIN_ACCURACY, TEST_ACCURACY})
PLAIN = (TRAIN_LOSS, TRAIN_ACCURACY, TEST_LOSS, TEST_ACCURACY)
"""What every run has; all else is the key of a signal."""

SIGNAL_KEYS: tuple[str, ...] = tuple(dict.fromkeys(key for row in READINGS for key in row.keys))
"""Keys of signals that the fitted predictor reads, all of the train side."""

STEPS = ("step", "globalstep", "trainerglobalstep", "iteration", "iter", "update", "epoch")
"""Names of the column that counts steps, best first, as `plain` writes them."""

_LONGEST_NAME = 80
_MOST_LISTED = 12
_PLACES = frozenset({*ROLES, "last"})

_TRAIN_SPLITS = ("train", "training", "trn")
_TEST_SPLITS = (
    "val", "valid", "validation", "dev", "test", "testing", "heldout", "holdout", "eval",
    "evaluation",
)  # fmt: skip
_LOSSES = (
    "loss", "crossentropy", "crossentropyloss", "celoss", "nll", "nllloss", "mse", "mseloss",
)  # fmt: skip
_ACCURACIES = (
    "accuracy", "acc", "top1", "top1accuracy", "top1acc", "accuracytop1", "acctop1", "acc1",
    "categoricalaccuracy", "sparsecategoricalaccuracy", "multiclassaccuracy", "binaryaccuracy",
)  # fmt: skip
_ENDINGS = ("", "epoch", "mean", "avg", "average", "step")
_WEIGHT_NORMS = (
    "weightsnorm", "weightnorml2", "weightl2norm", "weightl2", "l2norm", "l2weightnorm",
    "paramnorm", "paramsnorm", "parameternorm", "parametersnorm", "modelnorm", "normofweights",
)  # fmt: skip


class Meanings(msgspec.Struct, frozen=True, kw_only=True):
    """What names mean: theirs to ours, one of theirs for each of ours; and how that was guessed."""

    ours: dict[str, str]
    guesses: tuple[str, ...] = ()


class _Sense(NamedTuple):
    """What a name may mean; of several names for one thing the lowest rank is taken."""

    ours: str
    rank: int


def plain(name: str) -> str:
    """A name without case and separators; of `run - metric`, as exports write it, the metric.

    Example:
        >>> plain("Train/Loss_Epoch"), plain("fair-sun-3 - val_acc")
        ('trainlossepoch', 'valacc')
    """
    last = name.rpartition(" - ")[2] or name
    return "".join(c for c in last.casefold() if c.isalnum())


def check(given: Mapping[str, str]) -> None:
    """Refuse a mapping to what we do not know.

    Args:
        given: their name -> ours, or "" for a metric to leave out.

    Raises:
        ConfigurationError: one of ours is neither a metric nor a signal that is read.
    """
    for name, ours in given.items():
        if ours and ours not in PLAIN and ours not in SIGNAL_KEYS:
            msg = (
                f"Expected a metric among {', '.join(PLAIN)}, or the key of a signal that is read, "
                f"got {ours!r} for {name!r}. Try {name}=train_loss, or {name}=weight_norm."
            )
            raise ConfigurationError(msg)


def understand(names: Iterable[str], given: Mapping[str, str]) -> Meanings:
    """Say what names mean.

    Where a run logs both, validation is taken before test: it is measured along the way, test often
    once at the end. A plain `loss` or `accuracy` is the train side's.

    Args:
        names: of metrics or columns.
        given: their name -> ours, which is not guessed; "" leaves a metric out.

    Returns:
        The meanings, and a sentence for each guess and for what is not used.

    Example:
        >>> understand(["loss", "val_acc"], {}).guesses
        ('`loss` is taken for train loss', '`val_acc` is taken for test accuracy')
    """
    every = sorted(set(names))
    ours: dict[str, str] = {}
    for name, key in given.items():
        if key and name in every and key not in ours.values():
            ours[name] = key
    rest = [name for name in every if name not in given]
    for name in rest:
        key = _own(name)
        if key and key not in ours.values():
            ours[name] = key
    rest = [name for name in rest if name_within(name) is None]
    guessed, sentences = _guessed(rest, frozenset(ours.values()))
    spoken = {name for names in guessed.values() for name in names}
    unused = [name for name in rest if name not in spoken and plain(name) not in STEPS]
    if unused:
        sentences.append(f"not used: {_listed(unused)}")
    return Meanings(
        ours=ours | {names[0]: key for key, names in guessed.items()}, guesses=tuple(sentences)
    )


def shown(name: str) -> str:
    """A foreign name in a sentence: printable, short, between backquotes.

    Example:
        >>> shown("val_acc")
        '`val_acc`'
    """
    safe = "".join(c if c.isprintable() and c != "`" else "_" for c in name[:_LONGEST_NAME])
    return f"`{safe}`"


def described(key: str) -> str:
    """One of our keys for a person.

    Example:
        >>> described("test_accuracy"), described("weight_norm")
        ('test accuracy', 'the signal weight_norm')
    """
    return key.replace("_", " ") if key in PLAIN else f"the signal {key}"


def is_read(key: str) -> bool:
    """Whether a signal's key belongs to one that the fitted predictor reads."""
    return signal_of(key) in _READ


def _guessed(names: list[str], taken: frozenset[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Our key -> the names that may mean it, best first; and the sentences on them."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        sense = _SENSES.get(plain(name)) or _SENSES.get(plain(name).removeprefix("train"))
        if sense is not None and sense.ours not in taken:
            found.setdefault(sense.ours, []).append((sense.rank, name))
    order = sorted(found, key=lambda key: (PLAIN.index(key) if key in PLAIN else len(PLAIN), key))
    guessed = {key: [name for _, name in sorted(found[key])] for key in order}
    _mind_summaries(names, guessed)
    return guessed, [_sentence(key, chosen) for key, chosen in guessed.items()]


def _mind_summaries(names: list[str], guessed: dict[str, list[str]]) -> None:
    """The `train_loss` of Hugging Face's Trainer is a mean, logged once at the end."""
    losses = guessed.get(TRAIN_LOSS, [])
    if "trainruntime" in map(plain, names) and any(plain(name) == "loss" for name in losses):
        guessed[TRAIN_LOSS] = sorted(losses, key=lambda name: plain(name) != "loss")


def _sentence(key: str, names: list[str]) -> str:
    """What is taken for what, and what is left out for it."""
    taken, others = names[0], names[1:]
    sentence = f"{shown(taken)} is taken for {described(key)}"
    return f"{sentence}, rather than {_listed(others)}" if others else sentence


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_LISTED
    text = ", ".join(map(shown, names[:_MOST_LISTED]))
    return f"{text} and {more} more" if more > 0 else text


def _own(name: str) -> str:
    """The key that our own sink logged under a name; "" where it is none, or a judgement."""
    rest = name_within(name)
    if rest in PLAIN:
        return rest
    if not rest or rest in _JUDGED:
        return ""
    known = _BY_SINK.get(rest)
    head, _, role = rest.rpartition(".")
    return known or (f"{head}@{role}" if head and role in _PLACES else rest)


def _senses() -> Iterator[tuple[str, _Sense]]:
    """Every name that is understood, the better meaning first."""
    sides = (
        (_TRAIN_SPLITS, _LOSSES, TRAIN_LOSS),
        (_TRAIN_SPLITS, _ACCURACIES, TRAIN_ACCURACY),
        (_TEST_SPLITS, _LOSSES, TEST_LOSS),
        (_TEST_SPLITS, _ACCURACIES, TEST_ACCURACY),
        (("",), _LOSSES, TRAIN_LOSS),
        (("",), _ACCURACIES, TRAIN_ACCURACY),
    )
    rank = 0
    for splits, measures, ours in sides:
        for split in splits:
            for ending in _ENDINGS:
                for measure in measures:
                    rank += 1
                    yield f"{split}{measure}{ending}", _Sense(ours, rank)
                    yield f"{measure}{split}{ending}", _Sense(ours, rank)
    yield from ((plain(key), _Sense(key, 0)) for key in SIGNAL_KEYS)
    yield from ((name, _Sense("weight_norm", n)) for n, name in enumerate(_WEIGHT_NORMS, 1))


_SENSES: dict[str, _Sense] = {}
for _name, _sense in _senses():
    _SENSES.setdefault(_name, _sense)
_BY_SINK = {plain_key(key): key for key in SIGNAL_KEYS}
_JUDGED = frozenset(map(name_within, (metric.mlflow for metric in METRICS)))
_READ = frozenset(map(signal_of, SIGNAL_KEYS))
