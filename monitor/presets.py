"""Presets: what is measured where nobody lists signals, chosen by what a value costs.

A preset decides what may be read, the budget how often: under a budget even `full` stays within it,
at the price of fewer values. No preset looks at access: what a predictor may see is the watcher's
part.
"""

from collections.abc import Callable, Mapping, Sequence

from grokwatch.monitor.errors import ConfigurationError
from grokwatch.monitor.signals import ALL
from grokwatch.monitor.snapshot import Cost, Signal

DEFAULT = "standard"

_WORTH_ITS_COST = frozenset({"sharpness"})


def _is_cheap(signal: Signal) -> bool:
    return signal.cost is Cost.CHEAP


def _is_standard(signal: Signal) -> bool:
    return signal.cost is not Cost.DEAR or signal.name in _WORTH_ITS_COST


def _is_any(signal: Signal) -> bool:
    return True


PRESETS: Mapping[str, Callable[[Signal], bool]] = {
    "cheap": _is_cheap,
    "standard": _is_standard,
    "full": _is_any,
}
"""Preset -> whether a signal belongs to it; each one contains those before it."""


def choose(signals: str | Sequence[Signal]) -> tuple[Signal, ...]:
    """The signals that somebody asked for.

    Args:
        signals: names of presets and of signals with commas in between, or the signals themselves.

    Returns:
        Those that were named in the order of `ALL`; a sequence of signals as it is.

    Raises:
        ConfigurationError: a name is neither a preset's nor a signal's.

    Example:
        >>> len(choose("cheap")) < len(choose("standard")) <= len(choose("full")) == len(ALL)
        True
        >>> len(choose("cheap, commutator_defect")) - len(choose("cheap"))
        1
        >>> choose(ALL[:2]) == ALL[:2]
        True
    """
    if isinstance(signals, str):
        names = frozenset(name.strip() for name in signals.split(","))
        _check(names)
        return tuple(s for s in ALL if s.name in names or not names.isdisjoint(presets_of(s)))
    given: Sequence[object] = signals
    wrong = [each for each in given if not isinstance(each, Signal)]
    if wrong:
        msg = (
            f"Expected signals or the name of a preset, got {wrong[0]!r} in a sequence. "
            f"Try signals={DEFAULT!r}, or rows of grokwatch.monitor.signals.ALL."
        )
        raise ConfigurationError(msg)
    return tuple(signals)


def presets_of(signal: Signal) -> tuple[str, ...]:
    """Names of the presets that a signal belongs to.

    Example:
        >>> presets_of(ALL[0])
        ('cheap', 'standard', 'full')
    """
    return tuple(name for name, belongs in PRESETS.items() if belongs(signal))


def _check(names: frozenset[str]) -> None:
    """Refuse what names nothing.

    Raises:
        ConfigurationError: a name is neither a preset's nor a signal's.
    """
    for name in sorted(names - PRESETS.keys() - {signal.name for signal in ALL}):
        msg = (
            f"Expected a preset among {', '.join(PRESETS)} or a signal, got {name!r}. "
            f"Try {DEFAULT!r}, or a name that grokwatch signals lists."
        )
        raise ConfigurationError(msg)
